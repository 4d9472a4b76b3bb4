/**
 * Concurrency and rate limits in the middle of a run. The piece of code, or the wait for a share of a rate, is recorded as
 * a task run of its own: it is seen waiting, its slots are given back with its end, once, whatever that is, and a
 * replay passes by what is done.
 */

import { CallboardError, type DurationInput, parseDuration } from '../core/index.ts'
import { identify } from './identity.ts'
import { parts } from './parts.ts'
import { scopeFor } from './scope.ts'
import { type AnyFunction, defineTask } from './task-definition.ts'

export interface ConcurrencyOptions {
  /** How many slots of each limit. Default 1. */
  readonly occupy?: number
  /** Gives up after this: CB_E_TIMEOUT. 0: when there is none at once. Seconds, or as a text; default: never. */
  readonly timeout?: DurationInput
  /** A limit that does not exist is an error. Default `false`: it limits nothing. */
  readonly strict?: boolean
}

/**
 * Runs code while holding slots of all these limits; waits for them in line. Its result must be storable: in a replay
 * it comes from the log.
 *
 * ```ts
 * const rows = await concurrency('database', () => query('select …'), { timeout: '10m' })
 * ```
 *
 * @throws what the code throws; CB_E_TIMEOUT; CB_E_LIMIT_EXCEEDED when a limit has fewer slots than are asked for;
 * CB_E_LIMIT_UNKNOWN when `strict`
 */
export async function concurrency<T>(
  names: string | readonly string[],
  code: () => T | Promise<T>,
  options: ConcurrencyOptions = {},
): Promise<T> {
  return (await holding('concurrency', names, code, options)) as T
}

/**
 * Waits until the rate that these limits allow lets this call through. What it took comes back by the decay of the
 * limits alone.
 *
 * ```ts
 * for (const user of users) {
 *   await rateLimit('mails')
 *   await sendMail(user)
 * }
 * ```
 *
 * @throws CB_E_TIMEOUT; CB_E_LIMIT_NO_DECAY when a limit has no slot decay; CB_E_LIMIT_EXCEEDED; CB_E_LIMIT_UNKNOWN when
 * `strict`
 */
export async function rateLimit(
  names: string | readonly string[],
  options: ConcurrencyOptions = {},
): Promise<void> {
  await holding('rate-limit', names, () => undefined, options)
}

async function holding(
  kind: 'concurrency' | 'rate-limit',
  names: string | readonly string[],
  code: AnyFunction,
  { occupy, strict, timeout }: ConcurrencyOptions,
): Promise<unknown> {
  const call = kind === 'concurrency' ? 'concurrency()' : 'rateLimit()'
  const scope = scopeFor(call)
  if (occupy !== undefined && !(Number.isSafeInteger(occupy) && occupy > 0))
    throw new CallboardError(
      'CB_E_OPTION_INVALID',
      `The option occupy of ${call} is ${String(occupy)}. Give a whole number, 1 or more.`,
    )
  const task = defineTask(code, { name: kind, concurrency: names, persistResult: true, retries: 0 })
  const wish = {
    ...(occupy === undefined ? {} : { occupy }),
    ...(kind === 'rate-limit' ? { rate: true } : {}),
    ...(strict === undefined ? {} : { strict }),
    ...(timeout === undefined ? {} : { waitMs: parseDuration(timeout, `The timeout of ${call}`) }),
  }
  const state = await parts().callTask({
    scope,
    task,
    args: [],
    id: identify(scope, kind),
    waitFor: [],
    wish,
  })
  return state.result()
}
