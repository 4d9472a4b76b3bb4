/**
 * Those who wait for slots: one line per limit, oldest wish first. Somebody who wants several limits stands in
 * several lines.
 */

import type { SlotWant } from '../../actors/index.ts'
import type { ErrorCode } from '../../core/index.ts'
import type { Gauge } from './gauge.ts'

/** `n` slots of one limit that exists and is active. */
export interface Demand {
  readonly gauge: Gauge
  readonly n: number
}

export interface Waiter {
  readonly key: string
  readonly want: SlotWant
  readonly worker: string | null
  readonly demands: readonly Demand[]
  /** The newest at which it was asked for. */
  rev: number
  leaseUntil: number
}

export type Line = readonly Waiter[]

/** What a wish asks for of the limits there are: unknown and inactive ones count for nothing. */
export function demandsOf(want: SlotWant, gauges: ReadonlyMap<string, Gauge>): readonly Demand[] {
  const demands: Demand[] = []
  for (const name of new Set(want.limits)) {
    const gauge = gauges.get(name)
    if (gauge?.limit.active) demands.push({ gauge, n: want.occupy ?? 1 })
  }
  return demands
}

interface Refusal {
  readonly is: 'denied'
  readonly limit: string
  readonly reason: string
  readonly code: ErrorCode
}

/** Why a wish can never be served, whoever leaves; undefined when it can. */
export function refusalOf(want: SlotWant, gauges: ReadonlyMap<string, Gauge>): Refusal | undefined {
  for (const name of want.strict === true ? want.limits : []) {
    if (gauges.has(name)) continue
    const reason = `there is no concurrency limit "${name}", and the request is strict`
    return { is: 'denied', limit: name, reason, code: 'CB_E_LIMIT_UNKNOWN' }
  }
  for (const { gauge, n } of demandsOf(want, gauges)) {
    const { name, slots, decayPerSecond } = gauge.limit
    if (want.rate === true && decayPerSecond === undefined) {
      const reason = `the limit "${name}" has no slot decay, so it cannot limit a rate`
      return { is: 'denied', limit: name, reason, code: 'CB_E_LIMIT_NO_DECAY' }
    }
    if (n > slots) {
      const reason = `it asks for ${n} of the ${slots} slots that the limit "${name}" has`
      return { is: 'denied', limit: name, reason, code: 'CB_E_LIMIT_EXCEEDED' }
    }
  }
  return undefined
}

export class LineUp {
  readonly #waiters = new Map<string, Waiter>()
  readonly #lines = new Map<string, Waiter[]>()
  /** Those who stand in no line: their limits are gone. */
  readonly #free = new Set<Waiter>()

  get size(): number {
    return this.#waiters.size
  }

  get(key: string): Waiter | undefined {
    return this.#waiters.get(key)
  }

  all(): readonly Waiter[] {
    return [...this.#waiters.values()]
  }

  /** The line of one limit, oldest first. */
  of(limit: string): Line {
    return this.#lines.get(limit) ?? []
  }

  /** Whether somebody waits for this limit who would stand before a wish made at `since`. */
  isBehind(limit: string, since: number): boolean {
    const [first] = this.of(limit)
    return first !== undefined && first.want.since <= since
  }

  add(waiter: Waiter): void {
    this.#waiters.set(waiter.key, waiter)
    if (waiter.demands.length === 0) this.#free.add(waiter)
    for (const { gauge } of waiter.demands) {
      const line = this.#lines.get(gauge.limit.name) ?? []
      this.#lines.set(gauge.limit.name, line)
      line.splice(placeIn(line, waiter.want.since), 0, waiter)
    }
  }

  remove(key: string): void {
    const waiter = this.#waiters.get(key)
    if (!waiter) return
    this.#waiters.delete(key)
    this.#free.delete(waiter)
    for (const { gauge } of waiter.demands) {
      const line = this.#lines.get(gauge.limit.name) ?? []
      line.splice(line.indexOf(waiter), 1)
      if (line.length === 0) this.#lines.delete(gauge.limit.name)
    }
  }

  /** Those who are first in every line they stand in, oldest line first. */
  *firsts(): Iterable<Waiter> {
    yield* this.#free
    for (const line of this.#lines.values()) {
      const [head] = line
      if (head && this.#leads(head) && this.#lines.get(head.demands[0]?.gauge.limit.name ?? '') === line)
        yield head
    }
  }

  /** One who is first everywhere and whom `fits` lets in. */
  first(fits: (waiter: Waiter) => boolean): Waiter | undefined {
    for (const waiter of this.firsts()) if (fits(waiter)) return waiter
    return undefined
  }

  #leads(waiter: Waiter): boolean {
    return waiter.demands.every(({ gauge }) => this.of(gauge.limit.name)[0] === waiter)
  }
}

/** Behind everybody who asked at the same time or before. */
function placeIn(line: Line, since: number): number {
  let at = line.length
  while (at > 0 && (line[at - 1]?.want.since ?? 0) > since) at--
  return at
}
