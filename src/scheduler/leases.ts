/**
 * Which partitions this scheduler holds: those that the table of owners (`owners.ts`) gives to its membership
 * (`membership.ts`), for as long as that counts.
 *
 * Invariants
 * (L1) `isLive` is asked before every act. A holder that cannot renew its membership stops before anybody else can have
 *      begun; and should both act, the log's compare-and-set keeps it harmless.
 * (L2) The table says what is held, whoever wrote it and whether its answer came: what it newly gives us is acquired,
 *      what it takes is lost. Partitions are taken only from nobody, or from a name that is gone for good (M2).
 * (L3) What is given back is ours no more from that moment on, also while the table still says so.
 * (L4) Surplus goes one step every `balanceEveryMs`, so that members who come and go do not make partitions travel.
 */

import type { KeyValue } from '../broker/index.ts'
import { type Deps, PARTITIONS } from '../core/index.ts'
import { Membership } from './membership.ts'
import { assigned, type Owners, OwnersTable } from './owners.ts'
import { type Member, quotaOf } from './quota.ts'

export interface LeasesOptions {
  readonly self: Member
  readonly ttlMs: number
  readonly balanceEveryMs: number
}

export interface LeasesListener {
  acquired(partition: number): void
  /** It is somebody else's, or the membership is over. */
  lost(partition: number): void
  /** Somebody else should have it: let it go when convenient, then call `release`. */
  surplus(partition: number): void
  /** The broker took a write of ours at `brokerAt` by its clock, between these two moments (monotonic). */
  stamped(brokerAt: number, sentAt: number, doneAt: number): void
}

export class Leases {
  readonly #deps: Deps
  readonly #options: LeasesOptions
  readonly #listener: LeasesListener
  readonly #membership: Membership
  readonly #table: OwnersTable
  readonly #held = new Set<number>()
  /** Of those held: told to be surplus, not given back yet. */
  readonly #leaving = new Set<number>()
  /** Given back, and the table may not know yet (L3). */
  readonly #given = new Set<number>()
  #giving: Promise<void> | undefined
  #balancing: Promise<void> | undefined
  #balanceAgain = false
  #lastSurplus = Number.NEGATIVE_INFINITY
  #phase: 'new' | 'running' | 'leaving' = 'new'

  constructor(kv: KeyValue, deps: Deps, options: LeasesOptions, listener: LeasesListener) {
    this.#deps = deps
    this.#options = options
    this.#listener = listener
    this.#table = new OwnersTable(kv, () => {
      this.#compare()
      void this.#balance()
    })
    this.#membership = new Membership(kv, deps, options, {
      changed: () => void this.#balance(),
      renewed: () => this.#renewed(),
      over: () => this.#loseAll(),
      stamped: (...times) => listener.stamped(...times),
    })
  }

  /** (L1) */
  isLive(partition: number): boolean {
    return this.#held.has(partition) && this.#membership.isLive
  }

  /** Joins, and takes what is free up to the own share. Resolves when the first attempt is over. */
  async start(): Promise<void> {
    await this.#membership.start()
    await this.#table.start()
    this.#phase = 'running'
    await this.#balance()
  }

  /** Takes nothing any more. What is held stays until `release`. */
  leave(): void {
    this.#phase = 'leaving'
  }

  /** Gives a partition back, so that the next holder need not wait for the end of this membership. */
  async release(partition: number): Promise<void> {
    if (!this.#held.delete(partition)) return
    this.#leaving.delete(partition)
    this.#given.add(partition)
    await this.#giveBack()
  }

  async stop(): Promise<void> {
    this.#phase = 'leaving'
    await this.#balancing
    await Promise.all([...this.#held].map((partition) => this.release(partition)))
    await this.#table.stop()
    await this.#membership.stop()
  }

  #renewed(): void {
    this.#compare()
    void this.#giveBack()
    void this.#balance()
  }

  // ── what the table says

  /** (L2) */
  #compare(): void {
    const { name, isLive } = this.#membership
    const own = new Set<number>()
    for (const [partition, owner] of this.#table.now) if (owner === name) own.add(partition)
    for (const partition of this.#given) if (!own.has(partition)) this.#given.delete(partition)
    for (const partition of [...this.#held]) if (!own.has(partition)) this.#lose(partition)
    if (this.#phase !== 'running' || !isLive) return
    for (const partition of own) {
      if (this.#held.has(partition) || this.#given.has(partition)) continue
      this.#held.add(partition)
      this.#listener.acquired(partition)
    }
  }

  #lose(partition: number): void {
    this.#held.delete(partition)
    this.#leaving.delete(partition)
    this.#listener.lost(partition)
  }

  #loseAll(): void {
    for (const partition of [...this.#held]) this.#lose(partition)
    this.#given.clear()
  }

  // ── giving back

  /** What is given back meanwhile goes with the next write. What could not be written is tried at each renewal. */
  #giveBack(): Promise<void> {
    if (this.#givenOf(this.#table.now).length === 0) return Promise.resolve()
    this.#giving ??= this.#writeGiven()
    return this.#giving
  }

  async #writeGiven(): Promise<void> {
    try {
      do {
        await Promise.resolve() // what is given back in the same turn goes together
        await this.#table.change((owners) => {
          const own = this.#givenOf(owners)
          return own.length === 0 ? owners : assigned(owners, own, undefined)
        })
      } while (this.#givenOf(this.#table.now).length > 0)
    } catch (error) {
      this.#deps.logger.warn({ error }, 'partitions could not be given back; it is tried again')
    }
    this.#giving = undefined
  }

  #givenOf(owners: Owners): readonly number[] {
    const { name } = this.#membership
    return name === undefined ? [] : [...this.#given].filter((partition) => owners.get(partition) === name)
  }

  // ── balance

  /** One pass at a time; asked for during a pass, another one follows. */
  #balance(): Promise<void> {
    this.#balanceAgain = true
    this.#balancing ??= this.#passes()
    return this.#balancing
  }

  async #passes(): Promise<void> {
    await Promise.resolve() // many changes come in one turn
    try {
      while (this.#balanceAgain && this.#phase === 'running') {
        this.#balanceAgain = false
        const quota = quotaOf(this.#options.self, this.#membership.members())
        const kept = [...this.#held].filter((partition) => !this.#leaving.has(partition))
        if (kept.length < quota) await this.#take(quota - kept.length)
        else if (kept.length > quota) this.#shed(kept, kept.length - quota)
      }
    } finally {
      this.#balancing = undefined
    }
  }

  async #take(count: number): Promise<void> {
    try {
      const gone = new Set<string>()
      for (const owner of new Set(this.#table.now.values()))
        if (await this.#membership.isGone(owner)) gone.add(owner)
      const order = this.#anyOrder()
      await this.#table.change((owners) => {
        const { name, isLive } = this.#membership
        if (name === undefined || !isLive || this.#phase !== 'running') return owners
        const free = order.filter((partition) => isFree(owners, partition, gone)).slice(0, count)
        return free.length === 0 ? owners : assigned(owners, free, name)
      })
    } catch (error) {
      this.#deps.logger.warn({ count, error }, 'partitions could not be acquired; it is tried again')
    }
  }

  /** All partitions, in an order of our own. */
  #anyOrder(): readonly number[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => ({
      partition,
      key: this.#deps.random.next(),
    }))
      .sort((a, b) => a.key - b.key)
      .map(({ partition }) => partition)
  }

  /** (L4) */
  #shed(kept: readonly number[], count: number): void {
    const now = this.#deps.clock.monotonic()
    if (now < this.#lastSurplus + this.#options.balanceEveryMs) return
    this.#lastSurplus = now
    for (const partition of kept.slice(-count)) {
      this.#leaving.add(partition)
      this.#listener.surplus(partition)
    }
  }
}

function isFree(owners: Owners, partition: number, gone: ReadonlySet<string>): boolean {
  const owner = owners.get(partition)
  return owner === undefined || gone.has(owner)
}
