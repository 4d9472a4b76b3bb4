/** What `submit` gives: a task run on its way. */

import { CallboardError, type Clock, type DurationInput, parseDuration } from '../core/index.ts'
import type { State } from './state.ts'

export interface ResultOptions {
  /** Gives up after this: CB_E_TIMEOUT; the run goes on. Seconds, or as a text; default: never. */
  readonly timeout?: DurationInput
  /** `false`: a failure is given as a value instead of thrown. Default true. */
  readonly raiseOnFailure?: boolean
}

/**
 * A task run on its way. Awaited it gives the result, or throws what the task threw. Handed to another task it is a
 * dependency: that one starts when this one has completed.
 */
export class TaskFuture<out T> implements PromiseLike<T> {
  /** Identity of the task run within its flow run. */
  readonly id: string
  readonly #settled: Promise<State<T>>
  readonly #clock: Clock
  readonly #seen: (() => void) | undefined
  #state: State<T> | undefined

  constructor(id: string, settled: Promise<State<T>>, clock: Clock, seen?: () => void) {
    this.id = id
    this.#settled = settled
    this.#clock = clock
    this.#seen = seen
    settled.then(
      (state) => {
        this.#state = state
      },
      () => {},
    )
  }

  /** How it ended; undefined while it has not. */
  get state(): State<T> | undefined {
    return this.#state
  }

  /** Waits for its end and gives the state, whatever that is. */
  wait(options: Pick<ResultOptions, 'timeout'> = {}): Promise<State<T>> {
    this.#seen?.()
    const { timeout } = options
    return timeout === undefined ? this.#settled : this.#within(parseDuration(timeout, 'The timeout'))
  }

  /** Waits for its end and gives the result; throws what it failed with. */
  result(options?: ResultOptions & { readonly raiseOnFailure?: true }): Promise<T>
  result(options: ResultOptions): Promise<T | Error>
  async result({ raiseOnFailure = true, ...options }: ResultOptions = {}): Promise<T | Error> {
    return (await this.wait(options)).result({ raiseOnFailure })
  }

  /** Calls back once it has ended, with this future. */
  onDone(callback: (future: TaskFuture<T>) => void): void {
    void this.#settled.then(() => callback(this))
  }

  // biome-ignore lint/suspicious/noThenProperty: a future is awaitable, that is its purpose
  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result().then(fulfilled, rejected)
  }

  async #within(ms: number): Promise<State<T>> {
    let timer: { cancel(): void } | undefined
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.setTimer(ms, () =>
        reject(new CallboardError('CB_E_TIMEOUT', `Task run '${this.id}' has not ended within ${ms} ms.`)),
      )
    })
    try {
      return await Promise.race([this.#settled, late])
    } finally {
      timer?.cancel()
    }
  }
}

/**
 * Gives the states of task runs in the order in which they end; `state.run` says whose it is.
 *
 * ```ts
 * for await (const state of asCompleted(futures)) console.log(state.run, state.data)
 * ```
 */
export async function* asCompleted<T>(futures: Iterable<TaskFuture<T>>): AsyncGenerator<State<T>, void> {
  const waiting = new Map<string, Promise<readonly [string, State<T>]>>()
  let place = 0
  for (const future of futures) {
    const key = String(place++)
    waiting.set(
      key,
      future.wait().then((state) => [key, state]),
    )
  }
  while (waiting.size > 0) {
    const [key, state] = await Promise.race(waiting.values())
    waiting.delete(key)
    yield state
  }
}

/** Waits until all have ended; gives their states in the same order. */
export function wait<T>(
  futures: Iterable<TaskFuture<T>>,
  options: Pick<ResultOptions, 'timeout'> = {},
): Promise<State<T>[]> {
  return Promise.all(Array.from(futures, (future) => future.wait(options)))
}
