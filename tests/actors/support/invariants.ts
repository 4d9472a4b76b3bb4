/** What holds in every state that a chart can come to, and over every log. */

import { expect } from 'vitest'
import type { ChartSnapshot, Effect, FlowContext, TaskContext } from './room.ts'
import { FLOW_STATES, isTerminalTag, parseTag, TASK_STATES } from './room.ts'

/** Where user code may give a name of its own. */
const NAMED_BY_CODE = ['COMPLETED', 'FAILED', 'CANCELLED']

export function expectLegalFlow({ tag, context }: ChartSnapshot<FlowContext>): void {
  const { type, name } = parseTag(tag)
  const names: readonly string[] = FLOW_STATES[type]
  if (context.customName === null) expect(names, tag).toContain(name)
  else expect(NAMED_BY_CODE, tag).toContain(type)
  const { worker, endTime, runningSince, timers, hold, wants } = context
  expect(endTime !== null, `${tag}: an end`).toBe(isTerminalTag(tag))
  expect(runningSince !== null, `${tag}: a running span`).toBe(type === 'RUNNING')
  const isHosted = worker !== null
  if (['PENDING', 'RUNNING', 'CANCELLING'].includes(type)) expect(isHosted, `${tag}: a host`).toBe(true)
  if (tag === 'PAUSED.Paused' || tag === 'SCHEDULED.AwaitingRetry')
    expect(isHosted, `${tag}: a host`).toBe(true)
  else if (type === 'SCHEDULED' || isTerminalTag(tag)) expect(isHosted, `${tag}: no host`).toBe(false)
  if (isTerminalTag(tag)) expect({ timers, hold, wants }).toEqual({ timers: {}, hold: null, wants: [] })
  if (tag === 'CANCELLING.Cancelling') expect(Object.keys(timers)).toEqual(['grace'])
  expect('retry' in timers, `${tag}: a retry timer`).toBe(tag === 'SCHEDULED.AwaitingRetry')
  if (tag === 'PAUSED.Paused' || tag === 'PAUSED.Suspended') expect(hold, tag).not.toBe(null)
  if (wants.length > 0) expect(tag).toBe('PAUSED.Waiting')
}

export function expectLegalTask({ tag, context }: ChartSnapshot<TaskContext>): void {
  const { type, name } = parseTag(tag)
  const names: readonly string[] = TASK_STATES[type]
  if (context.customName === null) expect(names, tag).toContain(name)
  else expect(NAMED_BY_CODE, tag).toContain(type)
  const { endTime, runningSince, timers } = context
  expect(endTime !== null, `${tag}: an end`).toBe(isTerminalTag(tag))
  expect(runningSince !== null, `${tag}: a running span`).toBe(type === 'RUNNING')
  expect(Object.keys(timers), tag).toEqual(tag === 'SCHEDULED.AwaitingRetry' ? ['retry'] : [])
}

/** What somebody knows to be armed who saw nothing but the effects. */
export function armedBy(effects: Iterable<Effect>): Record<string, { due: number; token: number }> {
  const armed: Record<string, { due: number; token: number }> = {}
  for (const effect of effects) {
    if (effect.do === 'arm') armed[nameOf(effect)] = { due: effect.due, token: effect.token }
    if (effect.do === 'disarm') delete armed[nameOf(effect)]
  }
  return armed
}

function nameOf({ timer, task }: { readonly timer: string; readonly task?: string }): string {
  return task === undefined ? timer : `${task}/${timer}`
}
