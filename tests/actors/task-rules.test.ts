/** Every row of the task-run rules in the design. */

import { describe, expect, test } from 'vitest'
import { judgeWait } from './support/room.ts'
import { FLOW_POLICY, TASK_POLICY, type TaskStep, TestRun } from './support/run.ts'

const RETRIES = { ...TASK_POLICY, retries: 2 }
const SLOTS = { ...TASK_POLICY, limits: ['db'] }

/** A running run with a task run `t-0` in each state. */
const IN: Record<string, () => TestRun> = {
  'PENDING.Pending': () => called(),
  'PENDING.NotReady': () => called({ instead: { is: 'not-ready', message: 'fetch-0 failed' } }),
  'SCHEDULED.Scheduled': () => after([{ type: 'START' }, { type: 'RECOVER' }]),
  'SCHEDULED.AwaitingRetry': () => after([{ type: 'START' }, fail(100)], RETRIES),
  'SCHEDULED.AwaitingConcurrencySlot': () => after([{ type: 'SLOT_WAIT', limits: ['db'] }], SLOTS),
  'RUNNING.Running': () => after([{ type: 'START' }]),
  'RUNNING.Retrying': () => after([{ type: 'START' }, fail(0)], RETRIES),
  'PAUSED.Paused': () => called({ instead: { is: 'hold', message: 'by hand' } }),
  'CANCELLING.Cancelling': () => after([{ type: 'START' }, { type: 'CANCEL' }]),
  'COMPLETED.Completed': () => after([{ type: 'START' }, { type: 'COMPLETE', result: { v: 1 } }]),
  'COMPLETED.Cached': () => called({ instead: { is: 'cached', cacheKey: 'k', result: { v: 1 } } }),
  'COMPLETED.Skipped': () => called({ instead: { is: 'skip' } }),
  'COMPLETED.RolledBack': () => after([{ type: 'START' }, { type: 'COMPLETE' }, { type: 'ROLL_BACK' }]),
  'FAILED.Failed': () => after([{ type: 'START' }, fail(null)]),
  'FAILED.TimedOut': () => after([{ type: 'START' }, { ...fail(null), name: 'TimedOut' }]),
  'FAILED.TriggerFailed': () => called({ instead: { is: 'trigger-failed', message: 'none failed' } }),
  'CRASHED.Crashed': () => after([{ type: 'START' }, { type: 'CRASH', message: 'interrupted' }]),
  'CANCELLED.Cancelled': () => after([{ type: 'CANCEL' }]),
}
const ENDED = Object.keys(IN).filter((tag) =>
  /^(COMPLETED|FAILED|CRASHED|CANCELLED|PENDING.NotReady)/.test(tag),
)
const OPEN = Object.keys(IN).filter((tag) => !ENDED.includes(tag))

function called(call: Parameters<TestRun['call']>[1] = {}): TestRun {
  const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 1 } }).running()
  expect(run.call('t-0', call)).toMatchObject({ is: 'write' })
  return run
}

function after(steps: readonly TaskStep[], policy = TASK_POLICY): TestRun {
  const run = called({ policy, ...(policy.limits && { limits: policy.limits }) })
  for (const step of steps) expect(run.task('t-0', step)).toMatchObject({ is: 'write' })
  return run
}

function fail(retryDelayMs: number | null) {
  return { type: 'FAIL', message: 'no', retryDelayMs } as const
}

function make(tag: string): TestRun {
  const maker = IN[tag]
  if (maker === undefined) throw new Error(tag)
  return maker()
}

const names = (run: TestRun) =>
  run.entries
    .flatMap(({ records }) => records)
    .flatMap((record) => {
      const { k, s } = record as { k: string; s: string }
      return k === 'task+' ? ['Pending'] : k === 'task' ? [s.split('.')[1]] : []
    })

test.each(Object.keys(IN))('there is a way to %s', (tag) => {
  expect(make(tag).taskTag('t-0')).toBe(tag)
})

describe('the questions before the body', () => {
  test('an upstream that failed makes it NotReady, and there it ends', () => {
    const run = make('PENDING.NotReady')
    expect(names(run)).toEqual(['Pending', 'NotReady'])
    expect(run.state.tasks.get('t-0')).toMatchObject({
      state: { message: 'fetch-0 failed' },
      snapshot: { context: { endTime: 1_000, runCount: 0 } },
    })
    expect(run.task('t-0', { type: 'START' })).toMatchObject({ is: 'rejected' })
  })

  test('an upstream that was skipped may skip it', () => {
    expect(names(make('COMPLETED.Skipped'))).toEqual(['Pending', 'Skipped'])
  })

  test('another trigger that is not met ends TriggerFailed', () => {
    expect(names(make('FAILED.TriggerFailed'))).toEqual(['Pending', 'TriggerFailed'])
  })

  test('`manualOnly` is Paused until it is resumed, then it may start', () => {
    const run = make('PAUSED.Paused')
    expect(run.task('t-0', { type: 'START' })).toMatchObject({ is: 'rejected' })
    run.task('t-0', { type: 'RESUME', by: { channel: 'cli' } })
    expect(run.taskTag('t-0')).toBe('SCHEDULED.Scheduled')
    run.task('t-0', { type: 'START' })
    expect(run.taskTag('t-0')).toBe('RUNNING.Running')
  })

  test('a cache hit is Cached with the stored result, a run of its own, no body and no slot', () => {
    const run = called({ limits: ['db'], instead: { is: 'cached', cacheKey: 'k', result: { v: 42 } } })
    expect(run.state.tasks.get('t-0')).toMatchObject({
      result: { v: 42 },
      snapshot: { tag: 'COMPLETED.Cached', context: { runCount: 0, totalRunMs: 0 } },
    })
    expect(run.effects).toEqual([])
  })

  test('code that asked for slots which are not to be had fails, and its wish is taken back', () => {
    const run = make('SCHEDULED.AwaitingConcurrencySlot')
    run.task('t-0', { type: 'DENIED', message: 'too late', failure: { name: 'E', message: 'too late' } })
    expect(run.state.tasks.get('t-0')).toMatchObject({
      snapshot: { tag: 'FAILED.Failed' },
      state: { message: 'too late' },
      failure: { name: 'E' },
    })
    expect(run.effects).toContainEqual({ do: 'release-slots', task: 't-0' })
  })

  test('without a free slot it waits for one, and starts with the grant', () => {
    const run = make('SCHEDULED.AwaitingConcurrencySlot')
    run.task('t-0', { type: 'START' })
    expect(run.taskTag('t-0')).toBe('RUNNING.Running')
  })
})

describe('retries', () => {
  test('[prefect 1] three retries of a body that always fails are four attempts', () => {
    const run = after([{ type: 'START' }, fail(0), fail(0), fail(0), fail(0)], { ...TASK_POLICY, retries: 3 })
    expect(names(run)).toEqual(['Pending', 'Running', 'Retrying', 'Retrying', 'Retrying', 'Failed'])
  })

  test('[prefect 2] a body that does better the second time', () => {
    const run = after([{ type: 'START' }, fail(0), { type: 'COMPLETE' }], RETRIES)
    expect(names(run)).toEqual(['Pending', 'Running', 'Retrying', 'Completed'])
    expect(run.state.tasks.get('t-0')?.failure).toBeUndefined()
  })

  test('[prefect 3] with a delay it is AwaitingRetry before each Retrying, until its timer fires', () => {
    const run = after([{ type: 'START' }, fail(1_000)], RETRIES)
    expect(run.effects).toEqual([{ do: 'arm', timer: 'retry', due: 2_000, token: 3, task: 't-0' }])
    run.fireTask('t-0')
    expect(run.effects).toEqual([{ do: 'disarm', timer: 'retry', task: 't-0' }])
    run.task('t-0', fail(2_000))
    run.fireTask('t-0')
    expect(run.now).toBe(4_000)
    expect(names(run)).toEqual([
      'Pending',
      'Running',
      'AwaitingRetry',
      'Retrying',
      'AwaitingRetry',
      'Retrying',
    ])
  })

  test('[prefect 4] the run count inside the attempts is 1, 2, 3, and their start times grow', () => {
    const run = after([{ type: 'START' }], RETRIES)
    const seen: unknown[] = []
    for (const ms of [10, 20, 30]) {
      const { runCount, runningSince } = run.state.tasks.get('t-0')?.snapshot.context ?? {}
      seen.push([runCount, runningSince])
      run.tick(ms).task('t-0', fail(0))
    }
    expect(seen).toEqual([
      [1, 1_000],
      [2, 1_010],
      [3, 1_030],
    ])
  })

  test('[prefect 5] a returned Failed state counts as a failure', () => {
    const run = after([{ type: 'START' }, { ...fail(0), name: 'Unhappy', result: { v: 1 } }], RETRIES)
    expect(run.taskTag('t-0')).toBe('RUNNING.Retrying')
    run.task('t-0', fail(0))
    run.task('t-0', { ...fail(0), name: 'Unhappy' })
    expect(run.taskTag('t-0')).toBe('FAILED.Unhappy')
  })

  test('[prefect 6] [prefect 12] a condition that says no ends it at once', () => {
    expect(after([{ type: 'START' }, fail(null)], RETRIES).taskTag('t-0')).toBe('FAILED.Failed')
  })

  test('[prefect 74] a time-out is a failure of the name TimedOut, and retried like one', () => {
    const timedOut = { ...fail(0), name: 'TimedOut' }
    const run = after([{ type: 'START' }, timedOut], { ...TASK_POLICY, retries: 1 })
    expect(run.taskTag('t-0')).toBe('RUNNING.Retrying')
    run.task('t-0', timedOut)
    expect(run.taskTag('t-0')).toBe('FAILED.TimedOut')
  })

  test('a lost host costs nothing of the budget, and the body runs again as a new attempt', () => {
    const run = after([{ type: 'START' }, fail(0), { type: 'RECOVER' }, { type: 'START' }], RETRIES)
    expect(run.taskTag('t-0')).toBe('RUNNING.Retrying')
    expect(run.state.tasks.get('t-0')?.snapshot.context).toMatchObject({ runCount: 3, failures: 1 })
    run.task('t-0', fail(0))
    expect(run.taskTag('t-0')).toBe('RUNNING.Retrying')
  })
})

describe('slots', () => {
  const releases = (run: TestRun) =>
    run.entries
      .flatMap(({ records }) => records)
      .flatMap((record) => (record as { fx?: { do: string }[] }).fx ?? [])
      .filter((effect) => effect.do === 'release-slots')

  test.each<[string, TaskStep[]]>([
    ['completion', [{ type: 'COMPLETE' }]],
    ['failure', [fail(null)]],
    ['a crash', [{ type: 'CRASH', message: 'no' }]],
    ['a skip', [{ type: 'SKIP' }]],
    ['a cancel', [{ type: 'CANCEL' }, { type: 'CANCELLED' }]],
    ['a retry that waits', [fail(100)]],
  ])('are given back exactly once by %s', (_how, steps) => {
    const run = after([{ type: 'START' }, ...steps], { ...SLOTS, retries: 1 })
    expect(releases(run)).toEqual([{ do: 'release-slots', task: 't-0' }])
  })

  test('[prefect 77] are held while Cancelling, and through a retry without delay', () => {
    expect(releases(after([{ type: 'START' }, fail(0)], { ...SLOTS, retries: 1 }))).toEqual([])
    expect(releases(after([{ type: 'START' }, { type: 'CANCEL' }], SLOTS))).toEqual([])
  })

  test('are not given back by a recovery: they went with the host, and the next one asks under the same name', () => {
    expect(releases(after([{ type: 'START' }, { type: 'RECOVER' }], SLOTS))).toEqual([])
  })

  test('a place in the line is given up by a cancel', () => {
    expect(releases(after([{ type: 'SLOT_WAIT', limits: ['db'] }, { type: 'CANCEL' }], SLOTS))).toHaveLength(
      1,
    )
  })

  test('are asked for again after a retry delay', () => {
    const run = after([{ type: 'START' }, fail(100)], { ...SLOTS, retries: 1 })
    run.fireTask('t-0')
    expect(run.taskTag('t-0')).toBe('SCHEDULED.AwaitingConcurrencySlot')
    run.task('t-0', { type: 'START' })
    expect(run.taskTag('t-0')).toBe('RUNNING.Retrying')
  })

  test('of a task that needs none are not spoken of', () => {
    expect(releases(make('COMPLETED.Completed'))).toEqual([])
  })
})

describe('a task run that has ended', () => {
  test.each(ENDED)('%s takes nothing', (tag) => {
    const run = make(tag)
    const steps: TaskStep[] = [
      { type: 'START' },
      { type: 'SLOT_WAIT', limits: [] },
      { type: 'CACHED', cacheKey: 'k' },
      { type: 'SKIP' },
      { type: 'NOT_READY', message: 'no' },
      { type: 'TRIGGER_FAILED', message: 'no' },
      { type: 'DENIED', message: 'no' },
      { type: 'HOLD' },
      { type: 'RESUME', by: { channel: 'cli' } },
      { type: 'COMPLETE' },
      fail(0),
      { type: 'CRASH', message: 'no' },
      { type: 'CANCEL' },
      { type: 'CANCELLED' },
      ...(tag === 'COMPLETED.Completed' ? [] : [{ type: 'ROLL_BACK' } as const]),
    ]
    for (const step of steps) expect(run.task('t-0', step), step.type).toMatchObject({ is: 'rejected' })
    expect(run.task('t-0', { type: 'RECOVER' })).toEqual({ is: 'ignored' })
    expect(run.task('t-0', { type: 'TIMER.retry', token: 3 })).toEqual({ is: 'ignored' })
    expect(run.taskTag('t-0')).toBe(tag)
  })

  test('[prefect 71] only a Completed one is rolled back', () => {
    expect(names(make('COMPLETED.RolledBack'))).toEqual(['Pending', 'Running', 'Completed', 'RolledBack'])
  })
})

describe('cancel', () => {
  test.each(OPEN.filter((tag) => !/^(RUNNING|CANCELLING)/.test(tag)))('%s is Cancelled at once', (tag) => {
    const run = make(tag)
    run.task('t-0', { type: 'CANCEL' })
    expect(run.taskTag('t-0')).toBe('CANCELLED.Cancelled')
    expect(run.state.tasks.get('t-0')?.snapshot.context.timers).toEqual({})
  })

  test.each(['RUNNING.Running', 'RUNNING.Retrying'])('%s becomes Cancelling, then Cancelled', (tag) => {
    const run = make(tag)
    run.task('t-0', { type: 'CANCEL' })
    expect(run.taskTag('t-0')).toBe('CANCELLING.Cancelling')
    for (const step of [{ type: 'COMPLETE' }, fail(0), { type: 'CRASH', message: 'no' }] as const)
      expect(run.task('t-0', step)).toMatchObject({ is: 'rejected' })
    run.task('t-0', { type: 'CANCELLED' })
    expect(run.taskTag('t-0')).toBe('CANCELLED.Cancelled')
  })

  test.each(OPEN)('%s is Cancelled with its flow run', (tag) => {
    const run = make(tag)
    run.signal('cancel')
    run.flow({ type: 'CANCELLED' })
    expect(run.taskTag('t-0')).toBe('CANCELLED.Cancelled')
  })

  test.each(ENDED)('%s stays as it is when its flow run is Cancelled', (tag) => {
    const run = make(tag)
    run.signal('cancel')
    run.flow({ type: 'CANCELLED' })
    expect(run.taskTag('t-0')).toBe(tag)
  })

  test('after Cancelled no body of the run can write anything', () => {
    const run = make('RUNNING.Running')
    run.signal('cancel')
    run.flow({ type: 'CANCELLED' })
    const entries = run.entries.length
    expect(run.task('t-0', { type: 'COMPLETE' })).toMatchObject({ is: 'rejected' })
    expect(run.call('u-0')).toMatchObject({ is: 'rejected' })
    expect(run.propose(judgeWait({ id: 'w-0', kind: 'sleep', forMs: 5 }, run.now))).toMatchObject({
      is: 'rejected',
    })
    expect(run.entries).toHaveLength(entries)
  })

  test('whatever else ends the flow run ends its open task runs too', () => {
    for (const step of [
      { type: 'COMPLETE' },
      { type: 'CRASH', message: 'no' },
      { type: 'FAIL', message: 'no', retryDelayMs: null },
    ] as const) {
      const run = make('RUNNING.Running')
      run.flow(step)
      expect(run.taskTag('t-0')).toBe('CANCELLED.Cancelled')
    }
  })
})

describe('a flow run that is not RUNNING', () => {
  test('starts no body while it is paused, and does once it is resumed', () => {
    const run = make('PENDING.Pending')
    run.signal('pause')
    expect(run.call('u-0')).toMatchObject({ is: 'write' })
    expect(run.task('t-0', { type: 'START' })).toEqual({
      is: 'rejected',
      reason: 'No task run is started while the flow run is Paused.',
    })
    run.signal('resume')
    expect(run.task('t-0', { type: 'START' })).toMatchObject({ is: 'write' })
  })

  test('lets the bodies that run finish', () => {
    const run = make('RUNNING.Running')
    run.signal('pause')
    expect(run.task('t-0', { type: 'COMPLETE', result: { v: 1 } })).toMatchObject({ is: 'write' })
  })

  test('keeps a retry that comes due, until it runs on', () => {
    const run = after([{ type: 'START' }, fail(100)], RETRIES)
    run.signal('pause')
    run.fireTask('t-0')
    expect(run.taskTag('t-0')).toBe('SCHEDULED.Scheduled')
    run.signal('resume')
    run.task('t-0', { type: 'START' })
    expect(run.taskTag('t-0')).toBe('RUNNING.Retrying')
  })

  test('cancels what would start while it is Cancelling', () => {
    const run = make('PENDING.Pending')
    run.signal('cancel')
    expect(run.task('t-0', { type: 'START' })).toMatchObject({ is: 'write' })
    expect(run.taskTag('t-0')).toBe('CANCELLED.Cancelled')
    expect(run.call('u-0')).toMatchObject({ is: 'rejected' })
  })

  test('takes the result of a body that another worker ran while the host is lost', () => {
    const run = make('RUNNING.Running')
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.task('t-0', { type: 'COMPLETE', result: { v: 1 } })).toMatchObject({ is: 'write' })
    run.running('w2')
    expect(run.call('t-0')).toEqual({ is: 'known', answer: 'applied' })
  })
})

describe('a call', () => {
  test('records what was called with', () => {
    const run = called({ inputs: 'hash', upstream: ['a-0'], name: 'fetch Oslo', tags: ['x'], limits: ['db'] })
    expect(run.state.tasks.get('t-0')).toMatchObject({
      task: 't',
      inputs: 'hash',
      upstream: ['a-0'],
      name: 'fetch Oslo',
      tags: ['x'],
      policy: { limits: ['db'] },
    })
  })

  test.each(ENDED)('meets a task run that is %s as it is', (tag) => {
    const run = make(tag)
    expect(run.call('t-0')).toEqual({ is: 'known', answer: 'applied' })
    expect(run.taskTag('t-0')).toBe(tag)
  })

  test.each(['RUNNING.Running', 'RUNNING.Retrying'])(
    'meets a body of a lost host (%s) and runs it again',
    (tag) => {
      const run = make(tag)
      run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
      run.running('w2')
      expect(run.call('t-0')).toMatchObject({ is: 'write' })
      expect(run.taskTag('t-0')).toBe('SCHEDULED.Scheduled')
      expect(run.task('t-0', { type: 'START' })).toMatchObject({ is: 'write' })
    },
  )

  test('meets a Cancelling one of a lost host: it is Cancelled', () => {
    const run = make('CANCELLING.Cancelling')
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    run.running('w2')
    run.call('t-0')
    expect(run.taskTag('t-0')).toBe('CANCELLED.Cancelled')
  })

  test.each([
    'PENDING.Pending',
    'SCHEDULED.AwaitingRetry',
    'SCHEDULED.AwaitingConcurrencySlot',
    'PAUSED.Paused',
  ])('meets one that is %s where it stands', (tag) => {
    const run = make(tag)
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    run.running('w2')
    expect(run.call('t-0')).toEqual({ is: 'known', answer: 'applied' })
    expect(run.taskTag('t-0')).toBe(tag)
  })

  test('that meets another task, or other inputs, is refused with what to look for', () => {
    const run = called({ inputs: 'one' })
    expect(run.call('t-0', { task: 'other' })).toMatchObject({
      is: 'rejected',
      reason: expect.stringContaining('which is of task "t"'),
    })
    expect(run.call('t-0', { inputs: 'two' })).toMatchObject({
      is: 'rejected',
      reason: expect.stringContaining('other inputs'),
    })
    expect(run.call('t-0', { inputs: 'one' })).toMatchObject({ is: 'known' })
  })

  test('that may be made anew replaces the one it does not match', () => {
    const run = called({ inputs: 'one' })
    run.task('t-0', { type: 'START' })
    run.task('t-0', { type: 'COMPLETE', result: { v: 1 } })
    expect(run.call('t-0', { inputs: 'two', onMismatch: 'rerun' })).toMatchObject({ is: 'write' })
    expect(run.taskTag('t-0')).toBe('PENDING.Pending')
    expect(run.state.tasks.get('t-0')?.result).toBeUndefined()
  })

  test('an event of a task run that was never called is refused', () => {
    const run = new TestRun().running()
    expect(run.task('x-0', { type: 'COMPLETE' })).toEqual({
      is: 'rejected',
      reason: 'There is no task run x-0 in the present attempt of the flow run.',
    })
    expect(run.task('x-0', { type: 'TIMER.retry', token: 1 })).toEqual({ is: 'ignored' })
  })
})

describe('a flow retry', () => {
  function tried(): TestRun {
    const run = called({ policy: RETRIES })
    run.task('t-0', { type: 'START' })
    run.task('t-0', { type: 'COMPLETE', result: { v: 'kept' } })
    run.call('u-0')
    run.task('u-0', { type: 'START' })
    run.task('u-0', fail(null))
    run.call('v-0', { instead: { is: 'cached', cacheKey: 'k', result: { v: 2 } } })
    run.call('x-0', { instead: { is: 'not-ready', message: 'u-0 failed' } })
    run.call('y-0')
    run.task('y-0', { type: 'START' })
    run.task('y-0', { type: 'COMPLETE' })
    run.task('y-0', { type: 'ROLL_BACK' })
    return run
  }

  test('[prefect 14] keeps what completed', () => {
    const run = tried()
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect([...run.state.tasks.keys()]).toEqual(['t-0', 'v-0'])
    expect(run.call('t-0')).toEqual({ is: 'known', answer: 'applied' })
  })

  test('[prefect 15] [prefect 16] [prefect 17] runs the rest again with fresh budgets', () => {
    const run = tried()
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.call('u-0', { policy: RETRIES })).toMatchObject({ is: 'write' })
    expect(run.state.tasks.get('u-0')?.snapshot.context).toMatchObject({ runCount: 0, failures: 0 })
    for (const id of ['x-0', 'y-0']) expect(run.call(id)).toMatchObject({ is: 'write' })
  })

  test('by signal does the same', () => {
    const run = tried()
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: null })
    run.signal('retry')
    expect([...run.state.tasks.keys()]).toEqual(['t-0', 'v-0'])
  })

  test('that failed for good drops nothing', () => {
    const run = tried()
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: null })
    expect([...run.state.tasks.keys()]).toEqual(['t-0', 'u-0', 'v-0', 'x-0', 'y-0'])
  })

  test('a report of a body from before it is refused', () => {
    const run = called()
    run.task('t-0', { type: 'START' })
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.task('t-0', { type: 'COMPLETE' })).toMatchObject({ is: 'rejected' })
  })
})
