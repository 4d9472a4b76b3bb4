/** How a flow run comes to a worker, and what one that has ended takes. Each row of the design's table is here. */

import { describe, expect, test } from 'vitest'
import { ALL_TAGS, ENDED_TAGS, flowIn, OPEN_TAGS } from './support/flow-states.ts'
import { FLOW_POLICY, TestRun } from './support/run.ts'

test.each(ALL_TAGS)('there is a way to %s', (tag) => {
  expect(flowIn(tag).tag).toBe(tag)
})

describe('a run that has ended', () => {
  test.each(ENDED_TAGS)('[prefect 54] %s takes no cancel, pause, suspend or crash', (tag) => {
    const run = flowIn(tag)
    for (const name of ['cancel', 'pause', 'suspend', 'resume'])
      expect(run.signal(name)).toEqual({
        is: 'rejected',
        reason: `The flow run has ended: it is ${tag.split('.')[1]}.`,
      })
    expect(run.flow({ type: 'CRASH', message: 'late news' })).toMatchObject({ is: 'rejected' })
    expect(run.tag).toBe(tag)
  })

  test.each(ENDED_TAGS)('%s ignores timers, lost hosts and releases', (tag) => {
    const run = flowIn(tag)
    expect(run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })).toEqual({ is: 'ignored' })
    expect(run.flow({ type: 'RELEASE', epoch: 1 })).toEqual({ is: 'ignored' })
    expect(run.flow({ type: 'TIMER.late', token: 1 })).toEqual({ is: 'ignored' })
    expect(run.flow({ type: 'TIMER.grace', token: 3 })).toEqual({ is: 'ignored' })
    expect(run.tag).toBe(tag)
  })

  test.each(ENDED_TAGS)('[prefect 23] %s takes a retry, also beyond its retries', (tag) => {
    const run = flowIn(tag)
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

  test.each(OPEN_TAGS.filter((tag) => tag.startsWith('SCHEDULED.') && tag !== 'SCHEDULED.AwaitingRetry'))(
    '%s can be claimed',
    (tag) => {
      const run = flowIn(tag)
      expect(run.flow({ type: 'CLAIM', worker: 'w2' })).toMatchObject({ is: 'write' })
      expect(run.tag).toBe('PENDING.Pending')
    },
  )

  test.each(['SCHEDULED.AwaitingRetry', ...ALL_TAGS.filter((tag) => !tag.startsWith('SCHEDULED.'))])(
    '[prefect 58] %s cannot be claimed: the fence against doubled items',
    (tag) => {
      const run = flowIn(tag)
      const entries = run.entries.length
      expect(run.flow({ type: 'CLAIM', worker: 'w2' })).toMatchObject({ is: 'rejected' })
      expect(run.entries).toHaveLength(entries ?? -1)
    },
  )

  test('[prefect 21] workers never see a retry that waits in its process', () => {
    const run = flowIn('SCHEDULED.AwaitingRetry')
    expect(run.context.worker).toBe('w1')
    expect(run.effects.map((effect) => effect.do)).not.toContain('enqueue')
    expect(run.flow({ type: 'CLAIM', worker: 'w2' })).toEqual({
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

  test.each(ALL_TAGS.filter((tag) => tag !== 'SCHEDULED.Scheduled'))(
    '[prefect 60] %s does not become Late',
    (tag) => {
      const run = flowIn(tag)
      expect(run.flow({ type: 'TIMER.late', token: 1 })).toEqual({ is: 'ignored' })
      expect(run.tag).toBe(tag)
    },
  )

  test('a claim without a free slot waits for one, nobody hosting it, and is enqueued with the grant', () => {
    const run = flowIn('SCHEDULED.AwaitingConcurrencySlot')
    expect(run.context.worker).toBe(null)
    expect(run.effects).toEqual([]) // its place in the line is kept
    run.flow({ type: 'SLOT_GRANTED' })
    expect(run.tag).toBe('SCHEDULED.Scheduled')
    expect(run.effects).toEqual([{ do: 'enqueue', target: FLOW_POLICY.target }])
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
