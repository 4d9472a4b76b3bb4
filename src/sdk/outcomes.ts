/** Between what user code returns or throws, what the session is told, and the states that user code sees. */

import {
  type BodyOutcome,
  errorOf,
  failureOf,
  parseTag,
  refOf,
  type Settled,
  type ValueRef,
} from '../actors/index.ts'
import { CallboardError, messageOf } from '../core/index.ts'
import { now } from './ambient-clock.ts'
import { NOT_KEPT } from './results.ts'
import { State } from './state.ts'

/** A returned state as what became of the body; undefined for anything else. */
export function outcomeOf(returned: unknown): BodyOutcome | undefined {
  if (!(returned instanceof State)) return undefined
  const { type, name, message, data, error } = returned
  const said = message === undefined ? {} : { message }
  const result = data === undefined ? {} : { result: refOf(data, 'the data of the state') }
  switch (type) {
    case 'COMPLETED':
      if (name === 'Skipped') return { is: 'skipped', ...said, ...result }
      return { is: 'completed', ...(name === 'Completed' ? {} : { name }), ...said, ...result }
    case 'CANCELLED':
      return { is: 'cancelled', ...said }
    case 'CRASHED':
      return { is: 'crashed', message: message ?? 'Run crashed.' }
    case 'FAILED':
      return {
        is: 'failed',
        ...(name === 'Failed' ? {} : { name }),
        message: message ?? 'Run failed.',
        ...(error === undefined ? {} : { failure: failureOf(error) }),
        ...result,
        retryDelayMs: null,
      }
    default:
      return {
        is: 'failed',
        message: `The code returned a state of type ${type}, in which no run can end. Return completed(), failed() or cancelled().`,
        retryDelayMs: null,
      }
  }
}

/** How a task run or child run ended, for user code. */
export function stateOfSettled({ id, tag, message, value, failure }: Settled, at: number): State {
  const { type, name } = parseTag(tag)
  const error = failure === undefined ? undefined : errorOf(failure)
  return new State({ type, name, message, timestamp: at, data: value, error, run: id })
}

/** The state that a failed attempt is in while it is asked whether to retry, or that its hooks are shown. */
export function failedState(error: unknown, name?: string): State<never> {
  return new State({
    type: 'FAILED',
    timestamp: now(),
    message: messageOf(error),
    error,
    ...(name === undefined ? {} : { name }),
  })
}

/** What the log is to hold for a result that cannot be stored, and why it cannot. */
export function encodeResult(value: unknown): { readonly ref: ValueRef; readonly problem?: CallboardError } {
  try {
    return { ref: refOf(value, 'result') }
  } catch (error) {
    if (error instanceof CallboardError) return { ref: { v: NOT_KEPT }, problem: error }
    throw error
  }
}
