/** Every row of the flow-run rules in the design, and the bookkeeping under it. */

import { describe, expect, test } from 'vitest'
import { flowChart } from '../../src/actors/flow-chart.ts'
import { FLOW_POLICY, type FlowStep, TestRun } from './support/run.ts'

const BY = { channel: 'cli' }

function ended(how: FlowStep): TestRun {
  const run = new TestRun().running()
  expect(run.flow(how)).toMatchObject({ is: 'write' })
  return run
}

const ENDED: Record<string, () => TestRun> = {
  'COMPLETED.Completed': () => ended({ type: 'COMPLETE' }),
  'COMPLETED.Skipped': () => ended({ type: 'COMPLETE', name: 'Skipped' }),
  'FAILED.Failed': () => ended({ type: 'FAIL', message: 'no', retryDelayMs: null }),
  'FAILED.TimedOut': () => ended({ type: 'FAIL', name: 'TimedOut', message: 'late', retryDelayMs: null }),
  'CRASHED.Crashed': () => ended({ type: 'CRASH', message: 'exit 137' }),
  'CANCELLED.Cancelled': () => ended({ type: 'ABANDON' }),
}

/** A run in each state that is not terminal. */
const IN: Record<string, () => TestRun> = {
  'SCHEDULED.Scheduled': () => new TestRun(),
  'SCHEDULED.Late': () => {
    const run = new TestRun()
    run.fire('TIMER.late')
    return run
  },
  'SCHEDULED.AwaitingRetry': () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 1 } }).running()
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 5_000 })
    return run
  },
  'SCHEDULED.AwaitingConcurrencySlot': () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, limits: ['db'] } }).claimed()
    run.flow({ type: 'SLOT_WAIT', limits: ['db'] })
    return run
  },
  'SCHEDULED.AwaitingRecovery': () => {
    const run = new TestRun().running()
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'lease lapsed' })
    return run
  },
  'SCHEDULED.Resuming': () => {
    const run = suspended()
    run.signal('resume')
    return run
  },
  'PENDING.Pending': () => new TestRun().claimed(),
  'RUNNING.Running': () => new TestRun().running(),
  'RUNNING.Retrying': () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 1 } }).running()
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    return run
  },
  'PAUSED.Paused': () => paused(),
  'PAUSED.Suspended': () => suspended(),
  'PAUSED.Sleeping': () => new TestRun().running().parked({ until: 60_000 }),
  'PAUSED.Waiting': () => new TestRun().running().parked({ signals: ['approval'] }),
  'CANCELLING.Cancelling': () => {
    const run = new TestRun().running()
    run.signal('cancel')
    return run
  },
}

function paused(policy = FLOW_POLICY): TestRun {
  const run = new TestRun({ policy }).running()
  run.signal('pause', { timeoutMs: 10_000 })
  return run
}

function suspended(): TestRun {
  const run = new TestRun().running()
  run.signal('suspend', { timeoutMs: 10_000 })
  run.flow({ type: 'QUIESCED' })
  return run
}

test.each(Object.entries({ ...IN, ...ENDED }))('there is a way to %s', (tag, make) => {
  expect(make().tag).toBe(tag)
})

describe('a run that has ended', () => {
  test.each(Object.entries(ENDED))(
    '[prefect 54] %s takes no cancel, pause, suspend or crash',
    (tag, make) => {
      const run = make()
      for (const name of ['cancel', 'pause', 'suspend', 'resume'])
        expect(run.signal(name)).toEqual({
          is: 'rejected',
          reason: `The flow run has ended: it is ${tag.split('.')[1]}.`,
        })
      expect(run.flow({ type: 'CRASH', message: 'late news' })).toMatchObject({ is: 'rejected' })
      expect(run.tag).toBe(tag)
    },
  )

  test.each(Object.entries(ENDED))('%s ignores timers, lost hosts and releases', (tag, make) => {
    const run = make()
    expect(run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })).toEqual({ is: 'ignored' })
    expect(run.flow({ type: 'RELEASE', epoch: 1 })).toEqual({ is: 'ignored' })
    expect(run.flow({ type: 'TIMER.late', token: 1 })).toEqual({ is: 'ignored' })
    expect(run.flow({ type: 'TIMER.grace', token: 3 })).toEqual({ is: 'ignored' })
    expect(run.tag).toBe(tag)
  })

  test.each(Object.entries(ENDED))('[prefect 23] %s takes a retry, also beyond its retries', (_tag, make) => {
    const run = make()
    expect(run.signal('retry')).toMatchObject({ is: 'write', answer: 'applied' })
    expect(run.tag).toBe('SCHEDULED.Scheduled')
    expect(run.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
  })

  test('[prefect 22] [prefect 23] a retry after the last one gives a fresh budget', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 1 } }).running()
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.tag).toBe('FAILED.Failed')
    run.signal('retry')
    run.running('w2')
    expect(run.tag).toBe('RUNNING.Retrying')
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.tag).toBe('RUNNING.Retrying')
  })

  test('a retry gives lost hosts a fresh count too', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, maxRecoveries: 0 } }).running()
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.tag).toBe('CRASHED.Crashed')
    run.signal('retry')
    expect(run.context.recoveryCount).toBe(0)
  })
})

describe('the way to a worker', () => {
  test('a run that is due is enqueued when it is created', () => {
    expect(new TestRun().effects).toEqual([
      { do: 'enqueue', target: FLOW_POLICY.target },
      { do: 'arm', timer: 'late', due: 16_000, token: 1 },
    ])
  })

  test('a run for later has a timer instead, which enqueues it', () => {
    const run = new TestRun({ scheduledTime: 60_000 })
    expect(run.effects).toEqual([
      { do: 'arm', timer: 'start', due: 60_000, token: 1 },
      { do: 'arm', timer: 'late', due: 75_000, token: 1 },
    ])
    run.fire('TIMER.start')
    expect(run.tag).toBe('SCHEDULED.Scheduled')
    expect(run.effects).toEqual([
      { do: 'disarm', timer: 'start' },
      { do: 'enqueue', target: FLOW_POLICY.target },
    ])
  })

  test('a claim makes it Pending, with its start time kept and one epoch further', () => {
    const run = new TestRun()
    const before = run.context
    run.claimed('w7')
    expect(run.tag).toBe('PENDING.Pending')
    expect(run.context).toMatchObject({ epoch: 1, worker: 'w7', expectedStart: before.expectedStart })
    expect(run.effects).toEqual([{ do: 'disarm', timer: 'late' }])
  })

  test.each(
    Object.keys(IN).filter((tag) => tag.startsWith('SCHEDULED.') && tag !== 'SCHEDULED.AwaitingRetry'),
  )('%s can be claimed', (tag) => {
    const run = IN[tag]?.()
    expect(run?.flow({ type: 'CLAIM', worker: 'w2' })).toMatchObject({ is: 'write' })
    expect(run?.tag).toBe('PENDING.Pending')
  })

  test.each([
    'SCHEDULED.AwaitingRetry',
    ...Object.keys({ ...IN, ...ENDED }).filter((tag) => !tag.startsWith('SCHEDULED.')),
  ])('[prefect 58] %s cannot be claimed: the fence against doubled items', (tag) => {
    const run = { ...IN, ...ENDED }[tag]?.()
    const entries = run?.entries.length
    expect(run?.flow({ type: 'CLAIM', worker: 'w2' })).toMatchObject({ is: 'rejected' })
    expect(run?.entries).toHaveLength(entries ?? -1)
  })

  test('[prefect 21] workers never see a retry that waits in its process', () => {
    const run = IN['SCHEDULED.AwaitingRetry']?.()
    expect(run?.context.worker).toBe('w1')
    expect(run?.effects.map((effect) => effect.do)).not.toContain('enqueue')
    expect(run?.flow({ type: 'CLAIM', worker: 'w2' })).toEqual({
      is: 'rejected',
      reason: 'The flow run is taken: it is AwaitingRetry, on worker w1.',
    })
  })

  test('[prefect 59] RUNNING before the start time waits, in whole milliseconds, and then does not', () => {
    const run = new TestRun({ scheduledTime: 5_000.5 })
    expect(run.flow({ type: 'START' })).toEqual({ is: 'wait', retryAfterMs: 4_001 })
    run.claimed()
    expect(run.flow({ type: 'START' })).toEqual({ is: 'wait', retryAfterMs: 4_001 })
    expect(run.tag).toBe('PENDING.Pending')
    run.tick(4_001)
    expect(run.flow({ type: 'START' })).toMatchObject({ is: 'write' })
    expect(run.tag).toBe('RUNNING.Running')
  })

  test("[prefect 59] the scheduler's clock decides: once its timer has fired, a slow clock waits no more", () => {
    const run = new TestRun({ scheduledTime: 60_000 }).claimed()
    run.fire('TIMER.start')
    run.now = 2_000
    expect(run.flow({ type: 'START' })).toMatchObject({ is: 'write' })
  })

  test('a run that nobody claimed cannot start', () => {
    expect(new TestRun().flow({ type: 'START' })).toMatchObject({ is: 'rejected' })
  })

  test('[prefect 60] a run that nobody took becomes Late, its start time kept', () => {
    const run = new TestRun({ scheduledTime: 60_000 })
    run.fire('TIMER.late')
    expect(run.now).toBe(75_000)
    expect(run.tag).toBe('SCHEDULED.Late')
    expect(run.context.expectedStart).toBe(60_000)
  })

  test.each(Object.keys({ ...IN, ...ENDED }).filter((tag) => tag !== 'SCHEDULED.Scheduled'))(
    '[prefect 60] %s does not become Late',
    (tag) => {
      const run = { ...IN, ...ENDED }[tag]?.()
      expect(run?.flow({ type: 'TIMER.late', token: 1 })).toEqual({ is: 'ignored' })
      expect(run?.tag).toBe(tag)
    },
  )

  test('a claim without a free slot waits for one, nobody hosting it, and is enqueued with the grant', () => {
    const run = IN['SCHEDULED.AwaitingConcurrencySlot']?.()
    expect(run?.context.worker).toBe(null)
    expect(run?.effects).toEqual([]) // its place in the line is kept
    run?.flow({ type: 'SLOT_GRANTED' })
    expect(run?.tag).toBe('SCHEDULED.Scheduled')
    expect(run?.effects).toEqual([{ do: 'enqueue', target: FLOW_POLICY.target }])
  })

  test('`cancelNew`: a claim that gets no slot ends Cancelled', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, limits: ['db'] } }).claimed()
    run.flow({ type: 'ABANDON', message: 'The limit db is full.' })
    expect(run.state.state).toEqual({
      tag: 'CANCELLED.Cancelled',
      at: 1_000,
      message: 'The limit db is full.',
    })
    expect(run.effects).toEqual([{ do: 'release-slots' }])
  })

  test('`cancelRunning`: the oldest holder is cancelled like any other run', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, limits: ['db'] } }).running()
    expect(run.signal('cancel', { by: { channel: 'scheduler' } })).toMatchObject({ answer: 'accepted' })
    run.flow({ type: 'CANCELLED' })
    expect(run.effects).toContainEqual({ do: 'release-slots' })
  })
})

describe('failure and retry', () => {
  const retrying = (retries: number) => new TestRun({ policy: { ...FLOW_POLICY, retries } }).running()

  test('[prefect 13] with retries left and no delay it goes straight to Retrying', () => {
    const run = retrying(1)
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.tag).toBe('RUNNING.Retrying')
    expect(run.context).toMatchObject({ worker: 'w1', runCount: 2, failures: 1 })
    run.flow({ type: 'COMPLETE', result: { v: 5 } })
    expect(run.state).toMatchObject({ state: { tag: 'COMPLETED.Completed' }, result: { v: 5 } })
  })

  test('with a delay it waits AwaitingRetry in its process, and its timer makes it Retrying', () => {
    const run = retrying(1)
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 4_000 })
    expect(run.tag).toBe('SCHEDULED.AwaitingRetry')
    expect(run.effects).toEqual([{ do: 'arm', timer: 'retry', due: 5_000, token: 4 }])
    run.fire('TIMER.retry')
    expect(run.tag).toBe('RUNNING.Retrying')
    expect(run.context).toMatchObject({ worker: 'w1', runCount: 2 })
    expect(run.effects).toEqual([{ do: 'disarm', timer: 'retry' }, { do: 'nudge-host' }])
  })

  test('[prefect 11] with no retries left it is Failed', () => {
    const run = retrying(2)
    for (const _ of [1, 2]) run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.context.runCount).toBe(3)
    run.flow({
      type: 'FAIL',
      message: 'no more',
      retryDelayMs: 0,
      failure: { name: 'Error', message: 'no more' },
    })
    expect(run.state).toMatchObject({
      state: { tag: 'FAILED.Failed', message: 'no more' },
      failure: { name: 'Error', message: 'no more' },
    })
  })

  test('[prefect 12] a failure that must not be retried is Failed at once', () => {
    const run = retrying(5)
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: null })
    expect(run.tag).toBe('FAILED.Failed')
  })

  test('recovery and resume cost nothing of the retry budget', () => {
    const run = retrying(1)
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    run.running('w2')
    run.signal('pause')
    run.signal('resume')
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.tag).toBe('RUNNING.Retrying')
    expect(run.context.failures).toBe(1)
  })

  test('a failure before the code ran is not retried', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 3 } }).claimed()
    run.flow({ type: 'FAIL', message: 'city: is missing', retryDelayMs: 0 })
    expect(run.tag).toBe('FAILED.Failed')
    expect(run.context).toMatchObject({ startTime: 1_000, endTime: 1_000, runCount: 0 })
  })

  test('a run that takes longer than its time-out is TimedOut, and its host is told', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, timeoutMs: 3_000 } }).running()
    expect(run.effects).toEqual([{ do: 'arm', timer: 'timeout', due: 4_000, token: 3 }])
    run.fire('TIMER.timeout')
    expect(run.state.state).toEqual({
      tag: 'FAILED.TimedOut',
      at: 4_000,
      message: 'The flow run took longer than 3000 ms.',
    })
    expect(run.effects).toContainEqual({ do: 'nudge-host' })
  })

  test('a time-out is retried like a failure, with a time-out of its own', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, timeoutMs: 3_000, retries: 1 } }).running()
    run.fire('TIMER.timeout')
    expect(run.tag).toBe('RUNNING.Retrying')
    expect(run.context).toMatchObject({ failures: 1, runCount: 2, worker: 'w1' })
    expect(run.effects).toContainEqual({ do: 'nudge-host' })
    expect(run.context.timers.timeout?.due).toBe(7_000)
    run.fire('TIMER.timeout')
    expect(run.tag).toBe('FAILED.TimedOut')
  })

  test('the run time-out stands still while paused', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, timeoutMs: 3_000 } }).running().tick(1_000)
    run.signal('pause')
    expect(run.context.timers.timeout).toBeUndefined()
    run.tick(60_000)
    run.signal('resume')
    expect(run.context.timers.timeout?.due).toBe(run.now + 2_000)
  })

  test('while a failed run is held, its pause outlives the retry', () => {
    const run = paused({ ...FLOW_POLICY, retries: 1 })
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.tag).toBe('PAUSED.Suspended')
    expect(run.context.worker).toBe(null)
    run.signal('resume')
    run.running('w2')
    expect(run.tag).toBe('RUNNING.Retrying')
    expect(run.context).toMatchObject({ runCount: 2, failures: 1 })
  })
})

describe('pause and suspend', () => {
  test.each(Object.keys(IN).filter((tag) => !tag.startsWith('RUNNING.')))(
    '[prefect 34] %s cannot be paused or suspended',
    (tag) => {
      const run = IN[tag]?.()
      expect(run?.signal('pause')).toMatchObject({ is: 'rejected' })
      expect(run?.signal('suspend')).toMatchObject({ is: 'rejected' })
      expect(run?.tag).toBe(tag)
    },
  )

  test.each(['RUNNING.Running', 'RUNNING.Retrying'])('[prefect 34] %s can', (tag) => {
    const run = IN[tag]?.()
    expect(run?.signal('pause')).toMatchObject({ is: 'write', answer: 'applied' })
    expect(run?.tag).toBe('PAUSED.Paused')
    const other = IN[tag]?.()
    expect(other?.signal('suspend')).toMatchObject({ is: 'write', answer: 'applied' })
    expect(other?.tag).toBe('PAUSED.Suspended')
  })

  test('a pause from outside tells the host, and lasts an hour unless it says otherwise', () => {
    const run = new TestRun().running()
    run.signal('pause')
    expect(run.effects).toEqual([
      { do: 'arm', timer: 'hold', due: 3_601_000, token: 4 },
      { do: 'nudge-host' },
    ])
    const forever = new TestRun().running()
    forever.signal('suspend', { timeoutMs: null })
    expect(forever.effects).toEqual([{ do: 'nudge-host' }])
  })

  test('[prefect 41] resuming does not raise the run count', () => {
    const run = paused()
    run.signal('resume')
    expect(run.tag).toBe('RUNNING.Running')
    expect(run.context.runCount).toBe(1)
    const other = suspended()
    other.signal('resume')
    expect(other.tag).toBe('SCHEDULED.Resuming')
    expect(other.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
    other.running('w2')
    expect(other.context.runCount).toBe(1)
  })

  test.each(Object.keys(IN).filter((tag) => !['PAUSED.Paused', 'PAUSED.Suspended'].includes(tag)))(
    '[prefect 37] %s cannot be resumed',
    (tag) => {
      const run = IN[tag]?.()
      expect(run?.signal('resume')).toMatchObject({ is: 'rejected' })
      expect(run?.tag).toBe(tag)
    },
  )

  test('[prefect 42] a pause that ran out is Failed', () => {
    for (const run of [paused(), suspended()]) {
      run.fire('TIMER.hold')
      expect(run.state.state).toMatchObject({
        tag: 'FAILED.Failed',
        message: 'The flow was paused and never resumed.',
      })
    }
  })

  test('[prefect 36] a resume that comes too late fails the run, and says so', () => {
    for (const run of [paused(), suspended()]) {
      run.tick(10_000)
      expect(run.signal('resume')).toMatchObject({
        is: 'rejected',
        reason: 'The flow was paused and never resumed.',
      })
      expect(run.state.state).toMatchObject({
        tag: 'FAILED.Failed',
        message: 'The flow was paused and never resumed.',
      })
    }
  })

  test.each<[string, FlowStep, string]>([
    ['COMPLETED', { type: 'COMPLETE' }, 'COMPLETED.Completed'],
    ['FAILED', { type: 'FAIL', message: 'no', retryDelayMs: null }, 'FAILED.Failed'],
    ['CRASHED', { type: 'CRASH', message: 'no' }, 'CRASHED.Crashed'],
    ['CANCELLED', { type: 'ABANDON' }, 'CANCELLED.Cancelled'],
    ['RUNNING', { type: 'RESUME', by: BY }, 'RUNNING.Running'],
    ['SCHEDULED', { type: 'RELEASE', epoch: 1 }, 'SCHEDULED.AwaitingRecovery'],
    ['CANCELLING', { type: 'CANCEL', by: BY }, 'CANCELLING.Cancelling'],
  ])('[prefect 35] a paused run may become %s', (_type, step, tag) => {
    const run = paused()
    expect(run.flow(step)).toMatchObject({ is: 'write' })
    expect(run.tag).toBe(tag)
  })

  test('[prefect 35] a paused run becomes neither PENDING nor PAUSED', () => {
    const run = paused()
    expect(run.flow({ type: 'CLAIM', worker: 'w2' })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'START' })).toMatchObject({ is: 'rejected' })
    expect(run.signal('pause')).toMatchObject({ is: 'rejected' })
  })

  test('quiesced is noted once', () => {
    const run = paused()
    run.tick(5)
    expect(run.flow({ type: 'QUIESCED' })).toMatchObject({ is: 'write' })
    expect(run.context.hold?.quiescedAt).toBe(1_005)
    expect(run.flow({ type: 'QUIESCED' })).toEqual({ is: 'ignored' })
  })

  test('a suspended run keeps its host until the last running task has finished, and can go on with it till then', () => {
    const run = new TestRun().running()
    run.signal('suspend')
    expect(run.context.worker).toBe('w1')
    run.signal('resume')
    expect(run.tag).toBe('RUNNING.Running')
    expect(run.effects).toContainEqual({ do: 'nudge-host' })
  })

  test('after that nobody is left to say how its code ended', () => {
    const run = suspended()
    expect(run.context.worker).toBe(null)
    expect(run.flow({ type: 'COMPLETE' })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'ABANDON' })).toMatchObject({ is: 'rejected' })
    expect(run.tag).toBe('PAUSED.Suspended')
  })
})

describe('sleeping and waiting', () => {
  test('a run whose code waits for a time leaves its process, and its timer brings it back', () => {
    const run = IN['PAUSED.Sleeping']?.()
    expect(run?.context).toMatchObject({ worker: null, resuming: true })
    expect(run?.effects).toEqual([{ do: 'arm', timer: 'hold', due: 60_000, token: 4 }])
    run?.fire('TIMER.hold')
    expect(run?.tag).toBe('SCHEDULED.Resuming')
    expect(run?.effects).toEqual([
      { do: 'disarm', timer: 'hold' },
      { do: 'enqueue', target: FLOW_POLICY.target },
    ])
    expect(run?.state.waits.get('sleep-0')?.outcome).toEqual({ is: 'done' })
    run?.running('w2')
    expect(run?.context.runCount).toBe(1)
  })

  test('a run that waits for a signal is woken by that one and keeps any other', () => {
    const run = IN['PAUSED.Waiting']?.()
    run?.signal('something-else')
    expect(run?.tag).toBe('PAUSED.Waiting')
    run?.signal('approval', { payload: { v: true } })
    expect(run?.tag).toBe('SCHEDULED.Resuming')
    expect(run?.state.inbox.map(({ name }) => name)).toEqual(['something-else'])
  })

  test('a sleeping run is not woken by a signal', () => {
    const run = IN['PAUSED.Sleeping']?.()
    run?.signal('approval')
    expect(run?.tag).toBe('PAUSED.Sleeping')
    expect(run?.state.inbox).toHaveLength(1)
  })

  test('a run does not leave its process for nothing, or for what has been answered', () => {
    const run = new TestRun().running()
    expect(run.flow({ type: 'PARK', until: null, signals: [] })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'PARK', until: 60_000, signals: [] })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'PARK', until: null, signals: ['approval'] })).toMatchObject({ is: 'rejected' })
    expect(flowChart.can(run.state.flow, { type: 'PARK', at: 1, until: null, signals: [] })).toBe(false)
  })

  test('slots go with the worker', () => {
    const policy = { ...FLOW_POLICY, limits: ['db'] }
    const parked = new TestRun({ policy }).running().parked({ until: 60_000 })
    expect(parked.effects).toContainEqual({ do: 'release-slots' })
    const held = new TestRun({ policy }).running()
    held.signal('suspend')
    expect(held.effects).not.toContainEqual({ do: 'release-slots' })
    held.flow({ type: 'QUIESCED' })
    expect(held.effects).toContainEqual({ do: 'release-slots' })
  })
})

describe('cancelling', () => {
  test.each(
    Object.keys(IN).filter(
      (tag) =>
        tag.startsWith('SCHEDULED.') ||
        ['PAUSED.Suspended', 'PAUSED.Sleeping', 'PAUSED.Waiting'].includes(tag),
    ),
  )('[prefect 45] [prefect 43] %s is Cancelled at once: there is nothing to kill', (tag) => {
    const run = IN[tag]?.()
    expect(run?.signal('cancel')).toMatchObject({ is: 'write', answer: 'applied' })
    expect(run?.state.state).toMatchObject({ tag: 'CANCELLED.Cancelled', message: 'Run cancelled.' })
    expect(run?.context).toMatchObject({ worker: null, timers: {} })
  })

  test.each(['PENDING.Pending', 'RUNNING.Running', 'RUNNING.Retrying', 'PAUSED.Paused'])(
    '[prefect 43] %s becomes Cancelling, its host is told and its grace begins',
    (tag) => {
      const run = IN[tag]?.()
      expect(run?.signal('cancel', { message: 'wrong city' })).toMatchObject({
        is: 'write',
        answer: 'accepted',
      })
      expect(run?.state.state).toMatchObject({ tag: 'CANCELLING.Cancelling', message: 'wrong city' })
      expect(run?.effects).toContainEqual({ do: 'nudge-host' })
      expect(run?.context.timers).toEqual({ grace: { due: (run?.now ?? 0) + 32_500, token: run?.context.n } })
    },
  )

  test('a suspended run whose tasks still run becomes Cancelling: there is something to kill', () => {
    const run = new TestRun().running()
    run.signal('suspend')
    expect(run.signal('cancel')).toMatchObject({ answer: 'accepted' })
    expect(run.tag).toBe('CANCELLING.Cancelling')
  })

  test('a grace of its own beats that of the policy', () => {
    const run = new TestRun().running()
    run.signal('cancel', { graceMs: 0 })
    expect(run.context.timers.grace?.due).toBe(3_500)
  })

  test.each<FlowStep>([
    { type: 'COMPLETE' },
    { type: 'FAIL', message: 'no', retryDelayMs: 0 },
    { type: 'CRASH', message: 'no' },
    { type: 'ABANDON' },
    { type: 'CLAIM', worker: 'w2' },
    { type: 'START' },
    { type: 'PAUSE', key: 'a', until: null, by: BY },
    { type: 'SUSPEND', key: 'a', until: null, by: BY },
    { type: 'PARK', until: 5, signals: [] },
    { type: 'RESUME', by: BY },
    { type: 'SIGNAL', name: 'approval', by: BY },
    { type: 'CANCEL', by: BY },
    { type: 'RETRY', by: BY },
    { type: 'SLOT_WAIT', limits: [] },
  ])('[prefect 44] CANCELLING takes nothing but CANCELLED: not $type', (step) => {
    const run = IN['CANCELLING.Cancelling']?.()
    expect(run?.flow(step)).toMatchObject({ is: 'rejected' })
    expect(run?.tag).toBe('CANCELLING.Cancelling')
  })

  test('[prefect 44] CANCELLING takes CANCELLED, and keeps what the sender said', () => {
    const run = new TestRun().running()
    run.signal('cancel', { message: 'wrong city' })
    run.flow({ type: 'CANCELLED' })
    expect(run.state.state).toMatchObject({ tag: 'CANCELLED.Cancelled', message: 'wrong city' })
    expect(run.effects).not.toContainEqual({ do: 'nudge-host' })
  })

  test('[prefect 49] it is Cancelled after its grace whatever its host does', () => {
    const run = IN['CANCELLING.Cancelling']?.()
    run?.fire('TIMER.grace')
    expect(run?.tag).toBe('CANCELLED.Cancelled')
    expect(run?.effects).toContainEqual({ do: 'nudge-host' })
  })

  test('it is Cancelled when its host is lost', () => {
    const run = IN['CANCELLING.Cancelling']?.()
    run?.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run?.state.state).toMatchObject({ tag: 'CANCELLED.Cancelled', message: 'Run cancelled.' })
  })

  test('[prefect 48] its open task runs are Cancelled in the same entry, finished ones untouched', () => {
    const run = new TestRun().running()
    run.call('done-0')
    run.task('done-0', { type: 'START' })
    run.task('done-0', { type: 'COMPLETE' })
    run.call('open-0')
    run.task('open-0', { type: 'START' })
    run.call('open-1')
    run.signal('cancel')
    expect([run.taskTag('open-0'), run.taskTag('open-1')]).toEqual(['RUNNING.Running', 'PENDING.Pending'])
    run.flow({ type: 'CANCELLED' })
    expect(run.written.map(({ k }) => k)).toEqual(['flow', 'tasks'])
    expect(['done-0', 'open-0', 'open-1'].map((id) => run.taskTag(id))).toEqual([
      'COMPLETED.Completed',
      'CANCELLED.Cancelled',
      'CANCELLED.Cancelled',
    ])
  })

  test('[prefect 48] its children are told, if it has any', () => {
    const run = new TestRun().running()
    run.signal('cancel')
    expect(run.effects.map((effect) => effect.do)).not.toContain('tell-children')
    const parent = new TestRun().running()
    parent.propose(() => ({
      is: 'write',
      answer: 'applied',
      records: [{ k: 'child', id: 'c-0', at: 1, run: 'other', flow: 'f' }],
    }))
    parent.signal('cancel')
    expect(parent.effects).toContainEqual({ do: 'tell-children', signal: 'cancel' })
  })
})

describe('a lost host', () => {
  test.each(['PENDING.Pending', 'RUNNING.Running', 'PAUSED.Paused', 'SCHEDULED.AwaitingRetry'])(
    '%s is made good by AwaitingRecovery, counted',
    (tag) => {
      const run = IN[tag]?.()
      run?.flow({ type: 'HOST_LOST', epoch: 1, reason: 'lease lapsed' })
      expect(run?.state.state).toMatchObject({
        tag: 'SCHEDULED.AwaitingRecovery',
        message: 'The worker was lost: lease lapsed',
      })
      expect(run?.context).toMatchObject({ worker: null, recoveryCount: 1 })
    },
  )

  test('it runs again on another worker without another run count', () => {
    const run = IN['SCHEDULED.AwaitingRecovery']?.()
    expect(run?.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
    run?.running('w2')
    expect(run?.tag).toBe('RUNNING.Running')
    expect(run?.context).toMatchObject({ runCount: 1, epoch: 2, worker: 'w2' })
  })

  test.each(['PENDING.Pending', 'RUNNING.Running', 'PAUSED.Paused', 'SCHEDULED.AwaitingRetry'])(
    '%s is Crashed when the recoveries are spent',
    (tag) => {
      const run = IN[tag]?.()
      for (let lost = 1; lost <= 3; lost++) {
        run?.flow({ type: 'HOST_LOST', epoch: lost, reason: 'exit 137' })
        run?.claimed(`w${lost + 1}`)
      }
      run?.flow({ type: 'HOST_LOST', epoch: 4, reason: 'exit 137' })
      expect(run?.state.state).toMatchObject({
        tag: 'CRASHED.Crashed',
        message: 'Run crashed. The worker was lost: exit 137 (recovered 3 of at most 3 times)',
      })
    },
  )

  test('by policy it is Crashed at once', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, onCrash: 'crash' } }).running()
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.tag).toBe('CRASHED.Crashed')
  })

  test('news of an older host are ignored', () => {
    const run = IN['SCHEDULED.AwaitingRecovery']?.()
    run?.running('w2')
    expect(run?.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })).toEqual({ is: 'ignored' })
    expect(run?.flow({ type: 'RELEASE', epoch: 1 })).toEqual({ is: 'ignored' })
    expect(run?.tag).toBe('RUNNING.Running')
  })

  test.each(['PENDING.Pending', 'RUNNING.Running', 'PAUSED.Paused', 'SCHEDULED.AwaitingRetry'])(
    '%s that is handed back in good order costs no recovery, whatever the policy',
    (tag) => {
      const run = IN[tag]?.()
      run?.flow({ type: 'RELEASE', epoch: 1 })
      expect(run?.tag).toBe('SCHEDULED.AwaitingRecovery')
      expect(run?.context).toMatchObject({ worker: null, recoveryCount: 0 })
    },
  )

  test('what is left of a retry delay is waited for without a host', () => {
    const run = IN['SCHEDULED.AwaitingRetry']?.()
    run?.tick(1_000).flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run?.effects.map((effect) => effect.do)).not.toContain('enqueue')
    expect(run?.context.timers).toMatchObject({ start: { due: 6_000 } })
    run?.fire('TIMER.start')
    expect(run?.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
    run?.running('w2')
    expect(run?.tag).toBe('RUNNING.Retrying')
    expect(run?.context.runCount).toBe(2)
  })

  test('a retry that was due already is enqueued at once', () => {
    const run = IN['SCHEDULED.AwaitingRetry']?.()
    run?.tick(5_000).flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run?.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
  })

  test('a suspended run whose host is lost is simply suspended', () => {
    const run = new TestRun().running()
    run.signal('suspend')
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.tag).toBe('PAUSED.Suspended')
    expect(run.context).toMatchObject({ worker: null, recoveryCount: 0 })
  })

  test('a pause outlives its host: with its end, and until it is resumed', () => {
    const run = paused()
    const { due } = run.context.timers.hold ?? {}
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.context.timers.hold?.due).toBe(due)
    run.running('w2')
    expect(run.written.map((record) => record.k === 'flow' && record.s)).toEqual([
      'RUNNING.Running',
      'PAUSED.Paused',
    ])
    expect(run.context.timers.hold?.due).toBe(due)
    run.signal('resume')
    expect(run.tag).toBe('RUNNING.Running')
  })

  test('a pause can be resumed before a host is found, and can run out', () => {
    const run = paused()
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.legal).toEqual(['resume', 'cancel'])
    run.signal('resume')
    expect(run.tag).toBe('SCHEDULED.AwaitingRecovery')
    run.running('w2')
    expect(run.tag).toBe('RUNNING.Running')

    const other = paused()
    other.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    other.fire('TIMER.hold')
    expect(other.state.state).toMatchObject({
      tag: 'FAILED.Failed',
      message: 'The flow was paused and never resumed.',
    })
  })
})

describe('bookkeeping', () => {
  test('start, end, spans and counts are those of the RUNNING times', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 1 } }).tick(10).running()
    expect(run.context).toMatchObject({ startTime: 1_010, runningSince: 1_010, endTime: null, runCount: 1 })
    run.tick(100).signal('pause')
    expect(run.context).toMatchObject({ runningSince: null, totalRunMs: 100 })
    run.tick(1_000).signal('resume')
    run.tick(20).flow({ type: 'FAIL', message: 'no', retryDelayMs: 500 })
    expect(run.context).toMatchObject({ totalRunMs: 120, runningSince: null })
    run.fire('TIMER.retry')
    run.tick(3).flow({ type: 'COMPLETE' })
    expect(run.context).toMatchObject({
      startTime: 1_010,
      endTime: run.now,
      totalRunMs: 123,
      runCount: 2,
      worker: null,
    })
    run.tick(50).signal('retry')
    expect(run.context).toMatchObject({ startTime: 1_010, endTime: null, expectedStart: run.now })
    run.running('w2')
    expect(run.context).toMatchObject({ startTime: 1_010, runCount: 3 })
  })

  test('a clock that went backwards counts as no time', () => {
    const run = new TestRun().running()
    run.now = 400
    run.flow({ type: 'COMPLETE' })
    expect(run.context.totalRunMs).toBe(0)
  })

  test('a name of the code’s own is kept and its type drives the rules', () => {
    const run = ended({ type: 'COMPLETE', name: 'Wise', message: 'all of it' })
    expect(run.state.state).toEqual({ tag: 'COMPLETED.Wise', at: 1_000, message: 'all of it' })
    expect(run.legal).toEqual(['retry'])
    expect(run.signal('cancel')).toEqual({ is: 'rejected', reason: 'The flow run has ended: it is Wise.' })
    run.signal('retry')
    expect(run.tag).toBe('SCHEDULED.Scheduled')
    run.running('w2').flow({ type: 'COMPLETE' })
    expect(run.tag).toBe('COMPLETED.Completed')
  })

  test('the state a run is in says since when; what only happens in it does not change that', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 2 } }).running().tick(10)
    run.signal('approval')
    expect(run.state.state.at).toBe(1_000)
    run.flow({ type: 'FAIL', message: 'first', retryDelayMs: 0 })
    run.tick(10).flow({ type: 'FAIL', message: 'second', retryDelayMs: 0 })
    expect(run.state.state).toEqual({ tag: 'RUNNING.Retrying', at: 1_020, message: 'second' })
  })

  test('a parent is told when its child has ended', () => {
    const child = new TestRun({ parent: { run: 'p', key: 'c-0' } }).running()
    child.flow({ type: 'COMPLETE' })
    expect(child.effects).toEqual([{ do: 'tell-parent' }])
    expect(ended({ type: 'COMPLETE' }).effects).toEqual([])
  })
})
