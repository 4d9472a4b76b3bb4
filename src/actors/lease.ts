/**
 * A worker's lease: a key that lives as long as its worker does. It makes the loss of a worker known fast; that two
 * hosts never both extend a run is the log's doing, not the lease's.
 *
 * Invariants
 * (W1) The lease is fresh until two thirds of its time have passed since the last renewal *was sent*. While it is not,
 *      nothing new begins here: no claim, no task body.
 * (W2) A worker whose broker answers, and that still cannot renew in that time, takes itself for lost: all its code
 *      stops. It then tries to come back with a new lease and no runs. The time counts from when the broker was back.
 * (W3) A worker whose connection is down cannot tell a broken network from a broker that is away for everybody. What
 *      runs goes on, its commits wait, nothing new begins (W1); after `cutOffMs` it takes itself for lost as well.
 * (W4) A lease that had run out and could be taken again says nothing about the runs: each is looked at (`regained`).
 */

import type { Broker, Bucket, KvRevision } from '../broker/index.ts'
import { CallboardError, type Deps, isJsonObject, type Timer } from '../core/index.ts'
import type { WorkerFacts } from './messages.ts'
import { asJson } from './shape.ts'

/** The bucket of the leases: a key per worker. */
export const WORKERS_BUCKET = 'workers'
export const LEASE_MS = 10_000
export const CUT_OFF_MS = 90_000

export interface LeaseOptions {
  readonly broker: Broker
  readonly deps: Deps
  /** Unique per start of a worker: an id is never taken twice. */
  readonly worker: string
  /** Default 10 s. The same for the whole cluster: it is the bucket's time to live. */
  readonly leaseMs?: number
  /** How long code may run on without a connection. Default 90 s. */
  readonly cutOffMs?: number
  facts(): WorkerFacts
  /** (W2) (W3) */
  lost(reason: string): void
  /** It is fresh again after it was not. (W4) */
  regained(): void
  /** The broker took a renewal at `brokerAt` by its clock, between these two moments (monotonic). */
  stamped?(brokerAt: number, sentAt: number, doneAt: number): void
}

export class WorkerLease {
  readonly #options: LeaseOptions
  readonly #leaseMs: number
  #bucket: Bucket | undefined
  #revision: KvRevision | undefined
  /** When the last renewal that succeeded was sent, monotonic. */
  #renewedAt = Number.NEGATIVE_INFINITY
  /** Since when the broker has been there without a break (monotonic). */
  #connectedAt = Number.NEGATIVE_INFINITY
  #isLost = false
  #timer: Timer | undefined
  #endStatus: (() => void) | undefined
  #stopped = false

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#leaseMs = options.leaseMs ?? LEASE_MS
  }

  /** (W1) */
  get isFresh(): boolean {
    return this.#age < this.#freshMs
  }

  get #freshMs(): number {
    return (this.#leaseMs * 2) / 3
  }

  get #age(): number {
    return this.#now - this.#renewedAt
  }

  get #now(): number {
    return this.#options.deps.clock.monotonic()
  }

  async start(): Promise<void> {
    this.#endStatus = this.#options.broker.onStatus((status) => {
      if (status === 'connected') this.#connectedAt = this.#now
    })
    this.#bucket = await this.#options.broker.kv.bucket(WORKERS_BUCKET, { ttlMs: this.#leaseMs })
    // A broker that is slow to take it is no reason not to start: until it is fresh, nothing is claimed (W1).
    const sentAt = this.#now
    const revision = await this.#write()
    if (revision === undefined)
      throw new CallboardError('CB_E_BROKER_UNAVAILABLE', 'The lease of this worker could not be taken.')
    this.#renewed(revision, sentAt)
    this.#arm(this.isFresh ? this.#leaseMs / 3 : 0)
  }

  /** Gives the lease back: the worker is gone, and has nothing. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#endStatus?.()
    if (this.#revision === undefined) return
    await this.#bucket?.delete(this.#options.worker).catch((error) => {
      this.#options.deps.logger.debug({ error }, 'the lease could not be given back; it runs out')
    })
  }

  /** What it says of its worker has changed: said now, not at the next renewal. */
  tell(): void {
    if (this.#revision !== undefined) this.#arm(0)
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel()
    if (this.#stopped) return
    this.#timer = this.#options.deps.clock.setTimer(delayMs, () => void this.#tick())
  }

  async #tick(): Promise<void> {
    const renewed = await this.#renew()
    if (this.#stopped) return
    if (!renewed && !this.isFresh && !this.#isLost) this.#decide()
    this.#arm(renewed ? this.#leaseMs / 3 : this.#leaseMs / 12)
  }

  /** Also when the answer comes after it was waited for: it is the truth all the same. */
  #renewed(revision: KvRevision, sentAt: number): void {
    const wasAway = !this.isFresh || this.#isLost
    const isFirst = this.#revision === undefined
    this.#revision = Math.max(revision, this.#revision ?? 0)
    this.#renewedAt = Math.max(this.#renewedAt, sentAt)
    if (!this.isFresh) return
    this.#isLost = false
    if (wasAway && !isFirst && !this.#stopped) this.#options.regained()
  }

  #decide(): void {
    const { broker, cutOffMs = CUT_OFF_MS, deps, lost, worker } = this.#options
    const isConnected = broker.status === 'connected'
    const isWaitedFor = isConnected
      ? this.#now - this.#connectedAt < this.#freshMs // (W2)
      : this.#age < cutOffMs // (W3)
    if (isWaitedFor) return
    this.#isLost = true
    const seconds = Math.round(this.#age / 1000)
    const reason = isConnected
      ? `its lease could not be renewed for ${seconds} s`
      : `it has had no connection for ${seconds} s`
    deps.logger.error(
      { worker, ageMs: this.#age, isConnected },
      `this worker takes itself for lost: ${reason}`,
    )
    lost(reason)
  }

  /** One try, waited for a quarter of the lease at most. `false` when it has not succeeded by then. */
  async #renew(): Promise<boolean> {
    const { clock, logger } = this.#options.deps
    const sentAt = clock.monotonic()
    let timer: Timer | undefined
    const tooLate = new Promise<false>((resolve) => {
      timer = clock.setTimer(this.#leaseMs / 4, () => resolve(false))
    })
    const written = this.#write().then(
      (revision) => {
        if (revision === undefined) return false
        this.#renewed(revision, sentAt)
        void this.#measure(revision, sentAt)
        return true
      },
      (error) => {
        logger.debug({ error }, 'the lease could not be renewed')
        return false
      },
    )
    const renewed = await Promise.race([written, tooLate])
    timer?.cancel()
    return renewed
  }

  /** Reads back when the broker took this renewal. */
  async #measure(revision: KvRevision, sentAt: number): Promise<void> {
    const { deps, stamped, worker } = this.#options
    if (stamped === undefined) return
    const doneAt = deps.clock.monotonic()
    try {
      const entry = await this.#bucket?.get(worker)
      if (entry?.revision === revision) stamped(entry.at, sentAt, doneAt)
    } catch (error) {
      deps.logger.debug({ error }, 'the broker could not be asked for its time')
    }
  }

  async #write(): Promise<KvRevision | undefined> {
    const { worker, facts } = this.#options
    const bucket = this.#bucket
    if (bucket === undefined) return undefined
    const value = asJson(facts())
    if (this.#revision !== undefined) {
      const updated = await bucket.update(worker, value, this.#revision)
      if (updated !== undefined) return updated
    }
    // It ran out, or an earlier renewal was written whose answer was lost.
    const found = await bucket.get(worker)
    if (found === undefined) return this.#stopped ? undefined : bucket.create(worker, value)
    const isOurs = isJsonObject(found.value) && found.value.startedAt === facts().startedAt
    return isOurs ? bucket.update(worker, value, found.revision) : undefined
  }
}
