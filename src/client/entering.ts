/**
 * What becomes of a flow run and of a task run when they enter a state: the times and counts that follow from it, as the
 * gateway counts them from the whole of the log.
 */

import type { FlowRun, RunStateChange, StateType, StateView, TaskRun } from '../api/index.ts'

/** A run as changes keep it; what only the gateway can tell is left out. */
export type FollowedRun = Omit<FlowRun, 'legalSignals' | 'resuming' | 'rev'>

type Timed = Pick<TaskRun, 'state' | 'startTime' | 'endTime' | 'runCount' | 'totalRunMs'>

/** `begins`: with this state its code begins anew, if it runs in it; else it goes on after a pause or a lost host. */
export function enterRun(
  { progress, worker: before, ...run }: FollowedRun,
  { again, state, worker = before }: RunStateChange,
  begins: boolean,
): FollowedRun {
  const isLost = state.name === 'AwaitingRecovery' && 'reason' in state.details
  return {
    ...enter(run, state, begins),
    recoveryCount: run.recoveryCount + (isLost ? 1 : 0),
    ...(progress === undefined || again === true ? {} : { progress }),
    ...(worker === undefined || hasNoHost(state, again === true) ? {} : { worker }),
    ...(again === true && state.name === 'Scheduled'
      ? { expectedStartTime: state.timestamp, recoveryCount: 0 }
      : {}),
  }
}

export function enterTaskRun(taskRun: TaskRun, state: StateView): TaskRun {
  return enter(taskRun, state, true)
}

/** Tried again: whether the task run is called anew, or its result stands. */
export function isSupersededBy({ state: { name, type } }: TaskRun): boolean {
  return type !== 'COMPLETED' || name === 'RolledBack'
}

const OVER: readonly StateType[] = ['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED']

/** Whether a run in this state will never move again by itself. */
export function isOver({ type, name }: Pick<StateView, 'type' | 'name'>): boolean {
  return OVER.includes(type) || name === 'NotReady'
}

/** In its process a run waits for a retry, and for a suspension until its task runs are done. */
function hasNoHost(state: StateView, again: boolean): boolean {
  const { name, type } = state
  if (isOver(state)) return true
  if (type === 'SCHEDULED') return name !== 'AwaitingRetry'
  return name === 'Sleeping' || name === 'Waiting' || (name === 'Suspended' && again)
}

function enter<T extends Timed>({ endTime: _, ...before }: T, state: StateView, begins: boolean) {
  const { timestamp } = state
  const wasRunning = before.state.type === 'RUNNING'
  const isRunning = state.type === 'RUNNING'
  const spent = wasRunning ? Math.max(0, Date.parse(timestamp) - Date.parse(before.state.timestamp)) : 0
  const startTime = before.startTime ?? (isRunning || isOver(state) ? timestamp : undefined)
  return {
    ...before,
    state,
    runCount: before.runCount + (isRunning && begins ? 1 : 0),
    totalRunMs: before.totalRunMs + spent,
    ...(startTime === undefined ? {} : { startTime }),
    ...(isOver(state) ? { endTime: timestamp } : {}),
  }
}
