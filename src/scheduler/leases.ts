/**
 * Which partitions this scheduler holds. One key per partition and one per member in KV bucket `scheduler`, all with
 * the same time to live.
 *
 * Invariants
 * (L1) A lease counts until its local deadline: when the last successful renewal was sent, plus four fifths of the
 *      time to live, on the clock that never goes back. `isLive` says so, and is asked before every act. So a holder
 *      that cannot renew stops before anybody else can have begun; and should both act, the log's compare-and-set
 *      keeps it harmless.
 * (L2) Acquired by creating the key, renewed by updating it on top of the own revision, given back by deleting that
 *      revision. What fails that way is somebody else's.
 * (L3) Expiry may be told late. A key that was not written for a whole time to live is taken for free: creating it
 *      is refused if it is not.
 * (L4) Surplus goes one step every `balanceEveryMs`, so that members who come and go do not make partitions travel.
 */

import type { Bucket, KeyValue, KvChange, KvRevision, KvWatch } from '../broker/index.ts'
import { type Deps, isJsonObject, type JsonValue, PARTITIONS, type Timer } from '../core/index.ts'
import { settled } from './limiter.ts'
import { type Member, quotaOf } from './quota.ts'

export const SCHEDULER_BUCKET = 'scheduler'

export interface LeasesOptions {
  readonly self: Member
  readonly ttlMs: number
  readonly balanceEveryMs: number
}

export interface LeasesListener {
  acquired(partition: number): void
  /** The lease is somebody else's, or its deadline has passed. */
  lost(partition: number): void
  /** Somebody else should have it: let it go when convenient, then call `release`. */
  surplus(partition: number): void
  /** The broker took a write of ours at `brokerAt` by its clock, between these two moments (monotonic). */
  stamped(brokerAt: number, sentAt: number, doneAt: number): void
}

interface Lease {
  revision: KvRevision
  /** The renewal under way, if any: only after it is the revision known. */
  renewing: Promise<void>
  /** Monotonic (L1). */
  deadline: number
  /** `release` was called, or is to be: it does not count as held any more. */
  leaving: boolean
}

/** A key of somebody else's, and when it was last seen written (monotonic). */
interface Seen {
  readonly value: JsonValue
  readonly at: number
}

const RENEWALS_AT_ONCE = 64
/** After a lease that should be free was not: how long until it is tried again. */
const TRY_AGAIN_MS = 250

const memberKey = (id: string) => `member.${id}`
const partitionKey = (partition: number) => `partition.${partition}`

export class Leases {
  readonly #kv: KeyValue
  readonly #deps: Deps
  readonly #options: LeasesOptions
  readonly #listener: LeasesListener
  readonly #held = new Map<number, Lease>()
  /** What others (and we) wrote, by key. */
  readonly #seen = new Map<string, Seen>()
  #bucket: Bucket | undefined
  #watch: KvWatch | undefined
  #tick: Timer | undefined
  #expiry: Timer | undefined
  #balancing: Promise<void> | undefined
  #balanceAgain = false
  #lastSurplus = Number.NEGATIVE_INFINITY
  #phase: 'new' | 'running' | 'leaving' = 'new'

  constructor(kv: KeyValue, deps: Deps, options: LeasesOptions, listener: LeasesListener) {
    this.#kv = kv
    this.#deps = deps
    this.#options = options
    this.#listener = listener
  }

  /** (L1) */
  isLive(partition: number): boolean {
    const lease = this.#held.get(partition)
    return lease !== undefined && this.#deps.clock.monotonic() < lease.deadline
  }

  /** Joins, and takes what is free up to the own share. Resolves when the first attempt is over. */
  async start(): Promise<void> {
    this.#phase = 'running'
    const bucket = await this.#kv.bucket(SCHEDULER_BUCKET, { ttlMs: this.#options.ttlMs })
    this.#bucket = bucket
    await this.#stamp(bucket)
    this.#watch = await bucket.watch('', (change) => this.#told(change))
    await this.#watch.caughtUp
    await this.#balance()
    this.#arm()
  }

  /** Takes nothing any more. What is held stays until `release`. */
  leave(): void {
    this.#phase = 'leaving'
  }

  /** Gives a partition back, so that the next holder need not wait for its expiry. */
  async release(partition: number): Promise<void> {
    const lease = this.#held.get(partition)
    if (!lease) return
    lease.leaving = true
    this.#held.delete(partition)
    await lease.renewing
    await this.#quietly('release a partition', this.#bucket?.delete(partitionKey(partition), lease.revision))
  }

  async stop(): Promise<void> {
    this.#phase = 'leaving'
    this.#tick?.cancel()
    this.#expiry?.cancel()
    await this.#watch?.stop()
    await this.#balancing
    await Promise.all([...this.#held.keys()].map((partition) => this.release(partition)))
    await this.#quietly('leave', this.#bucket?.delete(memberKey(this.#options.self.id)))
  }

  // ── renewing

  /** Renews each third of the time to live; sooner when something could not be renewed. */
  #arm(delayMs = this.#options.ttlMs / 3): void {
    this.#tick = this.#deps.clock.setTimer(delayMs, () => void this.#renewAll(), { ref: false })
  }

  async #renewAll(): Promise<void> {
    const isAllRenewed = await this.#renew()
    if (this.#phase === 'running' || this.#held.size > 0)
      this.#arm(isAllRenewed ? undefined : this.#options.ttlMs / 12)
  }

  async #renew(): Promise<boolean> {
    const bucket = this.#bucket
    if (!bucket) return true
    const failures: unknown[] = []
    await Promise.all([
      this.#quietly('renew the membership', this.#stamp(bucket)),
      settled([...this.#held], RENEWALS_AT_ONCE, ([partition, lease]) => {
        lease.renewing = this.#renewOne(bucket, partition, lease).catch((error) => {
          failures.push(error)
          if (this.#held.get(partition) === lease && !this.isLive(partition)) this.#lose(partition)
        })
        return lease.renewing
      }),
    ])
    if (failures.length > 0)
      this.#deps.logger.warn(
        { partitions: failures.length, error: failures[0] },
        'leases of partitions could not be renewed; it is tried again until they run out',
      )
    await this.#balance()
    return failures.length === 0
  }

  /** Rejects when it has to be tried again. */
  async #renewOne(bucket: Bucket, partition: number, lease: Lease): Promise<void> {
    const sentAt = this.#deps.clock.monotonic()
    const revision = await this.#update(bucket, partitionKey(partition), lease.revision)
    if (revision !== undefined) {
      lease.revision = revision
      lease.deadline = this.#deadline(sentAt)
    } else if (this.#held.get(partition) === lease) this.#lose(partition)
  }

  #lose(partition: number): void {
    this.#held.delete(partition)
    this.#listener.lost(partition)
  }

  /** (L2) A refusal may come from a renewal of our own whose answer was lost: the key says whose it is. */
  async #update(bucket: Bucket, key: string, revision: KvRevision): Promise<KvRevision | undefined> {
    const { id } = this.#options.self
    const updated = await bucket.update(key, id, revision)
    if (updated !== undefined) return updated
    const found = await bucket.get(key)
    return found?.value === id ? bucket.update(key, id, found.revision) : undefined
  }

  /** Writes the own member key, and reads back when the broker took it. */
  async #stamp(bucket: Bucket): Promise<void> {
    const { self } = this.#options
    const sentAt = this.#deps.clock.monotonic()
    await bucket.put(memberKey(self.id), { preferred: self.preferred })
    const doneAt = this.#deps.clock.monotonic()
    const entry = await bucket.get(memberKey(self.id))
    if (entry) this.#listener.stamped(entry.at, sentAt, doneAt)
  }

  #deadline(sentAt: number): number {
    return sentAt + this.#options.ttlMs * 0.8
  }

  // ── who else is there

  #told(change: KvChange): void {
    const key = change.kind === 'put' ? change.entry.key : change.key
    const news = change.kind === 'gone' || !this.#seen.has(key)
    if (change.kind === 'put')
      this.#seen.set(key, { value: change.entry.value, at: this.#deps.clock.monotonic() })
    else this.#seen.delete(key)
    if (news) void this.#balance()
  }

  #isFresh({ at }: Seen): boolean {
    return this.#deps.clock.monotonic() < at + this.#options.ttlMs
  }

  *#members(): Iterable<Member> {
    for (const [key, seen] of this.#seen) {
      if (!key.startsWith('member.') || !this.#isFresh(seen)) continue
      const preferred = isJsonObject(seen.value) && seen.value.preferred === true
      yield { id: key.slice('member.'.length), preferred }
    }
  }

  /** Partitions that nobody has, in an order of our own: members that start together do not want the same ones. */
  #free(): number[] {
    const free: number[] = []
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const seen = this.#seen.get(partitionKey(partition))
      if (!this.#held.has(partition) && (seen === undefined || !this.#isFresh(seen))) free.push(partition)
    }
    const keys = new Map(free.map((partition) => [partition, this.#deps.random.next()]))
    return free.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0))
  }

  // ── balance

  /** One pass at a time; asked for during a pass, another one follows. */
  #balance(): Promise<void> {
    this.#balanceAgain = true
    this.#balancing ??= this.#passes().finally(() => {
      this.#balancing = undefined
    })
    return this.#balancing
  }

  async #passes(): Promise<void> {
    while (this.#balanceAgain && this.#phase === 'running') {
      this.#balanceAgain = false
      const quota = quotaOf(this.#options.self, this.#members())
      const kept = [...this.#held].filter(([, lease]) => !lease.leaving)
      if (kept.length < quota) await this.#take(quota - kept.length)
      else if (kept.length > quota) this.#shed(kept, kept.length - quota)
    }
    this.#awaitExpiry()
  }

  async #take(count: number): Promise<void> {
    const bucket = this.#bucket
    let missing = count
    const free = this.#free()
    try {
      while (bucket && missing > 0 && free.length > 0 && this.#phase === 'running') {
        const some = free.splice(0, Math.min(missing, RENEWALS_AT_ONCE))
        const taken = await Promise.all(some.map((partition) => this.#acquire(bucket, partition)))
        missing -= taken.filter((got) => got).length
      }
    } catch (error) {
      this.#deps.logger.warn({ missing, error }, 'partitions could not be acquired; it is tried again')
    }
  }

  async #acquire(bucket: Bucket, partition: number): Promise<boolean> {
    const { self, ttlMs } = this.#options
    const key = partitionKey(partition)
    const sentAt = this.#deps.clock.monotonic()
    const revision = await bucket.create(key, self.id)
    if (revision === undefined) {
      this.#seen.set(key, { value: null, at: sentAt - ttlMs + TRY_AGAIN_MS }) // (L3)
      return false
    }
    const deadline = this.#deadline(sentAt)
    this.#held.set(partition, { revision, deadline, renewing: Promise.resolve(), leaving: false })
    this.#listener.acquired(partition)
    return true
  }

  /** (L4) */
  #shed(kept: readonly (readonly [number, Lease])[], count: number): void {
    const now = this.#deps.clock.monotonic()
    if (now < this.#lastSurplus + this.#options.balanceEveryMs) return
    this.#lastSurplus = now
    for (const [partition, lease] of kept.slice(-count)) {
      lease.leaving = true
      this.#listener.surplus(partition)
    }
  }

  /** (L3) Looks again when the next key of somebody else's should have expired. */
  #awaitExpiry(): void {
    this.#expiry?.cancel()
    if (this.#phase !== 'running') return
    const now = this.#deps.clock.monotonic()
    let soonest = Number.POSITIVE_INFINITY
    for (const [key, { at }] of this.#seen) {
      const partition = key.startsWith('partition.') ? Number(key.slice('partition.'.length)) : -1
      const expiry = at + this.#options.ttlMs
      if (!this.#held.has(partition) && expiry > now) soonest = Math.min(soonest, expiry)
    }
    if (soonest === Number.POSITIVE_INFINITY) return
    this.#expiry = this.#deps.clock.setTimer(soonest - now, () => void this.#balance(), { ref: false })
  }

  async #quietly(what: string, work: Promise<unknown> | undefined): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#deps.logger.warn({ error }, `the scheduler could not ${what}`)
    }
  }
}
