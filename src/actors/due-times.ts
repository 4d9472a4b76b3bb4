/** Many due times over one timer: ten thousand sleeping runs cost ten thousand small objects, not as many timers. */

import type { Clock, Timer } from '../core/index.ts'

interface Due {
  readonly at: number
  readonly fn: () => void
  /** Its place in the heap; -1 once it is out. */
  place: number
}

/** A heap by due time. Times are on the clock's monotonic line. */
export class DueTimes {
  readonly #clock: Clock
  readonly #heap: Due[] = []
  #armed: { readonly at: number; readonly timer: Timer } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#heap.length
  }

  /** Calls `fn` once, `delayMs` from now. */
  after(delayMs: number, fn: () => void): Timer {
    const due: Due = { at: this.#clock.monotonic() + Math.max(0, delayMs), fn, place: this.#heap.length }
    this.#heap.push(due)
    this.#up(due)
    this.#arm()
    return { cancel: () => this.#remove(due) }
  }

  clear(): void {
    for (const due of this.#heap) due.place = -1
    this.#heap.length = 0
    this.#armed?.timer.cancel()
    this.#armed = undefined
  }

  #arm(): void {
    const first = this.#heap[0]
    if (first?.at === this.#armed?.at) return
    this.#armed?.timer.cancel()
    if (first === undefined) {
      this.#armed = undefined
      return
    }
    const timer = this.#clock.setTimer(first.at - this.#clock.monotonic(), () => this.#fire())
    this.#armed = { at: first.at, timer }
  }

  #fire(): void {
    this.#armed = undefined
    const now = this.#clock.monotonic()
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#take(first)
      first.fn()
    }
    this.#arm()
  }

  #remove(due: Due): void {
    if (due.place < 0) return
    this.#take(due)
    this.#arm()
  }

  #take(due: Due): void {
    const { place } = due
    const last = this.#heap.pop()
    due.place = -1
    if (last === undefined || last === due) return
    this.#put(last, place)
    this.#up(last)
    this.#down(last)
  }

  #up(due: Due): void {
    for (;;) {
      const above = this.#heap[(due.place - 1) >> 1]
      if (due.place === 0 || above === undefined || above.at <= due.at) return
      this.#swap(above, due)
    }
  }

  #down(due: Due): void {
    for (;;) {
      const left = this.#heap[due.place * 2 + 1]
      const right = this.#heap[due.place * 2 + 2]
      const below = right !== undefined && left !== undefined && right.at < left.at ? right : left
      if (below === undefined || below.at >= due.at) return
      this.#swap(due, below)
    }
  }

  #swap(one: Due, other: Due): void {
    const { place } = one
    this.#put(one, other.place)
    this.#put(other, place)
  }

  #put(due: Due, place: number): void {
    this.#heap[place] = due
    due.place = place
  }
}
