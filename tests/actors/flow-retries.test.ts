/** Failures, retries and time-outs of flow runs. Each row of the design's table is here. */

import { describe, expect, test } from 'vitest'
import { paused } from './support/flow-states.ts'
import { FLOW_POLICY, TestRun } from './support/run.ts'

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
