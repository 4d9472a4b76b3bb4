/** One timer for the lazy proposals of all runs of a host: what nobody asked for within a moment is written then. */

import type { Clock, Timer } from '../core/index.ts'

/** How long a lazy record may ride without being in the log. Also how late a run page may show a task start. */
const LAZY_MS = 20

export class LazyFlusher {
  readonly #clock: Clock
  readonly #waiting = new Set<{ flush(): void }>()
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(log: { flush(): void }): void {
    this.#waiting.add(log)
    this.#timer ??= this.#clock.setTimer(LAZY_MS, () => this.#flush())
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#waiting.clear()
  }

  #flush(): void {
    this.#timer = undefined
    const logs = [...this.#waiting]
    this.#waiting.clear()
    for (const log of logs) log.flush()
  }
}
