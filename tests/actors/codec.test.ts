import { describe, expect, test } from 'vitest'
import { faultOfRecord } from '../../src/actors/record-checks.ts'
import { isCallboardError } from '../../src/core/index.ts'
import { decodeEntry, encodeEntry, RECORD_VERSION } from './support/room.ts'
import { RUN_ID, TestRun } from './support/run.ts'

const HEAD = { k: 'head', v: RECORD_VERSION, snap: 0 } as const
const NOTE = { k: 'note', at: 1, kind: 'k', data: {} } as const

const decode = (records: readonly unknown[]) =>
  decodeEntry({ subject: RUN_ID, rev: 7, records: JSON.parse(JSON.stringify(records)) })

function failure(records: readonly unknown[]) {
  try {
    decode(records)
  } catch (error) {
    if (isCallboardError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test('an entry reads back as it was written', () => {
  const run = new TestRun().running()
  const { created } = run.state
  const texts = encodeEntry({ ...HEAD, epoch: 3 }, [created, NOTE])
  expect(decode(texts.map((text) => JSON.parse(text)))).toEqual([{ ...HEAD, epoch: 3 }, created, NOTE])
})

test('a record that nobody could read is not written', () => {
  const wrong = { ...NOTE, data: null }
  expect(() => encodeEntry(HEAD, [wrong as never])).toThrow(
    expect.objectContaining({
      code: 'CB_E_RECORD_INVALID',
      message: expect.stringContaining("of a record 'note', data: is not an object"),
    }),
  )
})

test('fields that a later release added are let through', () => {
  expect(
    decode([
      { ...HEAD, later: 1 },
      { ...NOTE, more: true },
    ]),
  ).toHaveLength(2)
})

describe('an entry that is not one', () => {
  test.each([
    ['no records', []],
    ['no head', [NOTE]],
    ['a head without version', [{ k: 'head', snap: 0 }]],
    ['a head of another kind', [{ k: 'note', v: 1 }]],
    ['nothing but null', [null]],
  ])('is damaged at its first record: %s', (_what, records) => {
    const error = failure(records)
    expect(error.code).toBe('CB_E_STORE_DAMAGED')
    expect(error.message).toBe(
      `Record 0 of entry 7 of run ${RUN_ID} cannot be read: the head is missing. The run is left as it is; restore the log from a backup, or export what is readable.`,
    )
  })

  test.each<[unknown, string]>([
    [null, 'it is not an object'],
    ['text', 'it is not an object'],
    [HEAD, 'a head stands where none may stand'],
    [{}, 'k: nothing is not known here'],
    [{ k: 'later' }, 'k: "later" is not known here'],
    [{ k: 'toString' }, 'k: "toString" is not known here'],
    [{ ...NOTE, at: 'x' }, 'at: is not a number'],
    [{ k: 'flow', s: 'RUNNING.Running' }, 'e: is not an object'],
    [{ k: 'flow', s: 'RUNNING.Running', e: { type: 'DANCE', at: 1 } }, 'e.type: "DANCE" is not known here'],
    [{ k: 'flow', s: 'RUNNING', e: { type: 'START', at: 1 } }, 's: is not a state'],
    [{ k: 'flow', s: 'DANCING.Tango', e: { type: 'START', at: 1 } }, 's: is not a state'],
    [{ k: 'flow', s: 'PENDING.Pending', e: { type: 'CLAIM', at: 1 } }, 'e.worker: is not a text'],
    [
      {
        k: 'flow',
        s: 'RUNNING.Running',
        e: { type: 'START', at: 1 },
        fx: [{ do: 'enqueue' }, { do: 'explode' }],
      },
      'fx[0].target: is not an object',
    ],
    [{ k: 'task', id: 5, s: 'RUNNING.Running', e: { type: 'START', at: 1 } }, 'id: is not a text'],
    [{ k: 'value', id: 'x' }, 'v: is missing'],
    [{ k: 'wait-', id: 'x', at: 1, outcome: { is: 'maybe' } }, 'outcome.is: "maybe" is not known here'],
    [
      { k: 'wait', id: 'x', at: 1, kind: 'nap', until: null },
      'kind: is not one of pause, suspend, sleep, signal',
    ],
    [{ k: 'snapshot', rev: -1, object: 'o', bytes: 1 }, 'rev: is not a whole number from 0'],
  ])('is damaged at the record, and says where and why: %j', (record, why) => {
    const error = failure([HEAD, NOTE, record])
    expect(error.code).toBe('CB_E_STORE_DAMAGED')
    expect(error.message).toContain(`Record 2 of entry 7 of run ${RUN_ID} cannot be read: ${why}.`)
    expect(error.details).toEqual({ run: RUN_ID, rev: 7, record: 2 })
  })

  test('is too new when its version is, whatever else is in it', () => {
    const error = failure([{ ...HEAD, v: RECORD_VERSION + 1 }, { k: 'unheard-of' }])
    expect(error.code).toBe('CB_E_STORE_TOO_NEW')
    expect(error.message).toContain(`Entry 7 of run ${RUN_ID} was written in format ${RECORD_VERSION + 1}`)
  })

  test('has no migration when its version is from before the first one', () => {
    expect(failure([{ ...HEAD, v: 0 }]).code).toBe('CB_E_LOG_NO_MIGRATION')
  })
})

test('every record that the rules write passes the checks', () => {
  const run = new TestRun().running()
  run.call('t-0', { instead: { is: 'cached', cacheKey: 'k', result: { v: null } } })
  run.signal('pause', { message: 'look' })
  run.signal('resume', { payload: { object: 'o', bytes: 3 } })
  run.signal('cancel', { graceMs: 5 })
  run.flow({ type: 'CANCELLED', abandoned: true })
  for (const entry of run.entries)
    for (const record of entry.records) expect(faultOfRecord(record)).toBeUndefined()
})
