/**
 * Fires what is due. Timers due within the horizon stand in a heap, with one timer of the clock for all of them; later
 * ones stay in their rows and are looked for now and then.
 *
 * Invariants
 * (F1) None is fired before it is due by the scheduler's clock (`steady-clock.ts`); waiting is done by the clock that
 *      never jumps, and for a minute at most at a time.
 * (F2) At most `atOnce` are being fired. What is due waits in the heap, which holds a timer once.
 * (F3) A fire that failed is tried again after a pause; one that was settled never is.
 * (F4) A timer that was disarmed is fired no more, also when it was about to be.
 */

import type { Clock, Deps, SteadyClock, Timer } from '../core/index.ts'
import type { ArmedTimer } from './run-row.ts'
import { GONE, OUT, TimerHeap } from './timer-heap.ts'

export interface TimersOptions {
  readonly horizonMs: number
  readonly rescanMs: number
  readonly atOnce: number
  /** Every armed timer that there is. */
  readonly all: () => Iterable<ArmedTimer>
  /** Fires it. `false`: not now, try again. Must not throw. */
  readonly fire: (timer: ArmedTimer, lateMs: number) => Promise<boolean>
}

const LONGEST_WAIT_MS = 60_000
const TRY_AGAIN_MS = 500

export class Timers {
  readonly #clock: Clock
  readonly #time: SteadyClock
  readonly #options: TimersOptions
  readonly #heap = new TimerHeap<ArmedTimer>()
  readonly #firing = new Set<ArmedTimer>()
  readonly #again = new Set<ArmedTimer>()
  #armed: { readonly at: number; readonly timer: Timer } | undefined
  #rescan: Timer | undefined
  #isStopped = false
  #fired = 0
  #idle: (() => void)[] = []

  constructor({ clock }: Pick<Deps, 'clock'>, time: SteadyClock, options: TimersOptions) {
    this.#clock = clock
    this.#time = time
    this.#options = options
  }

  /** How many are in the heap, being fired, and were fired so far. */
  get counts(): { readonly near: number; readonly firing: number; readonly fired: number } {
    return { near: this.#heap.size, firing: this.#firing.size, fired: this.#fired }
  }

  start(): void {
    this.#scheduleRescan()
  }

  /** Takes care of a timer. `false` when it was taken care of already, or its time is far off. */
  add(timer: ArmedTimer): boolean {
    if (this.#isStopped || timer.place !== OUT || this.#isBusy(timer)) return false
    if (timer.due > this.#time.now() + this.#options.horizonMs) return false
    this.#heap.push(timer)
    this.#wake()
    return true
  }

  /** (F4) */
  remove(timer: ArmedTimer): void {
    this.#heap.remove(timer)
    timer.place = GONE
  }

  /** Waits for those being fired. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#armed?.timer.cancel()
    this.#rescan?.cancel()
    if (this.#firing.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #isBusy(timer: ArmedTimer): boolean {
    return this.#firing.has(timer) || this.#again.has(timer)
  }

  #scheduleRescan(): void {
    this.#rescan = this.#clock.setTimer(
      this.#options.rescanMs,
      () => {
        for (const timer of this.#options.all()) this.add(timer)
        this.#scheduleRescan()
      },
      { ref: false },
    )
  }

  /** Fires what is due, and waits for the next. */
  #wake(): void {
    if (this.#isStopped) return
    const now = this.#time.now()
    for (let next = this.#heap.peek(); next && next.due <= now; next = this.#heap.peek()) {
      if (this.#firing.size >= this.#options.atOnce) return // (F2) whoever is done wakes us
      this.#heap.remove(next)
      void this.#fire(next, now - next.due)
    }
    this.#wait(now)
  }

  async #fire(timer: ArmedTimer, lateMs: number): Promise<void> {
    this.#firing.add(timer)
    const isSettled = await this.#options.fire(timer, lateMs)
    this.#firing.delete(timer)
    if (isSettled) this.#fired++
    else this.#tryAgain(timer) // (F3)
    if (this.#firing.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
    this.#wake()
  }

  #tryAgain(timer: ArmedTimer): void {
    if (this.#isStopped) return
    this.#again.add(timer)
    this.#clock.setTimer(
      TRY_AGAIN_MS,
      () => {
        this.#again.delete(timer)
        this.add(timer)
      },
      { ref: false },
    )
  }

  /** (F1) */
  #wait(now: number): void {
    const next = this.#heap.peek()
    if (next === undefined) return
    const at = this.#clock.monotonic() + Math.min(next.due - now, LONGEST_WAIT_MS)
    if (this.#armed !== undefined && this.#armed.at <= at) return
    this.#armed?.timer.cancel()
    const timer = this.#clock.setTimer(
      at - this.#clock.monotonic(),
      () => {
        this.#armed = undefined
        this.#wake()
      },
      { ref: false },
    )
    this.#armed = { at, timer }
  }
}
