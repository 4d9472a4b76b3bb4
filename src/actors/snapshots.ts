/**
 * Snapshots: the fold of a run up to a revision, kept in the object store so that opening a long run reads little.
 *
 * Invariants
 * (N1) A snapshot is a shortcut and nothing else. Missing, damaged or of another revision, it is said so in the
 *      log and the run is read from its first entry.
 * (N2) Its object is written before the record that names it, and an older one is deleted only after the newer
 *      one's record is in the log. What a reader finds in the newest entry is therefore there, or superseded
 *      while he looked.
 * (N3) The work is amortised: the next is due after as many records as writing it is worth.
 */

import type { Objects, Rev } from '../broker/index.ts'
import { type Deps, isJsonObject, type JsonValue } from '../core/index.ts'
import { dehydrate, hydrate } from './fold.ts'
import type { SnapshotRecord } from './records.ts'
import type { RunState } from './run-state.ts'
import { textOf } from './values.ts'

/** The fewest records between two snapshots. */
const SNAPSHOT_RECORDS = 2_000

/** Records per row of the fold's table between two snapshots: writing a row costs about what folding a record does. */
const RECORDS_PER_ROW = 1

/** Where the snapshot that covers this revision is. */
function snapshotKey(run: string, rev: Rev): string {
  return `snapshots.${run}.${rev}`
}

export function isSnapshotDue(state: RunState): boolean {
  return (
    state.sinceSnapshot >= SNAPSHOT_RECORDS && state.sinceSnapshot >= RECORDS_PER_ROW * state.tasks.size // (N3)
  )
}

/** Writes the state as it is at the time of the call; resolves with the record that is to name it. */
async function writeSnapshot(objects: Objects, state: RunState): Promise<SnapshotRecord> {
  const { rev } = state
  const object = snapshotKey(state.id, rev)
  const pieces = Array.from(dehydrate(state), (text) => Buffer.from(text))
  const { bytes } = await objects.put(object, inOrder(pieces))
  return { k: 'snapshot', rev, object, bytes }
}

async function* inOrder<T>(parts: readonly T[]): AsyncGenerator<T, void, void> {
  yield* parts
}

/** The state at this revision; undefined when the snapshot cannot be used (N1). */
export async function readSnapshot(
  objects: Objects,
  { logger }: Pick<Deps, 'logger'>,
  run: string,
  rev: Rev,
): Promise<RunState | undefined> {
  const object = snapshotKey(run, rev)
  try {
    const found = await objects.get(object)
    if (found !== undefined) {
      const json: JsonValue = JSON.parse(await textOf(found.data))
      const state = isJsonObject(json) ? hydrate(json) : undefined
      if (state?.id === run && state.rev === rev) return state
    }
    logger.warn({ run, rev, object }, 'the snapshot of a run is missing; its whole log is read instead')
  } catch (error) {
    logger.warn(
      { run, rev, object, error },
      'the snapshot of a run is damaged; its whole log is read instead',
    )
  }
  return undefined
}

/** A snapshot whose object is being written, while the entry whose state it holds is on its way. */
export interface SnapshotInFlight {
  /** Resolves with the record to write once both are there; undefined when there is nothing to record. */
  readonly over: Promise<SnapshotRecord | undefined>
  /** The entry is in the log. */
  landed(): void
  /** The entry is not: nothing of the snapshot must stay. */
  lost(): void
}

export function beginSnapshot(
  objects: Objects,
  deps: Pick<Deps, 'logger'>,
  state: RunState,
): SnapshotInFlight {
  const run = state.id
  const entry = Promise.withResolvers<boolean>()
  const written = writeSnapshot(objects, state).catch((error) => {
    deps.logger.warn({ run, error }, 'a snapshot could not be written; it is tried again later')
    return undefined
  })
  const over = Promise.all([written, entry.promise]).then(async ([record, isThere]) => {
    if (isThere || record === undefined) return record
    await dropSnapshot(objects, deps, run, record.rev)
    return undefined
  })
  return { over, landed: () => entry.resolve(true), lost: () => entry.resolve(false) }
}

/** Deletes a snapshot that nobody needs any more. An object that stays behind harms nobody. */
export async function dropSnapshot(
  objects: Objects,
  { logger }: Pick<Deps, 'logger'>,
  run: string,
  rev: Rev,
): Promise<void> {
  if (rev === 0) return
  try {
    await objects.delete(snapshotKey(run, rev))
  } catch (error) {
    logger.debug({ run, rev, error }, 'a superseded snapshot could not be deleted')
  }
}
