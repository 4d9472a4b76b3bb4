/**
 * The reading end of a subscription: what comes in faster than it is read waits here.
 *
 * Invariants
 * (R1) Each item is given out once, in the order it came in; then the end or the failure, once. After that: done.
 * (R2) Leaving a loop early (`break`, `return`, a throw) ends the subscription.
 */

type Last = { readonly is: 'end' } | { readonly is: 'failure'; readonly error: unknown }

export interface ReaderOptions {
  /** Nobody reads any more. */
  readonly onLeave: () => void
  /** Everything that had come in was read. */
  readonly onDrained: () => void
}

export class Reader<T> implements AsyncIterableIterator<T, void> {
  readonly #options: ReaderOptions
  readonly #items: T[] = []
  #last: Last | undefined
  #wake: (() => void) | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  /** How many wait to be read. */
  get waiting(): number {
    return this.#items.length
  }

  push(item: T): void {
    if (this.#last !== undefined) return
    this.#items.push(item)
    this.#wake?.()
  }

  end(): void {
    this.#close({ is: 'end' })
  }

  fail(error: unknown): void {
    this.#close({ is: 'failure', error })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<T, void>> {
    for (;;) {
      const item = this.#items.shift()
      if (item !== undefined) {
        if (this.#items.length === 0) this.#options.onDrained()
        return { done: false, value: item }
      }
      const last = this.#last
      if (last?.is === 'failure') {
        this.#last = { is: 'end' } // (R1)
        throw last.error
      }
      if (last?.is === 'end') return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }

  /** (R2) */
  async return(): Promise<IteratorResult<T, void>> {
    this.#items.length = 0
    this.#close({ is: 'end' })
    this.#options.onLeave()
    return { done: true, value: undefined }
  }

  #close(last: Last): void {
    this.#last ??= last
    this.#wake?.()
  }
}
