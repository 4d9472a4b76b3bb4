/** Logs that releases have left behind fold for ever to what they folded to then. */

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { KINDS } from '../../src/actors/record-checks.ts'
import type { JsonValue } from '../../src/core/index.ts'
import { GOLDEN_LIVES, outcomeOf } from './support/golden-lives.ts'
import { decodeEntry, type Entry, foldEntry, RECORD_VERSION, type RunState } from './support/room.ts'

const FOLDER = new URL('golden/', import.meta.url)

interface Golden {
  readonly file: string
  readonly outcome: JsonValue
  readonly entries: readonly Entry[]
}

function read(file: string): Golden {
  const lines = readFileSync(new URL(file, FOLDER), 'utf8').trimEnd().split('\n')
  const [head, ...entries] = lines.map((line) => JSON.parse(line))
  return {
    file,
    outcome: head.outcome,
    entries: entries.map((entry) => ({
      ...entry,
      subject: head.run,
      cursor: String(entry.rev),
      nonce: 'n',
      tombstone: false,
    })),
  }
}

const GOLDEN = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ndjson'))
  .sort()
  .map(read)

test('every version has its logs', () => {
  for (let version = 1; version <= RECORD_VERSION; version++)
    for (const name of version === RECORD_VERSION ? Object.keys(GOLDEN_LIVES) : ['completes-with-tasks'])
      expect(GOLDEN.map(({ file }) => file)).toContain(`v${version}-${name}.ndjson`)
})

describe.each(GOLDEN)('$file', ({ outcome, entries }) => {
  test('[scenario 40] folds to what it folded to when it was written', () => {
    let state: RunState | undefined
    for (const entry of entries) state = foldEntry(state, entry)
    if (state === undefined) throw new Error('an empty log')
    expect(JSON.parse(JSON.stringify(outcomeOf(state)))).toEqual(outcome)
  })

  test('holds a state in each of its entries', () => {
    expect(entries.length).toBeGreaterThan(2)
    for (const entry of entries) expect(decodeEntry(entry).length).toBeGreaterThan(1)
  })
})

test('between them the logs of this version hold every record and every event', () => {
  const ours = GOLDEN.filter(({ file }) => file.startsWith(`v${RECORD_VERSION}-`))
  const seen = new Set<string>()
  for (const { entries } of ours) {
    for (const record of entries.flatMap(decodeEntry)) {
      seen.add(record.k)
      if ('e' in record) seen.add(`${record.k} ${record.e.type}`)
    }
  }
  const flow = KINDS.flowEvents.map((type) => `flow ${type}`)
  const task = KINDS.taskEvents.map((type) => `task ${type}`)
  expect([...KINDS.records, ...flow, ...task].filter((kind) => !seen.has(kind))).toEqual([])
})
