/**
 * Notices workers that are gone, and says so to each of their runs.
 *
 * Invariants
 * (W1) Gone is: its lease has run out or was given back; or nobody was home at its address twice in a row. A worker
 *      that is silent but home may only be slow: that alone never counts. For the time of a lease after the broker was
 *      away nobody counts as gone: leases have run out and addresses are closed for all, and each comes back in its own time.
 * (W2) What is told early or wrongly is harmless: HOST_LOST names an epoch, and whoever was taken for lost finds itself
 *      fenced by the log.
 * (W3) It is said once per run and epoch, as long as it could be said; at most `atOnce` at a time for all runs (the gate).
 * (W4) Only a lease that has run out says that the worker's code has stopped. So only then are its slots free for others.
 */

import { type Answer, applyToRun, judgeFlow, WORKERS_BUCKET, workerAddress } from '../actors/index.ts'
import type { Broker, Bucket, KvWatch } from '../broker/index.ts'
import type { Deps, SteadyClock, Timer } from '../core/index.ts'
import { type Gate, settled } from './limiter.ts'
import type { Partition } from './partition.ts'
import type { RunRow } from './run-row.ts'

export interface LostWorkersOptions {
  readonly leaseMs: number
  readonly pingEveryMs: number
  readonly gate: Gate
  /** Those we act for. */
  readonly partitions: () => Iterable<Partition>
  /** A worker's lease has run out: whatever it held is free. Told again as long as it has runs of ours. */
  readonly gone: (worker: string) => void
}

interface Reason {
  readonly is: 'lease' | 'nobody-home'
  /** For people. */
  readonly says: string
}

const PING_TIMEOUT_MS = 1_000
const PINGS_AT_ONCE = 64
/** Nobody home this often in a row is gone. */
const MISSES = 2

export class LostWorkers {
  readonly #broker: Broker
  readonly #deps: Deps
  readonly #time: SteadyClock
  readonly #options: LostWorkersOptions
  /** With a lease, as far as the watch has told. */
  readonly #leased = new Set<string>()
  readonly #misses = new Map<string, number>()
  readonly #pinging = new Set<string>()
  readonly #told = new WeakMap<RunRow, number>()
  /** Since when the broker has been there without a break (monotonic). */
  #connectedAt = Number.NEGATIVE_INFINITY
  #endStatus: (() => void) | undefined
  #bucket: Bucket | undefined
  #watch: KvWatch | undefined
  #timer: Timer | undefined
  #isStopped = false

  constructor(broker: Broker, deps: Deps, time: SteadyClock, options: LostWorkersOptions) {
    this.#broker = broker
    this.#deps = deps
    this.#time = time
    this.#options = options
  }

  /** Whether a worker has a lease, as far as is known here. */
  isLeased(worker: string): boolean {
    return this.#leased.has(worker)
  }

  get leased(): ReadonlySet<string> {
    return this.#leased
  }

  async start(): Promise<void> {
    this.#endStatus = this.#broker.onStatus((status) => {
      if (status === 'connected') this.#connectedAt = this.#deps.clock.monotonic()
    })
    this.#bucket = await this.#broker.kv.bucket(WORKERS_BUCKET, { ttlMs: this.#options.leaseMs })
    this.#watch = await this.#bucket.watch('', (change) => {
      if (change.kind === 'put') this.#leased.add(change.entry.key)
      else {
        this.#leased.delete(change.key)
        void this.#lookAfter(change.key)
      }
    })
    await this.#watch.caughtUp
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#endStatus?.()
    await this.#watch?.stop()
  }

  #arm(): void {
    if (this.#isStopped) return
    this.#timer = this.#deps.clock.setTimer(
      this.#options.pingEveryMs,
      () => {
        void settled(this.#hosts(), PINGS_AT_ONCE, (worker) => this.#lookAfter(worker))
        this.#arm()
      },
      { ref: false },
    )
  }

  /** Workers that host runs of ours. */
  #hosts(): Set<string> {
    const hosts = new Set<string>()
    for (const { table } of this.#options.partitions())
      for (const worker of table.workers()) hosts.add(worker)
    for (const worker of this.#misses.keys()) if (!hosts.has(worker)) this.#misses.delete(worker)
    return hosts
  }

  /** One look at one worker, unless one is under way. */
  async #lookAfter(worker: string): Promise<void> {
    if (this.#pinging.has(worker) || this.#isStopped || this.#areComingBack) return
    this.#pinging.add(worker)
    try {
      const reason = await this.#whyGone(worker)
      if (reason === undefined || this.#isStopped) return
      if (reason.is === 'lease') this.#options.gone(worker) // (W4)
      await this.#tellRuns(worker, reason.says)
    } catch (error) {
      this.#deps.logger.debug({ worker, error }, 'a worker could not be looked after')
    } finally {
      this.#pinging.delete(worker)
    }
  }

  /** (W1) */
  async #whyGone(worker: string): Promise<Reason | undefined> {
    if (!this.#leased.has(worker) && (await this.#bucket?.get(worker)) === undefined)
      return { is: 'lease', says: `The lease of worker ${worker} ran out.` }
    const { outcome } = await this.#broker.bus.request(
      workerAddress(worker),
      { op: 'ping' },
      { timeoutMs: PING_TIMEOUT_MS },
    )
    const misses = outcome === 'nobody-home' ? (this.#misses.get(worker) ?? 0) + 1 : 0
    this.#misses.set(worker, misses)
    if (misses < MISSES) return undefined
    return { is: 'nobody-home', says: `Nobody is home at worker ${worker} any more.` }
  }

  get #areComingBack(): boolean {
    return this.#deps.clock.monotonic() < this.#connectedAt + this.#options.leaseMs
  }

  async #tellRuns(worker: string, reason: string): Promise<void> {
    const work: Promise<void>[] = []
    for (const partition of this.#options.partitions()) {
      for (const row of partition.table.hostedBy(worker)) {
        if (this.#told.get(row) === row.epoch) continue
        this.#told.set(row, row.epoch)
        work.push(this.#options.gate.pass(() => this.#tell(partition, row, worker, reason)))
      }
    }
    if (work.length > 0)
      this.#deps.logger.warn(
        { worker, runs: work.length, reason },
        'a worker is gone; its runs go on elsewhere',
      )
    await Promise.all(work)
  }

  /** (W2) */
  async #tell(partition: Partition, row: RunRow, worker: string, reason: string): Promise<void> {
    const { epoch } = row
    try {
      if (!partition.acts || row.worker !== worker) this.#told.delete(row)
      else await this.loseHost(row.id, epoch, reason)
    } catch (error) {
      this.#told.delete(row) // (W3)
      this.#deps.logger.warn(
        { run: row.id, error },
        'a run could not be told that its host is gone; it is tried again',
      )
    }
  }

  /** Says to a run that the host of this epoch is gone. */
  loseHost(run: string, epoch: number, reason: string): Promise<Answer> {
    const at = this.#time.now()
    return applyToRun(this.#broker, this.#deps, run, judgeFlow({ type: 'HOST_LOST', at, epoch, reason }))
  }
}
