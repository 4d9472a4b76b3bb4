/**
 * What `map` gives: one task run per element. Backed lazily: elements are started a window at a time, and of an
 * element that has ended only its end is kept, so that a million of them are a matter of patience, not of memory.
 */

import type { Clock } from '../core/index.ts'
import { type ResultOptions, TaskFuture } from './future.ts'
import { throughWindow } from './map-window.ts'
import type { State } from './state.ts'

export interface MapPlan<T> {
  readonly clock: Clock
  /** How many; a promise of it when what is mapped over is itself a future. */
  readonly length: number | Promise<number>
  idOf(place: number): string
  /** Runs one element. Never rejects but for what no state can say. */
  run(place: number): Promise<State<T>>
  /** Somebody looks. */
  seen(): void
}

export class TaskFutureList<T> implements PromiseLike<T[]> {
  readonly #plan: MapPlan<T>
  readonly #states: State<T>[] = []
  readonly #waiters = new Map<number, ((state: State<T>) => void)[]>()
  readonly #done: Promise<void>
  #length: number | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(plan: MapPlan<T>) {
    this.#plan = plan
    const { length } = plan
    if (typeof length === 'number') this.#length = length
    this.#done = this.#runAll()
    this.#done.catch(() => {})
  }

  /** How many elements. Throws while that is not known: await the list, or `wait`, first. */
  get length(): number {
    if (this.#length === undefined)
      throw new RangeError(
        'What is mapped over is not there yet: await the list before asking for its length.',
      )
    return this.#length
  }

  /** The future of one element; negative places count from the end. */
  at(place: number): TaskFuture<T> | undefined {
    const index = place < 0 ? this.length + place : place
    return index >= 0 && index < this.length ? this.#future(index) : undefined
  }

  *[Symbol.iterator](): Generator<TaskFuture<T>, void> {
    for (let place = 0; place < this.length; place++) yield this.#future(place)
  }

  /** Resolves when all have ended; rejects only with what no state can say. */
  get ended(): Promise<void> {
    return this.#done
  }

  /** Waits for all; gives their states in order. */
  async wait(): Promise<readonly State<T>[]> {
    this.#plan.seen()
    await this.#done
    return this.#states
  }

  /** Waits for all; gives their results in order, throws what the first that failed threw. */
  result(options?: ResultOptions & { readonly raiseOnFailure?: true }): Promise<T[]>
  result(options: ResultOptions): Promise<(T | Error)[]>
  async result({ raiseOnFailure = true }: ResultOptions = {}): Promise<(T | Error)[]> {
    const states = await this.wait()
    return states.map((state) => state.result({ raiseOnFailure }))
  }

  // biome-ignore lint/suspicious/noThenProperty: a list of futures is awaitable as a whole
  then<A = T[], B = never>(
    fulfilled?: ((value: T[]) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result().then(fulfilled, rejected)
  }

  #future(place: number): TaskFuture<T> {
    const { clock, idOf } = this.#plan
    return new TaskFuture(idOf(place), this.#stateOf(place), clock, () => this.#plan.seen())
  }

  #stateOf(place: number): Promise<State<T>> {
    const state = this.#states[place]
    if (state !== undefined) return Promise.resolve(state)
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure.error)
      const waiters = this.#waiters.get(place)
      if (waiters === undefined) this.#waiters.set(place, [resolve])
      else waiters.push(resolve)
      this.#done.catch(reject)
    })
  }

  async #runAll(): Promise<void> {
    const { clock, length, run } = this.#plan
    this.#length = await length
    try {
      await throughWindow(clock, this.#length, (place) =>
        run(place).then((state) => this.#settle(place, state)),
      )
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }

  #settle(place: number, state: State<T>): void {
    this.#states[place] = state
    const waiters = this.#waiters.get(place)
    if (waiters === undefined) return
    this.#waiters.delete(place)
    for (const resolve of waiters) resolve(state)
  }
}
