/** What code reports, as the events that it is proposed as. */

import { isCallboardError } from '../core/index.ts'
import type { BodyOutcome } from './channel.ts'
import type { FlowEvent, TaskEvent, ValueRef } from './events.ts'
import { failureOf } from './failures.ts'

/** How an attempt of a task's body ended. */
export function taskEventOf(outcome: BodyOutcome, at: number): TaskEvent {
  switch (outcome.is) {
    case 'skipped': {
      const { is: _, ...skipped } = outcome
      return { type: 'SKIP', at, ...skipped }
    }
    case 'cancelled': {
      const { is: _, ...cancelled } = outcome
      return { type: 'CANCELLED', at, ...cancelled }
    }
    default:
      return eventOfBoth(outcome, at)
  }
}

/** How an execution of the flow's code ended. */
export function flowEventOf(outcome: BodyOutcome, at: number): FlowEvent {
  switch (outcome.is) {
    case 'skipped': {
      const { is: _, ...skipped } = outcome
      return { type: 'COMPLETE', at, name: 'Skipped', ...skipped }
    }
    case 'cancelled': {
      const { is: _, ...cancelled } = outcome
      return { type: 'ABANDON', at, ...cancelled }
    }
    default:
      return eventOfBoth(outcome, at)
  }
}

/** What both charts call the same. */
function eventOfBoth(
  outcome: Exclude<BodyOutcome, { readonly is: 'skipped' | 'cancelled' }>,
  at: number,
): Extract<FlowEvent & TaskEvent, { type: 'COMPLETE' | 'FAIL' | 'CRASH' }> {
  switch (outcome.is) {
    case 'completed': {
      const { is: _, ...completed } = outcome
      return { type: 'COMPLETE', at, ...completed }
    }
    case 'failed': {
      const { is: _, ...failed } = outcome
      return { type: 'FAIL', at, ...failed }
    }
    case 'crashed': {
      const { is: _, ...crashed } = outcome
      return { type: 'CRASH', at, ...crashed }
    }
  }
}

/** The result that goes with an event, if any. */
export function resultIn(event: FlowEvent | TaskEvent): ValueRef | undefined {
  return 'result' in event ? event.result : undefined
}

/** The event with its result as it is to be kept. */
export function withResultIn<E extends FlowEvent | TaskEvent>(event: E, result: ValueRef | undefined): E {
  return result === undefined || !('result' in event) ? event : { ...event, result }
}

/** Whether what the code said is at fault, and not the broker. */
export function isUnkeepable(error: unknown): boolean {
  return isCallboardError(error, 'CB_E_PAYLOAD_TOO_LARGE') || isCallboardError(error, 'CB_E_RECORD_INVALID')
}

/** What the code said cannot be kept: it failed with that, and is not tried again. */
export function unkeepable(error: unknown, at: number): Extract<FlowEvent & TaskEvent, { type: 'FAIL' }> {
  const failure = failureOf(error)
  return { type: 'FAIL', at, message: failure.message, failure, retryDelayMs: null }
}
