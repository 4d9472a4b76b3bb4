/** How many frames a client may send: a burst, and so many a second in the long run. */

import type { Clock } from '../../core/index.ts'

export class Rate {
  readonly #clock: Clock
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #at: number

  constructor(clock: Clock, { burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
    this.#clock = clock
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
    this.#at = clock.monotonic()
  }

  /** Takes one; `false` when there is none. */
  take(): boolean {
    const now = this.#clock.monotonic()
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1_000) * this.#perSecond)
    this.#at = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
