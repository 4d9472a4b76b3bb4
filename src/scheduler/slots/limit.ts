/**
 * What a concurrency limit is, and where it is kept: KV bucket `limits`, one key per limit. The value names the
 * limit; the key is only a place for it, because a name may hold characters that a key may not.
 */

import { CallboardError, type JsonObject, type JsonValue, tokenFor } from '../../core/index.ts'

export const LIMITS_BUCKET = 'limits'

export interface Limit {
  readonly name: string
  /** How much may be held at a time; with decay, the most that may gather. 0 lets nobody in. */
  readonly slots: number
  /** What becomes of a wish that finds it full. Default `enqueue`. */
  readonly strategy: 'enqueue' | 'cancelNew' | 'cancelRunning'
  /** Slots that become free by themselves each second, fractions too. Makes it a rate limit. */
  readonly decayPerSecond?: number
  /** An inactive limit is as good as none. */
  readonly active: boolean
}

const STRATEGIES: readonly string[] = ['enqueue', 'cancelNew', 'cancelRunning'] satisfies Limit['strategy'][]

/** The key of the limit with this name. */
export function limitKey(name: string): string {
  return tokenFor(name)
}

/**
 * A limit as it stands in the bucket.
 *
 * @throws CB_E_LIMIT_INVALID naming the field that is wrong.
 */
export function parseLimit(value: JsonValue): Limit {
  const given: JsonObject = isObject(value) ? value : {}
  const { name, slots, strategy = 'enqueue', decayPerSecond, active = true } = given
  if (typeof name !== 'string' || name === '') throw wrong('?', 'name', 'a text that is not empty')
  if (typeof slots !== 'number' || !Number.isSafeInteger(slots) || slots < 0)
    throw wrong(name, 'slots', 'a whole number, 0 or more')
  if (!isStrategy(strategy)) throw wrong(name, 'strategy', `one of ${STRATEGIES.join(', ')}`)
  if (decayPerSecond !== undefined && !isPositive(decayPerSecond))
    throw wrong(name, 'decayPerSecond', 'a number above 0, or absent')
  if (typeof active !== 'boolean') throw wrong(name, 'active', 'true or false')
  return { name, slots, strategy, active, ...(decayPerSecond === undefined ? {} : { decayPerSecond }) }
}

function isStrategy(value: JsonValue): value is Limit['strategy'] {
  return typeof value === 'string' && STRATEGIES.includes(value)
}

function isPositive(value: JsonValue): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(limit: string, field: string, allowed: string): CallboardError {
  return new CallboardError(
    'CB_E_LIMIT_INVALID',
    `The concurrency limit "${limit}" has a wrong ${field}: it must be ${allowed}. Correct the limit.`,
    { details: { limit, field } },
  )
}
