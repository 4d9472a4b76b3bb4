/**
 * Whether, and after how long, something that failed is tried again. Pure: the number of failures, a random draw
 * and the time come in. The chart owns the budget of attempts; this decides about the wait and about giving up early.
 */

import { isCallboardError } from '../core/index.ts'

/** The wait after the n-th failure, n from 1, ms. */
export type DelayFunction = (failures: number) => number

/** Milliseconds: always the same, one per failure (the last repeats), or as a function says. */
export type RetryDelay = number | readonly number[] | DelayFunction

export interface RetryPolicy {
  /** Attempts after the first one. Default 0. */
  readonly retries?: number
  /** Default 0. */
  readonly delayMs?: RetryDelay
  /** j draws the wait from [d, d·(1+j)]. Default 0. */
  readonly jitterFactor?: number
  /** May refuse a retry; an error in it refuses. */
  readonly condition?: (error: unknown, failures: number) => boolean | Promise<boolean>
  /** Shared by all that call the same target: no token, no retry. */
  readonly budget?: RetryBudget
}

/** Thrown (or with `retryable: false` on any error) to say: trying again cannot help. */
export class NonRetryableError extends Error {
  override readonly name = 'NonRetryableError'
  readonly retryable = false
}

const MINUTE_MS = 60_000

/**
 * Waits `baseMs`, then each time `factor` times as long, never longer than `capMs` (default 10 minutes).
 */
export function exponentialDelay(
  baseMs: number,
  options: { factor?: number; capMs?: number } = {},
): DelayFunction {
  const { factor = 2, capMs = 10 * MINUTE_MS } = options
  return (failures) => Math.min(capMs, baseMs * factor ** (failures - 1))
}

/** The wait before jitter. A delay that is no finite number, or negative, counts as 0. */
function plainDelay(delay: RetryDelay, failures: number): number {
  const ms =
    typeof delay === 'number'
      ? delay
      : typeof delay === 'function'
        ? delay(failures)
        : (delay[Math.min(failures, delay.length) - 1] ?? 0)
  return Number.isFinite(ms) && ms > 0 ? ms : 0
}

/** A wait in [ms, ms·(1+factor)], by a draw from [0, 1). */
function withJitter(ms: number, factor: number, draw: number): number {
  return Math.round(ms * (1 + factor * draw))
}

/**
 * What the failed attempt itself asks for, ms; undefined when it says nothing. Read from `retryAfterMs`, from
 * `retryAfter` (seconds, a date, or an HTTP date) or from a `retry-after` header on the error or its response.
 */
function retryAfterOf(error: unknown, now: number): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if ('retryAfterMs' in error && typeof error.retryAfterMs === 'number')
    return nonNegative(error.retryAfterMs)
  if ('retryAfter' in error) return readRetryAfter(error.retryAfter, now)
  return readRetryAfter(headerOf(error) ?? ('response' in error ? headerOf(error.response) : undefined), now)
}

function headerOf(holder: unknown): unknown {
  if (typeof holder !== 'object' || holder === null || !('headers' in holder)) return undefined
  const { headers } = holder
  if (headers instanceof Headers) return headers.get('retry-after') ?? undefined
  if (typeof headers !== 'object' || headers === null) return undefined
  const name = Object.keys(headers).find((key) => key.toLowerCase() === 'retry-after')
  return name === undefined ? undefined : Reflect.get(headers, name)
}

function readRetryAfter(value: unknown, now: number): number | undefined {
  if (value instanceof Date) return nonNegative(value.getTime() - now)
  if (typeof value === 'number') return nonNegative(value * 1000)
  if (typeof value !== 'string' || value.trim() === '') return undefined
  const seconds = Number(value)
  return nonNegative(Number.isNaN(seconds) ? Date.parse(value) - now : seconds * 1000)
}

function nonNegative(ms: number): number | undefined {
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/** Whether an error says of itself that trying again cannot help. */
function isNonRetryable(error: unknown): boolean {
  if (isCallboardError(error, 'CB_E_REPLAY_MISMATCH')) return true
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === false
}

export interface RetryQuestion {
  readonly error: unknown
  /** Failures so far, this one included. */
  readonly failures: number
  /** From [0, 1). */
  readonly draw: number
  readonly now: number
}

/**
 * How long to wait before another attempt, ms; null when there must not be one. What the error asks for
 * (`retry-after`) counts instead of the policy's delay when it is longer.
 */
export async function retryDelay(policy: RetryPolicy, question: RetryQuestion): Promise<number | null> {
  const { error, failures, draw, now } = question
  if (failures > (policy.retries ?? 0) || isNonRetryable(error)) return null
  try {
    if (policy.condition !== undefined && !(await policy.condition(error, failures))) return null
    const waited = withJitter(plainDelay(policy.delayMs ?? 0, failures), policy.jitterFactor ?? 0, draw)
    if (policy.budget !== undefined && !policy.budget.take(now)) return null
    return Math.max(waited, Math.ceil(retryAfterOf(error, now) ?? 0))
  } catch {
    return null // what cannot decide for a retry decides against it
  }
}

/** A bucket of retries for one target: an outage must not be answered with every caller's retries at once. */
export interface RetryBudget {
  /** Takes a token. `false`: there is none, do not retry. */
  take(now: number): boolean
}

/** Refills with `perSecond` tokens a second, and holds `burst` at most (default: ten seconds' worth, at least 1). */
export function retryBudget(options: { perSecond: number; burst?: number }): RetryBudget {
  const burst = options.burst ?? Math.max(1, options.perSecond * 10)
  let tokens = burst
  let filledAt: number | undefined
  return {
    take(now) {
      tokens = Math.min(burst, tokens + (Math.max(0, now - (filledAt ?? now)) / 1000) * options.perSecond)
      filledAt = now
      if (tokens < 1) return false
      tokens -= 1
      return true
    },
  }
}
