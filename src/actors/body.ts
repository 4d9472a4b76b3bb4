/** One attempt of a task's body: its signal, its time-out, and what became of it, as a report. */

import { copyJson, type Deps, decodeJson, encodeToJson, formatDuration, type Timer } from '../core/index.ts'
import type { BodyOutcome } from './channel.ts'
import type { ValueRef } from './events.ts'
import { failureOf } from './failures.ts'
import { type RetryPolicy, retryDelay } from './retry-policy.ts'

/** What a body is called with. */
export interface BodyContext {
  /** Fires when the body must stop: it has taken too long, or the run's code must leave. */
  readonly signal: AbortSignal
  /** 1 for the first run of the body. */
  readonly attempt: number
  /** Of earlier attempts. A body that runs again after a recovery has the same. */
  readonly failures: number
  /** The same for every attempt of this task run, and for no other: hand it to what must not act twice. */
  readonly idempotencyKey: string
  /** Says that the body is still at it. */
  beat(): void
}

export type Body<T> = (context: BodyContext) => T | Promise<T>

/** What a returned value means: undefined for "it is the result". */
export type Interpret = (returned: unknown) => BodyOutcome | undefined

export interface AttemptOptions {
  readonly attempt: number
  /** Of earlier attempts. */
  readonly failures: number
  readonly idempotencyKey: string
  readonly timeoutMs: number | null
  /** Longest time without a `beat`. Default: no limit. */
  readonly silenceMs?: number | undefined
  readonly retry: RetryPolicy
  readonly interpret?: Interpret | undefined
}

/** An attempt under way. Its signal is made when somebody looks at it: most bodies never do. */
export class Attempt implements BodyContext {
  readonly attempt: number
  readonly failures: number
  readonly idempotencyKey: string
  readonly #deps: Deps
  readonly #options: AttemptOptions
  #controller: AbortController | undefined
  #aborted: { readonly reason: unknown } | undefined
  /** When it was last heard of, by the monotonic clock. */
  #heardAt = 0

  constructor(deps: Deps, options: AttemptOptions) {
    this.#deps = deps
    this.#options = options
    this.attempt = options.attempt
    this.failures = options.failures
    this.idempotencyKey = options.idempotencyKey
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#aborted ??= { reason }
    this.#controller?.abort(reason)
  }

  beat(): void {
    this.#heardAt = this.#deps.clock.monotonic()
  }

  /** Runs the body, and says when that is over. Never rejects. */
  async run(body: Body<unknown>, over: () => void): Promise<BodyOutcome> {
    const { timeoutMs, silenceMs, interpret } = this.#options
    const isTimed = timeoutMs !== null || silenceMs !== undefined
    try {
      const returned = isTimed ? await this.#timed(body) : await body(this)
      if (returned instanceof TooLate) return await this.#timedOut(returned.message)
      const outcome = interpret?.(returned)
      if (outcome === undefined) return completed(returned)
      return outcome.is === 'failed' ? await this.#withDelay(outcome, errorIn(outcome)) : outcome
    } catch (error) {
      return await this.#withDelay(failed(error), error)
    } finally {
      over()
    }
  }

  async #timed(body: Body<unknown>): Promise<unknown> {
    const { timeoutMs, silenceMs } = this.#options
    const { clock } = this.#deps
    const { promise: late, resolve } = Promise.withResolvers<TooLate>()
    let timeout: Timer | undefined
    let silence: Timer | undefined
    const listen = (limit: number, wait: number) => {
      silence = clock.setTimer(wait, () => {
        const left = this.#heardAt + limit - clock.monotonic()
        if (left > 0) listen(limit, left)
        else resolve(new TooLate(`The task gave no sign of life for ${formatDuration(limit)}.`))
      })
    }
    this.beat()
    if (silenceMs !== undefined) listen(silenceMs, silenceMs)
    if (timeoutMs !== null)
      timeout = clock.setTimer(timeoutMs, () =>
        resolve(new TooLate(`The task took longer than ${formatDuration(timeoutMs)}.`)),
      )
    try {
      return await Promise.race([body(this), late])
    } finally {
      timeout?.cancel()
      silence?.cancel()
    }
  }

  #timedOut(message: string): Promise<BodyOutcome> {
    const error = new DOMException(message, 'TimeoutError')
    this.abort(error)
    return this.#withDelay({ ...failed(error), name: 'TimedOut' }, error)
  }

  /** (C1) How long the policy would wait; whether a retry is left is the host's to say. */
  async #withDelay(outcome: Failed, error: unknown): Promise<BodyOutcome> {
    const { clock, random } = this.#deps
    const failures = this.#options.failures + 1
    const question = { error, failures, draw: random.next(), now: clock.now() }
    return { ...outcome, retryDelayMs: await retryDelay(this.#options.retry, question) }
  }
}

type Failed = Extract<BodyOutcome, { is: 'failed' }>

class TooLate {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

function errorIn(outcome: Failed): unknown {
  return outcome.failure?.value === undefined ? new Error(outcome.message) : decodeJson(outcome.failure.value)
}

/** A failure that is not retried, unless somebody works out a delay for it. */
export function failed(thrown: unknown): Failed {
  const failure = failureOf(thrown)
  return { is: 'failed', message: failure.message, failure, retryDelayMs: null }
}

/** What was returned, as a result; a failure when it cannot be stored. */
export function completed(returned: unknown): BodyOutcome {
  if (returned === undefined) return { is: 'completed' }
  try {
    return { is: 'completed', result: refOf(returned, 'result') }
  } catch (error) {
    return failed(error)
  }
}

/**
 * A value as it goes over the channel. It shares nothing with the user's: what code does to its own objects later must
 * not reach the run's state.
 *
 * @throws CB_E_VALUE_UNSERIALISABLE
 */
export function refOf(value: unknown, what: string): ValueRef {
  return { v: copyJson(encodeToJson(value, what)) }
}
