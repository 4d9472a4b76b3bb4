/** Runs brought to each state of the flow-run chart, by the rules. */

import { equal } from 'node:assert/strict'
import { FLOW_POLICY, type FlowStep, TestRun } from './run.ts'

export function ended(how: FlowStep): TestRun {
  const run = new TestRun().running()
  equal(run.flow(how).is, 'write')
  return run
}

/** A run in each terminal state. */
const ENDED: Record<string, () => TestRun> = {
  'COMPLETED.Completed': () => ended({ type: 'COMPLETE' }),
  'COMPLETED.Skipped': () => ended({ type: 'COMPLETE', name: 'Skipped' }),
  'FAILED.Failed': () => ended({ type: 'FAIL', message: 'no', retryDelayMs: null }),
  'FAILED.TimedOut': () => ended({ type: 'FAIL', name: 'TimedOut', message: 'late', retryDelayMs: null }),
  'CRASHED.Crashed': () => ended({ type: 'CRASH', message: 'exit 137' }),
  'CANCELLED.Cancelled': () => ended({ type: 'ABANDON' }),
}

/** A run in each state that is not terminal. */
const OPEN: Record<string, () => TestRun> = {
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

export function paused(policy = FLOW_POLICY): TestRun {
  const run = new TestRun({ policy }).running()
  run.signal('pause', { timeoutMs: 10_000 })
  return run
}

export function suspended(): TestRun {
  const run = new TestRun().running()
  run.signal('suspend', { timeoutMs: 10_000 })
  run.flow({ type: 'QUIESCED' })
  return run
}

/** A run in that state. */
export function flowIn(tag: string): TestRun {
  const make = OPEN[tag] ?? ENDED[tag]
  if (make === undefined) throw new Error(`no way to ${tag}`)
  return make()
}

export const ALL_TAGS: readonly string[] = Object.keys({ ...OPEN, ...ENDED })
export const OPEN_TAGS: readonly string[] = Object.keys(OPEN)
export const ENDED_TAGS: readonly string[] = Object.keys(ENDED)
