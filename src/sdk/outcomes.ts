/** Between what user code returns or throws, what the session is told, and the states that user code sees. */

import { type BodyOutcome, errorOf, failureOf, refOf, type Settled } from '../actors/index.ts'
import { messageOf } from '../core/index.ts'
import { now } from './ambient-clock.ts'
import { State, stateOf } from './state.ts'

/** Thrown by `skip()`. */
export class Skip {
  readonly message: string | undefined
  readonly result: unknown
  constructor(message: string | undefined, result: unknown) {
    this.message = message
    this.result = result
  }
}

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
  return stateOf(tag, {
    timestamp: new Date(at),
    data: value,
    run: id,
    ...(message === undefined ? {} : { message }),
    ...(failure === undefined ? {} : { error: errorOf(failure) }),
  })
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
