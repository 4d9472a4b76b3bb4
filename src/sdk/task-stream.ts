/** What a call of a generator task gives: what it yields, as it does, and in the end the list of it. */

/** Runs the task; with `yielded`, each value waits until somebody has taken it. */
export type StreamStart<Y> = (yielded?: (value: unknown) => Promise<void>) => Promise<Y[]>

interface Offer<Y> {
  readonly value: Y
  taken(): void
}

/**
 * Goes through what a generator task yields while it runs (an attempt that is retried begins anew, and so do its values);
 * or awaited, gives the list. Runs once, however often it is looked at; a replay gives the values at once.
 */
export class TaskStream<out Y> implements AsyncIterable<Y>, PromiseLike<Y[]> {
  readonly #start: StreamStart<Y>
  #result: Promise<Y[]> | undefined

  constructor(start: StreamStart<Y>) {
    this.#start = start
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting it is one of its two uses
  then<A = Y[], B = never>(
    fulfilled?: ((value: Y[]) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#result ??= this.#start()
    return this.#result.then(fulfilled, rejected)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Y, void> {
    if (this.#result !== undefined) {
      yield* await this.#result
      return
    }
    const offers: Offer<Y>[] = []
    let wake: () => void = () => {}
    let seen = 0
    let isOver = false
    this.#result = this.#start(
      (value) =>
        new Promise((taken) => {
          offers.push({ value: value as Y, taken })
          wake()
        }),
    )
    const over = () => {
      isOver = true
      wake()
    }
    this.#result.then(over, over)
    while (!isOver || offers.length > 0) {
      const offer = offers.shift()
      if (offer === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      seen++
      yield offer.value
      offer.taken()
    }
    const all = await this.#result
    if (seen === 0) yield* all // it came from the log
  }
}
