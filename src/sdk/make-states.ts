/** States that user code returns: `return failed('no weather', { name: 'NoWeather' })`. */

import { now } from './ambient-clock.ts'
import { State, type StateOptions } from './state.ts'

/** Completed, with this result. */
export function completed<T>(data?: T, options: StateOptions = {}): State<T> {
  return new State({ type: 'COMPLETED', timestamp: now(), data, ...options })
}

/** Failed; counts as a failure, also for retries. `error` is what reading the result throws. */
export function failed(
  message = 'Run failed.',
  options: { name?: string; error?: unknown } = {},
): State<never> {
  return new State({ type: 'FAILED', timestamp: now(), message, ...options })
}

export function crashed(message = 'Run crashed.', options: { name?: string } = {}): State<never> {
  return new State({ type: 'CRASHED', timestamp: now(), message, ...options })
}

export function cancelled(message = 'Run cancelled.', options: { name?: string } = {}): State<never> {
  return new State({ type: 'CANCELLED', timestamp: now(), message, ...options })
}

/** Skipped: Completed by type; what depends on it is skipped too unless it says `skipOnUpstreamSkip: false`. */
export function skipped<T>(message?: string, data?: T): State<T> {
  return new State({
    type: 'COMPLETED',
    name: 'Skipped',
    timestamp: now(),
    data,
    ...(message === undefined ? {} : { message }),
  })
}
