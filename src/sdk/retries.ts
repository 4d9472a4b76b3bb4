/** Retry options as users give them → the policy that the session follows, in milliseconds. */

import type { RetryDelay, RetryPolicy } from '../actors/index.ts'
import { type DurationInput, parseDuration } from '../core/index.ts'

/** Made by `exponentialBackoff`. */
export interface Backoff {
  readonly kind: 'exponential-backoff'
  readonly factor: number
  /** Seconds, or as a text. */
  readonly cap: DurationInput
}

/**
 * The wait before another attempt: always the same, one per failure (the last repeats), growing, or what a function
 * of the number of failures says, in seconds.
 */
export type RetryDelayInput =
  | DurationInput
  | readonly DurationInput[]
  | Backoff
  | ((failures: number) => DurationInput)

const LONGEST_BACKOFF: DurationInput = '10m'

/**
 * Waits `factor`, 2·`factor`, 4·`factor` … seconds, never longer than `cap` (default 10 minutes).
 *
 * ```ts
 * task({ retries: 4, retryDelaySeconds: exponentialBackoff(2) }, fetchRandomCode)
 * ```
 */
export function exponentialBackoff(factor: number, options: { readonly cap?: DurationInput } = {}): Backoff {
  return { kind: 'exponential-backoff', factor, cap: options.cap ?? LONGEST_BACKOFF }
}

export function isBackoff(value: unknown): value is Backoff {
  return (
    typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'exponential-backoff'
  )
}

function delayOf(input: RetryDelayInput): RetryDelay {
  if (isBackoff(input)) {
    const { factor, cap } = input
    const capMs = parseDuration(cap, 'The cap of a backoff')
    return (failures) => Math.min(capMs, factor * 1000 * 2 ** (failures - 1))
  }
  if (typeof input === 'function') return (failures) => parseDuration(input(failures), 'A retry delay')
  if (typeof input === 'object') return input.map((each) => parseDuration(each, 'A retry delay'))
  return parseDuration(input, 'The retry delay')
}

export interface RetryInput {
  readonly retries?: number | undefined
  readonly retryDelaySeconds?: RetryDelayInput | undefined
  readonly retryJitterFactor?: number | undefined
}

export function retryPolicyOf({ retries, retryDelaySeconds, retryJitterFactor }: RetryInput): RetryPolicy {
  return {
    retries: retries ?? 0,
    delayMs: delayOf(retryDelaySeconds ?? 0),
    jitterFactor: retryJitterFactor ?? 0,
  }
}
