/**
 * Who takes part in the scheduling of a cluster: a key per member in KV bucket `scheduler`, with a time to live.
 *
 * Invariants
 * (M1) A membership counts until its local deadline: when the last successful renewal was sent, plus four fifths of
 *      the time to live, on the clock that never goes back. So it has stopped counting here before anybody else can
 *      take it for gone.
 * (M2) A name is used once. A member whose key is not there any more, or whose deadline has passed, is over, and
 *      comes back under a new name. So whoever is gone stays gone, and what that name owned may be taken at any later
 *      time, however slow the taker is.
 * (M3) Gone is a member whose key another one could create in its place, or remove after it was not written for a whole
 *      time to live. Both are the end of it: its next renewal is refused. That a watch has told so is never enough.
 */

import type { Bucket, KeyValue, KvChange, KvRevision, KvWatch } from '../broker/index.ts'
import { type Deps, isJsonObject, type JsonValue, type Timer } from '../core/index.ts'
import type { Member } from './quota.ts'

export const SCHEDULER_BUCKET = 'scheduler'

export interface MembershipOptions {
  readonly self: Member
  readonly ttlMs: number
}

export interface MembershipListener {
  /** Somebody came, went, or was not heard of for a whole time to live. */
  changed(): void
  /** A renewal has succeeded. */
  renewed(): void
  /** The membership is over (M2): nothing is owned any more. */
  over(): void
  /** The broker took a write of ours at `brokerAt` by its clock, between these two moments (monotonic). */
  stamped(brokerAt: number, sentAt: number, doneAt: number): void
}

/** The membership as it is now. */
interface Own {
  readonly name: string
  revision: KvRevision
  /** Monotonic (M1). */
  deadline: number
}

/** Somebody else's key, and when this revision of it was first seen (monotonic). */
interface Seen {
  readonly member: Member
  readonly revision: KvRevision
  readonly at: number
}

const NONCE_BYTES = 6
const keyOf = (name: string) => `member.${name}`
/** Put in the place of a member that is gone, for a moment. */
const GONE: JsonValue = { gone: true }

export class Membership {
  readonly #kv: KeyValue
  readonly #deps: Deps
  readonly #options: MembershipOptions
  readonly #listener: MembershipListener
  /** By name. */
  readonly #seen = new Map<string, Seen>()
  #bucket: Bucket | undefined
  #own: Own | undefined
  #watch: KvWatch | undefined
  #tick: Timer | undefined
  #expiry: Timer | undefined
  #renewing: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(kv: KeyValue, deps: Deps, options: MembershipOptions, listener: MembershipListener) {
    this.#kv = kv
    this.#deps = deps
    this.#options = options
    this.#listener = listener
  }

  /** The name of the present membership; undefined when there is none. */
  get name(): string | undefined {
    return this.#own?.name
  }

  /** (M1) */
  get isLive(): boolean {
    return this.#own !== undefined && this.#now() < this.#own.deadline
  }

  /** Joins, and learns who else is there. */
  async start(): Promise<void> {
    this.#bucket = await this.#kv.bucket(SCHEDULER_BUCKET, { ttlMs: this.#options.ttlMs })
    await this.#renew(this.#bucket)
    this.#watch = await this.#bucket.watch('member', (change) => this.#told(change))
    await this.#watch.caughtUp
    this.#arm(this.#options.ttlMs / 3)
  }

  /** Leaves. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#tick?.cancel()
    this.#expiry?.cancel()
    await this.#watch?.stop()
    await this.#renewing
    if (this.#own) await this.#remove(this.#own.name)
    this.#own = undefined
  }

  /** Everybody heard of lately, this one included. */
  *members(): Iterable<Member> {
    for (const seen of this.#seen.values()) if (this.#isFresh(seen)) yield seen.member
  }

  /** Whether a name may be in use: its member was heard of lately, or it is our own. */
  mayBeUsed(name: string): boolean {
    const seen = this.#seen.get(name)
    return name === this.#own?.name || (seen !== undefined && this.#isFresh(seen))
  }

  /** Whether the member of this name is gone, for good (M3). */
  async isGone(name: string): Promise<boolean> {
    const bucket = this.#bucket
    if (!bucket || this.mayBeUsed(name)) return false
    const created = await bucket.create(keyOf(name), GONE)
    if (created !== undefined) {
      await bucket.delete(keyOf(name), created)
      return true
    }
    const found = await bucket.get(keyOf(name))
    if (found === undefined) return false // it is going just now
    if (isGoneMark(found.value)) return true
    this.#see(name, found.value, found.revision)
    return !this.mayBeUsed(name) && bucket.delete(keyOf(name), found.revision)
  }

  // ── the own key

  /** Renews each third of the time to live; sooner when that has not succeeded. */
  #arm(delayMs: number): void {
    if (this.#isStopped) return
    this.#tick = this.#deps.clock.setTimer(
      delayMs,
      () => {
        this.#renewing = this.#renewAndArm()
      },
      { ref: false },
    )
  }

  async #renewAndArm(): Promise<void> {
    const { ttlMs } = this.#options
    try {
      if (this.#bucket) await this.#renew(this.#bucket)
      this.#arm(ttlMs / 3)
      this.#listener.renewed()
    } catch (error) {
      this.#deps.logger.warn(
        { error },
        'the membership of a scheduler could not be renewed; it is tried again until it runs out',
      )
      if (!this.isLive) this.#end()
      this.#arm(ttlMs / 12)
    }
  }

  /** Rejects when it has to be tried again. */
  async #renew(bucket: Bucket): Promise<void> {
    const sentAt = this.#now()
    if (this.#own && !this.isLive) this.#end()
    const revision = await this.#write(bucket)
    const own = this.#own
    if (revision === undefined || own === undefined) {
      this.#end()
      return this.#renew(bucket)
    }
    own.revision = revision
    own.deadline = sentAt + this.#options.ttlMs * 0.8
    void this.#measure(bucket, own, sentAt)
  }

  /** Reads back when the broker took the renewal. */
  async #measure(bucket: Bucket, { name, revision }: Own, sentAt: number): Promise<void> {
    const doneAt = this.#now()
    try {
      const entry = await bucket.get(keyOf(name))
      if (entry?.revision === revision) this.#listener.stamped(entry.at, sentAt, doneAt)
    } catch (error) {
      this.#deps.logger.debug({ error }, 'the broker could not be asked for its time')
    }
  }

  /** Undefined when the own key is gone (M2). */
  async #write(bucket: Bucket): Promise<KvRevision | undefined> {
    const { self } = this.#options
    const value = { id: self.id, preferred: self.preferred }
    const own = this.#own
    if (own === undefined) {
      const nonce = Buffer.from(this.#deps.random.bytes(NONCE_BYTES)).toString('base64url')
      const name = `${self.id}-${nonce}`
      const created = await bucket.create(keyOf(name), value)
      if (created !== undefined) this.#own = { name, revision: created, deadline: 0 }
      return created
    }
    const updated = await bucket.update(keyOf(own.name), value, own.revision)
    if (updated !== undefined) return updated
    // It may be that the answer to a renewal of our own was lost.
    const found = await bucket.get(keyOf(own.name))
    if (found === undefined || isGoneMark(found.value)) return undefined
    return bucket.update(keyOf(own.name), value, found.revision)
  }

  #end(): void {
    const own = this.#own
    if (!own) return
    this.#own = undefined
    this.#listener.over()
    void this.#remove(own.name)
  }

  async #remove(name: string): Promise<void> {
    try {
      await this.#bucket?.delete(keyOf(name))
    } catch (error) {
      this.#deps.logger.debug({ name, error }, 'a membership that is over was not removed; it runs out')
    }
  }

  // ── who else is there

  #told(change: KvChange): void {
    const key = change.kind === 'put' ? change.entry.key : change.key
    const name = key.slice(keyOf('').length)
    const before = this.#seen.has(name)
    if (change.kind === 'put') this.#see(name, change.entry.value, change.entry.revision)
    else this.#seen.delete(name)
    if (before !== this.#seen.has(name)) this.#listener.changed()
    this.#awaitExpiry()
  }

  #see(name: string, value: JsonValue, revision: KvRevision): void {
    if (isGoneMark(value)) {
      this.#seen.delete(name)
      return
    }
    if (this.#seen.get(name)?.revision === revision) return
    const { id, preferred } = isJsonObject(value) ? value : {}
    const member = { id: typeof id === 'string' ? id : name, preferred: preferred === true }
    this.#seen.set(name, { member, revision, at: this.#now() })
  }

  #isFresh({ at }: Seen): boolean {
    return this.#now() < at + this.#options.ttlMs
  }

  /** Expiry may be told late: somebody looks when the next one should have been renewed. */
  #awaitExpiry(): void {
    if (this.#expiry || this.#isStopped) return
    const now = this.#now()
    let soonest = Number.POSITIVE_INFINITY
    for (const [name, { at }] of this.#seen) {
      const expiry = at + this.#options.ttlMs
      if (name !== this.#own?.name && expiry > now) soonest = Math.min(soonest, expiry)
    }
    if (soonest === Number.POSITIVE_INFINITY) return
    this.#expiry = this.#deps.clock.setTimer(
      soonest - now,
      () => {
        this.#expiry = undefined
        for (const seen of this.#seen.values()) if (!this.#isFresh(seen)) return this.#expired()
        this.#awaitExpiry()
      },
      { ref: false },
    )
  }

  #expired(): void {
    this.#listener.changed()
    this.#awaitExpiry()
  }

  #now(): number {
    return this.#deps.clock.monotonic()
  }
}

function isGoneMark(value: JsonValue): boolean {
  return isJsonObject(value) && value.gone === true
}
