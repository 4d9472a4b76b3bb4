/**
 * The clock by which hosts say when something happened and schedulers decide what is due. It reads the wall once and then goes on by the clock that
 * never jumps; small corrections of the wall are followed, a jump is not, unless the broker's clock agrees with it.
 *
 * Invariants
 * (S1) A jump of this machine's clock alone moves nothing: neither early fires when it leaps ahead, nor a standstill
 *      when it leaps back.
 * (S2) A correction that makes this machine agree with the broker is taken over; what has become due fires, late.
 * (S3) Every jump, and every stretch of plain disagreement with the broker, is said once.
 */

import type { Clock } from './clock.ts'
import type { Deps } from './deps.ts'

/** Corrections up to this size are an ordinary clock being kept right. */
const DRIFT_MS = 1_000
/** Beyond this the two clocks plainly disagree. */
const SKEW_MS = 5_000

export class SteadyClock {
  readonly #deps: Pick<Deps, 'clock' | 'logger'>
  /** Wall time minus monotonic time, as it is believed. */
  #offset: number
  /** The broker's time minus monotonic time, as last measured. */
  #brokerOffset: number | undefined
  /** The wall's offset at the jump that was last told of. */
  #toldJump: number | undefined
  #toldSkew = false

  constructor(deps: Pick<Deps, 'clock' | 'logger'>) {
    this.#deps = deps
    this.#offset = this.#wallOffset()
  }

  /** Milliseconds since the epoch. */
  now(): number {
    this.#compare()
    return this.#deps.clock.monotonic() + this.#offset
  }

  /** The machine's clock, but for the time it shows. */
  asClock(): Clock {
    const { clock } = this.#deps
    return {
      now: () => Math.round(this.now()),
      monotonic: () => clock.monotonic(),
      busy: () => clock.busy(),
      setTimer: (...args) => clock.setTimer(...args),
      defer: (fn) => clock.defer(fn),
    }
  }

  /** The broker's time, as far as it has been measured; else the scheduler's own. */
  brokerNow(): number {
    return this.#brokerOffset === undefined ? this.now() : this.#deps.clock.monotonic() + this.#brokerOffset
  }

  /** The broker said `at`, some time between these two moments (monotonic). */
  observe(brokerAt: number, sentAt: number, doneAt: number): void {
    this.#brokerOffset = brokerAt - (sentAt + doneAt) / 2
    this.#compare()
    const aheadMs = Math.round(this.#offset - this.#brokerOffset)
    const isSkewed = Math.abs(aheadMs) > SKEW_MS + (doneAt - sentAt) / 2
    if (isSkewed && !this.#toldSkew)
      this.#deps.logger.warn(
        { aheadMs },
        "this machine's clock and the broker's disagree; times of schedules are judged by this machine's",
      )
    this.#toldSkew = isSkewed
  }

  #wallOffset(): number {
    return this.#deps.clock.now() - this.#deps.clock.monotonic()
  }

  #compare(): void {
    const wall = this.#wallOffset()
    const jumpMs = Math.round(wall - this.#offset)
    const isConfirmed = this.#brokerOffset !== undefined && Math.abs(wall - this.#brokerOffset) <= SKEW_MS
    if (Math.abs(jumpMs) <= DRIFT_MS || isConfirmed) {
      if (Math.abs(jumpMs) > DRIFT_MS) this.#tellJump(wall, { jumpMs, followed: true })
      this.#offset = wall // (S2)
    } else this.#tellJump(wall, { jumpMs, followed: false }) // (S1)
  }

  /** (S3) */
  #tellJump(wall: number, facts: { readonly jumpMs: number; readonly followed: boolean }): void {
    if (this.#toldJump !== undefined && Math.abs(wall - this.#toldJump) <= DRIFT_MS) return
    this.#toldJump = wall
    this.#deps.logger.warn(
      facts,
      'the clock of this machine has jumped; timers go by the time that has passed',
    )
  }
}
