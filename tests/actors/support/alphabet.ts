/** Everything that can be said about a run or a task run, for whoever walks a chart from outside. */

import type {
  ChartSnapshot,
  FlowContext,
  FlowEvent,
  FlowPolicy,
  TaskContext,
  TaskEvent,
  TaskPolicy,
} from './room.ts'

/** A policy under which every branch of the flow-run chart is within a few steps. */
export const WALKED_FLOW: FlowPolicy = {
  retries: 1,
  maxRecoveries: 1,
  onCrash: 'recover',
  graceMs: 100,
  timeoutMs: 1_000,
  lateAfterMs: 500,
  target: { queue: 'default', priority: 1 },
  limits: ['db'],
}

export const WALKED_TASK: TaskPolicy = { retries: 1, timeoutMs: null, limits: ['db'] }

export const NOW = 1_000
/** After the end of every hold. */
const TOO_LATE = 100_000
const OUTSIDE = { channel: 'cli' }
const PARENT = { channel: 'parent' }

/** Every kind of event a flow run can meet here, with each difference that the chart makes of it. */
export function flowEvents({ context }: ChartSnapshot<FlowContext>): FlowEvent[] {
  const at = NOW
  const { epoch } = context
  return [
    { type: 'CLAIM', at, worker: 'w' },
    { type: 'START', at },
    { type: 'SLOT_WAIT', at, limits: ['db'] },
    { type: 'SLOT_GRANTED', at },
    { type: 'COMPLETE', at },
    { type: 'COMPLETE', at, name: 'Skipped' },
    { type: 'COMPLETE', at, name: 'Wise' },
    { type: 'FAIL', at, message: 'no', retryDelayMs: null },
    { type: 'FAIL', at, message: 'no', retryDelayMs: null, name: 'TimedOut' },
    { type: 'FAIL', at, message: 'no', retryDelayMs: 0 },
    { type: 'FAIL', at, message: 'no', retryDelayMs: 50 },
    { type: 'CRASH', at, message: 'no' },
    { type: 'ABANDON', at },
    { type: 'PAUSE', at, key: 'p', until: 5_000, by: OUTSIDE },
    { type: 'PAUSE', at, key: 'p', until: null, by: PARENT },
    { type: 'SUSPEND', at, key: 's', until: 5_000, by: { channel: 'code' } },
    { type: 'PARK', at, until: 5_000, signals: [] },
    { type: 'PARK', at, until: null, signals: ['go'] },
    { type: 'PARK', at, until: null, signals: [] },
    { type: 'QUIESCED', at },
    { type: 'RESUME', at, by: OUTSIDE },
    { type: 'RESUME', at, by: PARENT },
    { type: 'RESUME', at: TOO_LATE, by: OUTSIDE },
    { type: 'SIGNAL', at, name: 'go', by: OUTSIDE },
    { type: 'SIGNAL', at, name: 'other', by: OUTSIDE },
    { type: 'CANCEL', at, by: OUTSIDE },
    { type: 'CANCELLED', at },
    { type: 'HOST_LOST', at, epoch, reason: 'gone' },
    { type: 'HOST_LOST', at, epoch: epoch - 1, reason: 'stale' },
    { type: 'RELEASE', at, epoch },
    { type: 'RELEASE', at, epoch: epoch - 1 },
    { type: 'RETRY', at, by: OUTSIDE },
    ...(['start', 'late', 'retry', 'hold', 'timeout', 'grace'] as const).flatMap((timer): FlowEvent[] => [
      { type: `TIMER.${timer}`, at, token: context.timers[timer]?.token ?? 0 },
      { type: `TIMER.${timer}`, at, token: -1 },
    ]),
  ]
}

/** Every kind of event a task run can meet here. */
export function taskEvents({ context }: ChartSnapshot<TaskContext>): TaskEvent[] {
  const at = NOW
  const token = context.timers.retry?.token ?? 0
  return [
    { type: 'START', at },
    { type: 'SLOT_WAIT', at, limits: ['db'] },
    { type: 'COMPLETE', at },
    { type: 'COMPLETE', at, name: 'Skipped' },
    { type: 'COMPLETE', at, name: 'Wise' },
    { type: 'CACHED', at, cacheKey: 'k' },
    { type: 'SKIP', at },
    { type: 'NOT_READY', at, message: 'no' },
    { type: 'TRIGGER_FAILED', at, message: 'no' },
    { type: 'DENIED', at, message: 'no' },
    { type: 'HOLD', at },
    { type: 'RESUME', at, by: OUTSIDE },
    { type: 'FAIL', at, message: 'no', retryDelayMs: null },
    { type: 'FAIL', at, message: 'no', retryDelayMs: null, name: 'TimedOut' },
    { type: 'FAIL', at, message: 'no', retryDelayMs: 0 },
    { type: 'FAIL', at, message: 'no', retryDelayMs: 50 },
    { type: 'CRASH', at, message: 'no' },
    { type: 'CANCEL', at },
    { type: 'CANCELLED', at },
    { type: 'RECOVER', at },
    { type: 'ROLL_BACK', at },
    { type: 'TIMER.retry', at, token },
    { type: 'TIMER.retry', at, token, held: true },
    { type: 'TIMER.retry', at, token: -1 },
  ]
}
