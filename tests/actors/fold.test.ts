import { describe, expect, test } from 'vitest'
import { isCallboardError } from '../../src/core/index.ts'
import { frozen } from './support/frozen.ts'
import {
  applyRecords,
  encodeEntry,
  foldEntry,
  hydrate,
  openTasks,
  RECORD_VERSION,
  type RunRecord,
} from './support/room.ts'
import { entryOf, foldAll, RUN_ID, TestRun } from './support/run.ts'

const HEAD = { k: 'head', v: RECORD_VERSION, snap: 0 } as const

/** The log of a running run, and one more entry. */
function withEntry(...records: RunRecord[]) {
  const run = new TestRun().running()
  return [...run.entries, entryOf(run.entries.length + 1, encodeEntry(HEAD, records))]
}

function failure(work: () => unknown) {
  try {
    work()
  } catch (error) {
    if (isCallboardError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('the fold', () => {
  test('of a log is the state it came from', () => {
    const run = new TestRun({ tags: ['a'], deployment: 'nightly' }).running()
    run.call('t-0')
    run.task('t-0', { type: 'START' })
    run.task('t-0', { type: 'COMPLETE', result: { v: [1, { deep: null }] } })
    run.flow({ type: 'COMPLETE', result: { object: 'values.x', bytes: 70_000 } })
    expect(run.refolded).toEqual(run.state)
    expect(run.refolded).toMatchObject({
      id: RUN_ID,
      rev: run.entries.length,
      created: { tags: ['a'], deployment: 'nightly' },
      result: { object: 'values.x', bytes: 70_000 },
    })
  })

  test('changes the state it is given in place', () => {
    const run = new TestRun()
    const [first] = run.entries
    run.claimed()
    const second = run.entries.at(-1)
    if (first === undefined || second === undefined) throw new Error('no entries')
    const state = foldEntry(undefined, first)
    expect(foldEntry(state, second)).toBe(state)
    expect(state.flow.tag).toBe('PENDING.Pending')
  })

  test('keeps task runs in the order of their calls, one that is called anew last', () => {
    const run = new TestRun().running()
    for (const id of ['b-0', 'a-0', 'c-0']) run.call(id, { inputs: 'one' })
    run.call('b-0', { inputs: 'two', onMismatch: 'rerun' })
    expect([...run.state.tasks.keys()]).toEqual(['a-0', 'c-0', 'b-0'])
    expect([...run.refolded.tasks.keys()]).toEqual(['a-0', 'c-0', 'b-0'])
  })

  test('knows the task runs that can still move', () => {
    const run = new TestRun().running()
    run.call('a-0')
    run.call('b-0', { instead: { is: 'not-ready', message: 'no' } })
    run.call('c-0', { instead: { is: 'hold' } })
    expect(openTasks(run.state).map(({ id }) => id)).toEqual(['a-0', 'c-0'])
  })

  test('takes notes, poison and snapshots as they are: the run does not move', () => {
    const entries = withEntry(
      { k: 'note', at: 1, kind: 'artifact', data: { any: 'thing' } },
      { k: 'poison', at: 1, event: { type: 'X' }, error: 'broke' },
      { k: 'snapshot', rev: 3, object: 'snapshots.x.3', bytes: 5 },
    )
    const state = foldAll(entries)
    expect(state).toMatchObject({
      rev: 4,
      snapshotRev: 3,
      sinceSnapshot: 0,
      flow: { tag: 'RUNNING.Running' },
    })
  })

  test('of a tombstone is archived', () => {
    const entries = withEntry({ k: 'tombstone', at: 1, s: 'RUNNING.Running', by: { channel: 'cli' } })
    expect(foldAll(entries).archived).toBe(true)
  })
})

describe('a log that the charts do not agree with', () => {
  test.each<[string, RunRecord, RegExp]>([
    [
      'another state',
      { k: 'flow', e: { type: 'COMPLETE', at: 1 }, s: 'FAILED.Failed' },
      /COMPLETE led from RUNNING.Running to FAILED.Failed; .* it leads to COMPLETED.Completed/,
    ],
    [
      'an event that is not taken',
      { k: 'flow', e: { type: 'CLAIM', at: 1, worker: 'w' }, s: 'PENDING.Pending' },
      /it is not taken/,
    ],
  ])('is diverged: %s', (_what, record, message) => {
    const error = failure(() => foldAll(withEntry(record)))
    expect(error.code).toBe('CB_E_LOG_DIVERGED')
    expect(error.message).toMatch(message)
    expect(error.message).toContain(`Record 1 of entry 4 of run ${RUN_ID}`)
    expect(error.details).toMatchObject({ run: RUN_ID, rev: 4, record: 1 })
  })

  test('is diverged in a task run too', () => {
    const error = failure(() =>
      foldAll(
        withEntry(
          { k: 'task+', id: 't-0', at: 1, task: 't', policy: { retries: 0, timeoutMs: null } },
          { k: 'task', id: 't-0', e: { type: 'START', at: 1 }, s: 'COMPLETED.Completed' },
        ),
      ),
    )
    expect(error.code).toBe('CB_E_LOG_DIVERGED')
    expect(error.details).toMatchObject({ record: 2 })
  })
})

describe('a log that cannot be', () => {
  test.each<[string, RunRecord[], RegExp]>([
    [
      'a task run that was never called',
      [{ k: 'task', id: 'x', e: { type: 'START', at: 1 }, s: 'RUNNING.Running' }],
      /no task run x/,
    ],
    ['a wait that never began', [{ k: 'wait-', id: 'x', at: 1, outcome: { is: 'expired' } }], /no wait x/],
    [
      'another number of open task runs',
      [{ k: 'tasks', e: { type: 'CANCELLED', at: 1 }, s: 'CANCELLED.Cancelled', count: 2 }],
      /it ends 2 task runs, and 0 are open/,
    ],
  ])('is damaged: %s', (_what, records, message) => {
    const error = failure(() => foldAll(withEntry(...records)))
    expect(error.code).toBe('CB_E_STORE_DAMAGED')
    expect(error.message).toMatch(message)
    expect(error.details).toMatchObject({ run: RUN_ID, rev: 4, record: 1 })
  })

  test('is damaged when a run is created twice', () => {
    const { created } = new TestRun().state
    expect(failure(() => foldAll(withEntry(created))).message).toMatch(/the run exists already/)
  })

  test('is damaged when an entry is missing, doubled, or the first one creates nothing', () => {
    const { entries } = new TestRun().running()
    const [first, second, third] = entries
    if (first === undefined || second === undefined || third === undefined) throw new Error('no entries')
    for (const log of [[first, third], [first, second, second], [second], [{ ...second, rev: 1 }]])
      expect(failure(() => foldAll(log)).code).toBe('CB_E_STORE_DAMAGED')
  })
})

describe('a snapshot', () => {
  function lived(): TestRun {
    const run = new TestRun({ parent: { run: 'p', key: 'c-0' } }).running()
    run.call('a-0', { name: 'fetch Oslo', tags: ['x'], upstream: ['z-0'], inputs: 'hash', limits: ['db'] })
    run.task('a-0', { type: 'START' })
    run.tick(7).task('a-0', { type: 'COMPLETE', name: 'Wise', message: 'done', result: { v: 1 } })
    run.call('b-0', { policy: { retries: 1, timeoutMs: 5 } })
    run.task('b-0', { type: 'START' })
    run.task('b-0', { type: 'FAIL', message: 'no', retryDelayMs: 50, failure: { name: 'E', message: 'no' } })
    run.signal('kept', { payload: { v: 1 } })
    run.signal('pause')
    return run
  }

  test('thawed is the state that was frozen, and folds on', () => {
    const run = lived()
    const thawed = hydrate(frozen(run.state))
    const { sinceSnapshot: _s, snapshotRev: _r, ...rest } = run.state
    expect(thawed).toMatchObject(rest)
    expect(thawed).toMatchObject({ sinceSnapshot: 0, snapshotRev: run.state.rev })
    run.signal('resume')
    run.fireTask('b-0')
    for (const entry of run.entries.slice(thawed.rev)) foldEntry(thawed, entry)
    expect(thawed.flow).toEqual(run.state.flow)
    expect(thawed.tasks).toEqual(run.state.tasks)
  })

  test('of a task run that has ended is a short row', () => {
    const run = new TestRun().running()
    run.call('t-0')
    run.task('t-0', { type: 'START' })
    run.task('t-0', { type: 'COMPLETE', result: { v: 1 } })
    expect(frozen(run.state).tasks).toEqual([
      {
        id: 't-0',
        task: 't',
        tag: 'COMPLETED.Completed',
        policy: { retries: 0, timeoutMs: null },
        c: [3, 1, 0, 1_000, 1_000, null, 0],
        result: { v: 1 },
      },
    ])
  })

  test('is whole, however many task runs it holds', () => {
    const run = new TestRun().running()
    const ids = Array.from({ length: 1_000 }, (_, i) => `t-${i}`)
    for (const id of ids) run.call(id)
    expect([...hydrate(frozen(run.state)).tasks.keys()]).toEqual(ids)
  })

  test.each([
    {},
    { v: 0 },
    { v: RECORD_VERSION, id: 5 },
    { v: RECORD_VERSION, id: 'x', rev: 1, created: {} },
  ])('that is none is refused: %j', (json) => {
    expect(failure(() => hydrate(json)).code).toBe('CB_E_STORE_DAMAGED')
  })

  test('of a newer version is refused as such', () => {
    expect(failure(() => hydrate({ ...frozen(lived().state), v: RECORD_VERSION + 1 })).code).toBe(
      'CB_E_STORE_TOO_NEW',
    )
  })
})

test('records may be applied before their entry is written, and are the same once it is read', () => {
  const run = new TestRun().running()
  const { state } = run
  run.call('t-0')
  expect(state.rev).toBe(run.entries.length)
  applyRecords(state, [], { rev: 99 })
  expect(state.rev).toBe(99)
})
