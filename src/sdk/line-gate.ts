/** How much a run may say. Lines beyond that are dropped, and counted for whoever tells. */

import type { Clock } from '../core/index.ts'

/** At once, after a silence. */
const BURST_BYTES = 8 * 1024 * 1024
/** For ever. */
const BYTES_PER_SECOND = 1024 * 1024
/** Once lines were dropped, this much room must be there before the next one passes: gaps are few and long. */
const REOPEN_BYTES = 128 * 1024

export class LineGate {
  readonly #clock: Clock
  #room = BURST_BYTES
  #at: number
  #dropped = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#at = clock.monotonic()
  }

  /** Whether this much may be said now; when not, `lines` lines count as dropped. */
  admits(bytes: number, lines = 1): boolean {
    const now = this.#clock.monotonic()
    this.#room = Math.min(BURST_BYTES, this.#room + ((now - this.#at) * BYTES_PER_SECOND) / 1_000)
    this.#at = now
    const needed = this.#dropped > 0 ? Math.max(bytes, REOPEN_BYTES) : bytes
    if (this.#room < needed) {
      this.#dropped += lines
      return false
    }
    this.#room -= bytes
    return true
  }

  /** Counts lines that were dropped for another reason. */
  drop(lines: number): void {
    this.#dropped += lines
  }

  /** How many were dropped since it was last asked. */
  takeDropped(): number {
    const dropped = this.#dropped
    this.#dropped = 0
    return dropped
  }
}
