/**
 * Durations as people write them: a number of seconds, or a text such as `'250ms'`, `'10m'`, `'1h30m'`, `'2d'`.
 * Inside, a duration is always a whole number of milliseconds.
 */

import { CallboardError } from './errors.ts'
import { quote } from './quote.ts'

/**
 * A number of seconds (also as text: `'90'`), or amounts with the units `w`, `d`, `h`, `m`, `s` and `ms`, the
 * largest first and each at most once: `'1h30m'`, `'2d 12h'`, `'1.5s'`.
 */
export type DurationInput = number | string

export interface DurationLimits {
  /** Smallest allowed, in milliseconds. Default 0. */
  readonly min?: number
  /** Largest allowed, in milliseconds. Default `LONGEST_DURATION_MS`. */
  readonly max?: number
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const UNITS: ReadonlyMap<string, number> = new Map([
  ['w', 7 * DAY],
  ['d', DAY],
  ['h', HOUR],
  ['m', MINUTE],
  ['s', SECOND],
  ['ms', 1],
])

/** A hundred years: anything longer is a mistake in the unit. */
export const LONGEST_DURATION_MS: number = 36_525 * DAY

/** What a duration may look like, for messages. */
export const DURATION_FORM = "a number of seconds, or a text such as '250ms', '10m', '1h30m' or '2d'"

/**
 * The duration in whole milliseconds. `what` names it in the message of the error.
 *
 * @throws CB_E_DURATION_INVALID when it cannot be read, or is outside the limits (negative ones, by default).
 */
export function parseDuration(
  input: DurationInput,
  what = 'The duration',
  { min = 0, max = LONGEST_DURATION_MS }: DurationLimits = {},
): number {
  const ms = typeof input === 'number' ? input * SECOND : readText(input)
  if (!Number.isFinite(ms)) {
    throw refused(input, `${what} is ${quote(input)}, which is not a duration. Give ${DURATION_FORM}.`)
  }
  if (ms < min || ms > max) {
    const allowed = `from ${formatDuration(min)} to ${formatDuration(max)}`
    throw refused(input, `${what} is ${quote(input)}, which is out of range. Allowed is ${allowed}.`)
  }
  return Math.round(ms) + 0 // + 0 makes -0 a plain 0
}

/** Milliseconds, or NaN when the text is not a duration. */
function readText(input: string): number {
  if (typeof input !== 'string') return Number.NaN
  const text = input.trim()
  const negative = text.startsWith('-')
  const amount = negative ? text.slice(1) : text
  const ms = /^\d+(\.\d+)?$/.test(amount) ? Number(amount) * SECOND : sumOfParts(amount)
  return negative ? -ms : ms
}

function sumOfParts(text: string): number {
  const part = /(\d+(?:\.\d+)?)(ms|[wdhms])\s*/y
  let sum = 0
  let unitBefore = Number.POSITIVE_INFINITY
  for (let at = 0; at === 0 || at < text.length; at = part.lastIndex) {
    const [, amount, name = ''] = part.exec(text) ?? []
    const unit = UNITS.get(name)
    if (unit === undefined || unit >= unitBefore) return Number.NaN
    sum += Number(amount) * unit
    unitBefore = unit
  }
  return sum
}

/**
 * Milliseconds as people read them, in the form `parseDuration` reads back exactly: `'2d12h'`, `'1m30.5s'`,
 * `'250ms'`, `'0s'`. Parts of a millisecond are rounded.
 */
export function formatDuration(ms: number): string {
  let left = Math.round(Math.abs(ms))
  if (left === 0) return '0s'
  let text = ms < 0 ? '-' : ''
  if (left < SECOND) return `${text}${left}ms`
  for (const [name, unit] of [['d', DAY] as const, ['h', HOUR] as const, ['m', MINUTE] as const]) {
    if (left < unit) continue
    text += `${Math.floor(left / unit)}${name}`
    left %= unit
  }
  return left === 0 ? text : `${text}${left / SECOND}s`
}

function refused(input: DurationInput, message: string): CallboardError {
  return new CallboardError('CB_E_DURATION_INVALID', message, { details: { given: quote(input) } })
}
