/**
 * An exported log into a broker, entry by entry under its own revisions.
 *
 * Invariants
 * (M1) Only where there is no log under that id: the first append expects none.
 * (M2) Snapshots are left out: the objects they are kept in are not part of an export. The log is read whole instead.
 * (M3) A run that has not ended would go on here as soon as its log is here: only when that is asked for.
 */

import { isTerminalTag, type StateTag } from '../actors/index.ts'
import { isJsonObject, type JsonObject, type JsonValue, messageOf } from '../core/index.ts'
import type { Context } from './context.ts'
import { CommandFailure } from './exits.ts'
import { withBroker } from './with-broker.ts'

interface ExportedEntry {
  readonly subject: string
  readonly records: readonly JsonObject[]
}

export interface ImportOptions {
  /** (M3) */
  readonly alive: boolean
}

/** @throws CommandFailure when the text is no export, the run is there already, or has not ended */
export async function importLog(
  context: Context,
  text: string,
  { alive }: ImportOptions,
): Promise<{ readonly run: string; readonly entries: number }> {
  const entries = text
    .split('\n')
    .flatMap((line, index) => (line.trim() === '' ? [] : [entryIn(line, index + 1)]))
  const [first] = entries
  if (first === undefined)
    throw new CommandFailure('There is nothing in it: an export has a line for each entry.')
  const run = first.subject
  if (!alive && !hasEnded(entries))
    throw new CommandFailure(
      `Run ${run} has not ended: it would go on here. Give --alive if that is what you want.`,
    )
  await withBroker(context, async ({ log }) => {
    for (const [index, { records }] of entries.entries()) {
      const outcome = await log.append(run, records.flatMap(withoutSnapshot), { expect: index })
      if (outcome.outcome === 'appended') continue
      throw new CommandFailure(
        index === 0
          ? `There is a log of run ${run} at this broker already.`
          : `Run ${run} could not be written beyond entry ${index}: somebody else writes to it.`,
      )
    }
  })
  return { run, entries: entries.length }
}

function entryIn(line: string, number: number): ExportedEntry {
  try {
    const value: JsonValue = JSON.parse(line)
    if (isJsonObject(value) && typeof value.subject === 'string' && Array.isArray(value.records))
      return { subject: value.subject, records: value.records.filter(isJsonObject) }
  } catch (error) {
    throw new CommandFailure(`Line ${number} is no JSON: ${messageOf(error)}.`)
  }
  throw new CommandFailure(`Line ${number} is no entry of an export: it needs "subject" and "records".`)
}

/** (M2) */
function withoutSnapshot(record: JsonObject): string[] {
  if (record.k === 'snapshot') return []
  return [JSON.stringify(record.k === 'head' ? { ...record, snap: 0 } : record)]
}

function hasEnded(entries: readonly ExportedEntry[]): boolean {
  const states = entries
    .flatMap(({ records }) => records)
    .filter(({ k }) => k === 'created' || k === 'flow' || k === 'tombstone')
  const last = states.at(-1)?.s
  return typeof last === 'string' && isTerminalTag(last as StateTag)
}
