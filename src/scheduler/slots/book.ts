/**
 * Who holds which slots and who waits for them: the keeper's memory and its rules, without a bus or a clock.
 * Times are handed in, on one line that never goes back; what must be told to others is gathered in `events`.
 *
 * Invariants
 * (B1) No grant ever raises a limit above its slots. (Only re-assertions after a take-over, and a limit made
 *      smaller, can leave one above; nobody gets in until it has sunk.)
 * (B2) A holder has all it asked for or nothing.
 * (B3) First come, first served on each limit: a waiter is let in only when it is first on every limit it wants.
 *      So the oldest waiter of all is blocked by nobody, and whoever is first reserves what becomes free.
 * (B4) What was taken is given back once: the holding is the receipt, and it goes with the giving back. A release says up
 *      to which revision it speaks: what was asked for again later stays.
 * (B5) Before `grantFrom` nothing is granted to anybody who did not hold it already.
 * (B6) A reset takes all slots of a limit from those who hold them, who are not told: they go on, renew and give back as
 *      before, and count for that limit no more. Only to a keeper that takes over they say again what they were granted.
 */

import type { SlotHolder, SlotRelease, SlotWant } from '../../actors/index.ts'
import type { ErrorCode } from '../../core/index.ts'
import { Gauge } from './gauge.ts'
import type { Limit } from './limit.ts'
import { type Demand, demandsOf, type Line, LineUp, refusalOf, type Waiter } from './line.ts'

export type Verdict =
  | { readonly is: 'granted' }
  | { readonly is: 'queued'; readonly retryAfterMs: number }
  | Denial
  /** It cannot be said yet (B5) and must not wait: ask again. */
  | { readonly is: 'unsettled' }

/** Full, and the strategy lets nobody wait; or, with a code, never to be served. */
interface Denial {
  readonly is: 'denied'
  readonly limit: string
  readonly reason: string
  readonly retryAfterMs?: number
  readonly code?: ErrorCode
}

type Denied = Denial & { readonly holder: SlotHolder }

interface Renewal {
  /** Held by somebody else by now. */
  readonly lost: readonly SlotHolder[]
  readonly granted: readonly SlotHolder[]
  readonly denied: readonly Denied[]
}

/** What a reset has freed. */
interface Freed {
  readonly freed: number
  /** Those who held them, longest first. */
  readonly holders: readonly (SlotHolder & { readonly slots: number })[]
}

export type SlotEvent =
  | { readonly is: 'granted'; readonly holder: SlotHolder; readonly rev: number }
  /** The strategy `cancelRunning` wants this holder to go. */
  | { readonly is: 'cancel'; readonly holder: SlotHolder; readonly limit: string }

interface Holding {
  readonly want: SlotWant
  readonly worker: string | null
  readonly taken: readonly Demand[]
  readonly since: number
  /** The newest at which it was asked for. */
  rev: number
  leaseUntil: number
  cancelled: boolean
}

export interface BookOptions {
  /** Unrenewed for this long, a holding or a wish is gone. Milliseconds. */
  readonly leaseMs: number
  /** When granting begins (B5). */
  readonly grantFrom: number
  /** A number in [0, 1): spreads those who are told to come back. */
  readonly draw: () => number
}

const holderKey = ({ run, task }: SlotHolder): string => (task === undefined ? run : `${run}/${task}`)

/** How many slots of one limit these demands take. */
function slotsOf(demands: readonly Demand[], gauge: Gauge): number {
  return demands.find((demand) => demand.gauge === gauge)?.n ?? 0
}

export class SlotBook {
  readonly #options: BookOptions
  readonly #gauges = new Map<string, Gauge>()
  /** Of limits that were deleted: those who hold them still give back, and the limit may come again. */
  readonly #retired = new Map<string, Gauge>()
  readonly #holdings = new Map<string, Holding>()
  readonly #line = new LineUp()
  #events: SlotEvent[] = []
  #grantFrom: number

  constructor(options: BookOptions) {
    this.#options = options
    this.#grantFrom = options.grantFrom
  }

  /** What is to be told since the last call. */
  events(): readonly SlotEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  get holders(): number {
    return this.#holdings.size
  }

  get waiters(): number {
    return this.#line.size
  }

  /** How much of a limit is taken; undefined for an unknown one. */
  taken(name: string, now: number): number | undefined {
    return this.#gauges.get(name)?.level(now)
  }

  setLimit(limit: Limit, now: number): void {
    const known = this.#gauges.get(limit.name) ?? this.#retired.get(limit.name)
    const gauge = known ?? new Gauge(limit, now)
    this.#retired.delete(limit.name)
    this.#gauges.set(limit.name, gauge)
    if (known) this.#change(gauge, limit, now)
    else if (limit.decayPerSecond !== undefined && now < this.#grantFrom) gauge.fill(now)
    this.#lineUpAnew(now)
  }

  dropLimit(name: string, now: number): void {
    const gauge = this.#gauges.get(name)
    if (!gauge) return
    this.#gauges.delete(name)
    this.#retired.set(name, gauge)
    this.#lineUpAnew(now)
  }

  /** Everything of this limit is free again (B6); undefined for an unknown one. Nobody can say it before (B5). */
  reset(name: string, now: number): Freed | 'unsettled' | undefined {
    const gauge = this.#gauges.get(name)
    if (gauge === undefined) return undefined
    if (now < this.#grantFrom) return 'unsettled'
    const freed = Math.ceil(gauge.level(now))
    const holders: (SlotHolder & { readonly slots: number })[] = []
    for (const [key, holding] of this.#holdings) {
      const slots = slotsOf(holding.taken, gauge)
      if (slots === 0) continue
      holders.push({ ...holding.want.holder, slots })
      const taken = holding.taken.filter((demand) => demand.gauge !== gauge)
      this.#holdings.set(key, { ...holding, taken })
    }
    gauge.recount(0, now)
    this.#letIn(now)
    return { freed, holders }
  }

  acquire(want: SlotWant, worker: string | null, now: number): Verdict {
    const key = holderKey(want.holder)
    const holding = this.#holdings.get(key)
    if (holding) {
      const rev = Math.max(holding.rev, want.rev ?? 0)
      this.#holdings.set(key, { ...holding, worker, rev, leaseUntil: now + this.#options.leaseMs })
      return { is: 'granted' }
    }
    const waiting = this.#line.get(key)
    if (waiting) {
      waiting.rev = Math.max(waiting.rev, want.rev ?? 0)
      waiting.leaseUntil = now + this.#options.leaseMs
      return this.#queued(waiting, now)
    }
    const refusal = refusalOf(want, this.#gauges)
    if (refusal) return refusal
    const demands = demandsOf(want, this.#gauges)
    if (demands.length === 0) return this.#grant(want, worker, demands, now)
    const strict = demands.find(({ gauge }) => gauge.limit.strategy === 'cancelNew')
    if (now < this.#grantFrom) {
      if (strict) return { is: 'unsettled' }
      return this.#queued(this.#wait(want, worker, demands, now), now)
    }
    const full = demands.filter(
      ({ gauge, n }) => !gauge.fits(n, now) || this.#line.isBehind(gauge.limit.name, want.since),
    )
    if (full.length === 0) return this.#grant(want, worker, demands, now)
    const closed = full.find(({ gauge }) => gauge.limit.strategy === 'cancelNew')
    if (closed) {
      const limit = closed.gauge.limit.name
      return { is: 'denied', limit, reason: 'full', retryAfterMs: this.#retryAfter(closed, now) }
    }
    const waiter = this.#wait(want, worker, demands, now)
    for (const { gauge } of full) if (gauge.limit.strategy === 'cancelRunning') this.#makeRoom(gauge, now)
    return this.#queued(waiter, now)
  }

  /** Gives back what these hold, and takes back what they wish. */
  release(holders: readonly SlotRelease[], now: number): void {
    for (const { upTo = Number.POSITIVE_INFINITY, ...holder } of holders) {
      const key = holderKey(holder)
      const rev = this.#holdings.get(key)?.rev ?? this.#line.get(key)?.rev ?? 0
      if (rev <= upTo) this.#drop(key, now) // (B4)
    }
    this.#letIn(now)
  }

  /** A host (or the holder of a partition, for runs without one) says what it has and what it waits for. */
  renew(worker: string | null, holds: readonly SlotWant[], waits: readonly SlotWant[], now: number): Renewal {
    const lost = holds.filter((want) => !this.#reassert(want, worker, now)).map((want) => want.holder)
    const granted: SlotHolder[] = []
    const denied: Denied[] = []
    for (const want of waits) {
      const verdict = this.acquire(want, worker, now)
      if (verdict.is === 'granted') granted.push(want.holder)
      if (verdict.is === 'denied') denied.push({ ...verdict, holder: want.holder })
    }
    return { lost, granted, denied }
  }

  /** The worker is dead: its slots are free, and its task runs wait for nothing any more. */
  workerLost(worker: string, now: number): void {
    for (const [key, holding] of this.#holdings) if (holding.worker === worker) this.#drop(key, now)
    for (const waiter of this.#line.all())
      if (waiter.worker === worker && waiter.want.holder.task !== undefined) this.#line.remove(waiter.key)
    this.#letIn(now)
  }

  /** Lets go what was not renewed, and lets in whom time made room for. Call it at `nextWake`, and now and then. */
  tick(now: number): void {
    for (const [key, holding] of this.#holdings) if (holding.leaseUntil <= now) this.#drop(key, now)
    for (const waiter of this.#line.all()) if (waiter.leaseUntil <= now) this.#line.remove(waiter.key)
    this.#letIn(now)
  }

  /** Everybody who could hold something has said so: no need to wait any longer (B5). */
  endGrace(now: number): void {
    this.#grantFrom = Math.min(this.#grantFrom, now)
    this.#letIn(now)
  }

  /** In how many milliseconds time alone lets somebody in; undefined when it does not. */
  nextWake(now: number): number | undefined {
    let soonest: number | undefined
    for (const waiter of this.#line.firsts()) {
      let wait = Math.max(0, this.#grantFrom - now)
      for (const { gauge, n } of waiter.demands)
        wait = Math.max(wait, gauge.fitsIn(n, now) ?? Number.POSITIVE_INFINITY)
      if (Number.isFinite(wait)) soonest = Math.min(soonest ?? wait, wait)
    }
    return soonest
  }

  #change(gauge: Gauge, limit: Limit, now: number): void {
    const decayed = gauge.limit.decayPerSecond !== undefined
    gauge.change(limit, now)
    if (!decayed || limit.decayPerSecond !== undefined) return
    let held = 0
    for (const { want, taken } of this.#holdings.values())
      if (want.rate !== true) held += slotsOf(taken, gauge)
    gauge.recount(held, now)
  }

  #grant(want: SlotWant, worker: string | null, taken: readonly Demand[], now: number): Verdict {
    for (const { gauge, n } of taken) gauge.take(n, now)
    this.#hold(want, worker, taken, now)
    return { is: 'granted' }
  }

  #hold(want: SlotWant, worker: string | null, taken: readonly Demand[], now: number): void {
    const leaseUntil = now + this.#options.leaseMs
    this.#holdings.set(holderKey(want.holder), {
      want,
      worker,
      taken,
      since: now,
      rev: want.rev ?? 0,
      leaseUntil,
      cancelled: false,
    })
  }

  /** Whether this one has what it says it has. */
  #reassert(want: SlotWant, worker: string | null, now: number): boolean {
    const key = holderKey(want.holder)
    if (this.#holdings.has(key) || now >= this.#grantFrom) {
      if (this.acquire(want, worker, now).is === 'granted') return true
      this.#line.remove(key)
      return false
    }
    // Before granting begins its word counts, even above the limit; a level that decays was assumed full anyway.
    this.#line.remove(key)
    const taken = demandsOf(want, this.#gauges)
    for (const { gauge, n } of taken) if (gauge.limit.decayPerSecond === undefined) gauge.take(n, now)
    this.#hold(want, worker, taken, now)
    return true
  }

  /** (B4) */
  #drop(key: string, now: number): void {
    this.#line.remove(key)
    const holding = this.#holdings.get(key)
    if (!holding) return
    this.#holdings.delete(key)
    if (holding.want.rate === true) return
    for (const { gauge, n } of holding.taken) gauge.give(n, now - holding.since, now)
  }

  #wait(want: SlotWant, worker: string | null, demands: readonly Demand[], now: number): Waiter {
    const waiter: Waiter = {
      key: holderKey(want.holder),
      want,
      worker,
      demands,
      rev: want.rev ?? 0,
      leaseUntil: now + this.#options.leaseMs,
    }
    this.#line.add(waiter)
    return waiter
  }

  /** (B3) Grants as long as somebody is first everywhere and fits. */
  #letIn(now: number): void {
    if (now < this.#grantFrom) return
    const fits = (waiter: Waiter) => waiter.demands.every(({ gauge, n }) => gauge.fits(n, now))
    for (let next = this.#line.first(fits); next; next = this.#line.first(fits)) {
      this.#line.remove(next.key)
      const { want, rev } = next
      this.#grant({ ...want, rev }, next.worker, next.demands, now)
      this.#events.push({ is: 'granted', holder: want.holder, rev })
    }
  }

  /** Limits have changed: every wish is looked at as if it were made now, in the same order. */
  #lineUpAnew(now: number): void {
    const waiters = this.#line.all()
    for (const waiter of waiters) this.#line.remove(waiter.key)
    for (const waiter of waiters) {
      // One that can never be served any more learns it when it renews its wish.
      if (refusalOf(waiter.want, this.#gauges)) continue
      this.#line.add({ ...waiter, demands: demandsOf(waiter.want, this.#gauges) })
    }
    this.#letIn(now)
  }

  /** Asks the oldest holders of a limit to go, as many as its waiters need and no more. */
  #makeRoom(gauge: Gauge, now: number): void {
    const holdings = [...this.#holdings.values()].filter(({ taken }) => slotsOf(taken, gauge) > 0)
    const wished = this.#line
      .of(gauge.limit.name)
      .reduce((sum, { demands }) => sum + slotsOf(demands, gauge), 0)
    const going = holdings.reduce(
      (sum, { cancelled, taken }) => sum + (cancelled ? slotsOf(taken, gauge) : 0),
      0,
    )
    let missing = gauge.level(now) + wished - gauge.limit.slots - going
    for (const holding of holdings) {
      if (missing <= 0) return
      if (holding.cancelled) continue
      holding.cancelled = true
      missing -= slotsOf(holding.taken, gauge)
      this.#events.push({ is: 'cancel', holder: holding.want.holder, limit: gauge.limit.name })
    }
  }

  #queued(waiter: Waiter, now: number): Verdict {
    const waits = waiter.demands.map((demand) => this.#retryAfter(demand, now, waiter))
    return { is: 'queued', retryAfterMs: Math.max(0, this.#grantFrom - now, ...waits) }
  }

  #retryAfter({ gauge, n }: Demand, now: number, waiter?: Waiter): number {
    const line: Line = this.#line.of(gauge.limit.name)
    let ahead = 0
    for (const other of line) {
      if (other === waiter) break
      ahead += slotsOf(other.demands, gauge)
    }
    return gauge.retryAfterMs(n, ahead, now, this.#options.draw())
  }
}
