/**
 * How full one limit is. Without decay it is the sum of what is held, to the slot. With decay it is a level that
 * rises by what is taken and sinks by itself, never below zero.
 */

import type { Limit } from './limit.ts'

/** Before anything was given back, a slot is held this long as far as we know. */
const FIRST_OCCUPANCY_MS = 2_000
/** Longer occupancies say nothing useful about when to ask again. */
const LONGEST_OCCUPANCY_MS = 30_000
const SHORTEST_OCCUPANCY_MS = 100
/** Asking again is spread by up to this share, so that those who were refused do not come back together. */
const SPREAD = 0.3

export class Gauge {
  #limit: Limit
  #level = 0
  #at: number
  #occupancyMs = FIRST_OCCUPANCY_MS

  constructor(limit: Limit, now: number) {
    this.#limit = limit
    this.#at = now
  }

  get limit(): Limit {
    return this.#limit
  }

  change(limit: Limit, now: number): void {
    this.#sink(now)
    this.#limit = limit
  }

  level(now: number): number {
    this.#sink(now)
    return this.#level
  }

  /** Whether `n` more fit in. A level that sinks never meets a whole number exactly: a hair is forgiven. */
  fits(n: number, now: number): boolean {
    return this.level(now) + n <= this.#limit.slots + 1e-9
  }

  take(n: number, now: number): void {
    this.#level = this.level(now) + n
  }

  /** Gives back `n` that were held for `heldMs`. */
  give(n: number, heldMs: number, now: number): void {
    this.#level = Math.max(0, this.level(now) - n)
    const step = (heldMs - this.#occupancyMs) / (2 * Math.max(1, this.#limit.slots))
    this.#occupancyMs = Math.max(SHORTEST_OCCUPANCY_MS, this.#occupancyMs + step)
  }

  /** What is held, counted anew: after a change that makes the level the sum of the holdings again. */
  recount(held: number, now: number): void {
    this.#sink(now)
    this.#level = held
  }

  /** As full as can be: what a keeper assumes that does not know what was taken before its time. */
  fill(now: number): void {
    this.#level = Math.max(this.level(now), this.#limit.slots)
  }

  /** Milliseconds until `n` more fit by decay alone; undefined when they never will. */
  fitsIn(n: number, now: number): number | undefined {
    const { decayPerSecond, slots } = this.#limit
    const surplus = this.level(now) + n - slots
    if (surplus <= 0) return 0
    return decayPerSecond === undefined || n > slots
      ? undefined
      : Math.ceil((surplus / decayPerSecond) * 1000)
  }

  /**
   * When it is worth asking again for `n` slots with `ahead` slots wished for by others before: by decay exactly,
   * else from how long slots were held of late. `draw` in [0, 1) spreads it.
   */
  retryAfterMs(n: number, ahead: number, now: number, draw: number): number {
    const { decayPerSecond, slots } = this.#limit
    const blocking = Math.max(0, this.level(now) + ahead + n - slots)
    const spread = 1 + SPREAD * draw
    if (decayPerSecond !== undefined) return Math.ceil((blocking / decayPerSecond) * 1000 * spread)
    const mean = Math.min(this.#occupancyMs, LONGEST_OCCUPANCY_MS) * Math.max(1, blocking)
    return Math.ceil(Math.min(mean, LONGEST_OCCUPANCY_MS) * spread)
  }

  #sink(now: number): void {
    const passed = Math.max(0, now - this.#at)
    this.#at = Math.max(this.#at, now)
    const decay = this.#limit.decayPerSecond
    if (decay !== undefined) this.#level = Math.max(0, this.#level - (passed / 1000) * decay)
  }
}
