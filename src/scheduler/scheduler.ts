/**
 * A scheduler: a member of those who share the partitions of a cluster. This file puts its parts together; each has its
 * own invariants. Start one in every process that may hold partitions; who holds what they settle among themselves.
 *
 *   leases ──▶ partition (chart, table, checkpoint) ◀── one following of the log for all of them
 *                 │
 *                 ├─ performer: queue items, words to hosts, parents and children
 *                 ├─ timers: fired when due
 *                 ├─ lost workers, sweep, retention, wishes for slots: over everything held
 *                 └─ keeper of slots: with partition 0
 */

import { SLOT_RENEW_MS } from '../actors/index.ts'
import type { Broker } from '../broker/index.ts'
import { type Deps, PARTITIONS, partitionOf, type Service, SteadyClock, service } from '../core/index.ts'
import { fireTimer } from './fire.ts'
import { SharedFollowing } from './following.ts'
import { Leases } from './leases.ts'
import { Gate, within } from './limiter.ts'
import { LostWorkers } from './lost-workers.ts'
import { type ResolvedOptions, resolveOptions, type SchedulerOptions } from './options.ts'
import { Partition } from './partition.ts'
import { Performer } from './performer.ts'
import { type Repeated, repeat } from './repeat.ts'
import { Retention } from './retention.ts'
import { renewWishes, SlotKeeper } from './slots/index.ts'
import { Sweep } from './sweep.ts'
import { Timers } from './timers.ts'

/** How a scheduler is doing, for display. */
export interface SchedulerStatus {
  readonly id: string
  /** Partitions held, and those being taken over or let go. */
  readonly holding: readonly number[]
  readonly changing: readonly number[]
  /** Runs that are not terminal, in what is held. */
  readonly runs: number
  readonly timers: { readonly near: number; readonly firing: number; readonly fired: number }
  /** Present on the keeper of slots. */
  readonly slots?: { readonly holders: number; readonly waiters: number }
}

export interface Scheduler extends Service {
  readonly id: string
  status(): SchedulerStatus
  /** Calls back when a partition was taken over, let go or lost; returns what ends that. */
  onChange(handler: (status: SchedulerStatus) => void): () => void
  /** Does one sweep now. */
  sweep(): Promise<void>
  /** Archives what is old enough now; resolves with how many runs that were. */
  retain(): Promise<number>
}

/** How long a stop waits for the partitions to be handed over. */
const STOP_WITHIN_MS = 15_000

/**
 * Makes a scheduler on a broker that is started, and is stopped after it.
 *
 * `start` resolves when it takes part and has the partitions that were free for it; it may still be taking them over.
 * `stop` lets go of everything, so that the next holder can take over at once.
 */
export function createScheduler(broker: Broker, deps: Deps, options: SchedulerOptions = {}): Scheduler {
  const resolved = resolveOptions(options, deps)
  const parts = new Parts(
    broker,
    { ...deps, logger: deps.logger.child({ scheduler: resolved.id }) },
    resolved,
  )
  return {
    id: resolved.id,
    ...service(`The scheduler ${resolved.id}`, { start: () => parts.start(), stop: () => parts.stop() }),
    status: () => parts.status(),
    onChange: (handler) => parts.onChange(handler),
    sweep: () => parts.sweep.run(),
    retain: () => parts.retain(),
  }
}

class Parts {
  readonly sweep: Sweep
  readonly #broker: Broker
  readonly #deps: Deps
  readonly #options: ResolvedOptions
  readonly #time: SteadyClock
  readonly #gate: Gate
  readonly #timers: Timers
  readonly #following: SharedFollowing
  readonly #leases: Leases
  readonly #workers: LostWorkers
  readonly #retention: Retention | undefined
  readonly #partitions: readonly Partition[]
  readonly #handlers = new Set<(status: SchedulerStatus) => void>()
  #repeated: Repeated[] = []
  #keeper: SlotKeeper | undefined

  constructor(broker: Broker, deps: Deps, options: ResolvedOptions) {
    this.#broker = broker
    this.#deps = deps
    this.#options = options
    this.#time = new SteadyClock(deps)
    this.#gate = new Gate(options.atOnce)
    this.#following = new SharedFollowing(broker.log, deps)
    const partitions = () => this.#acting()
    const { horizonMs, rescanMs, atOnce, retentionMs } = options
    this.#timers = new Timers(deps, this.#time, {
      horizonMs,
      rescanMs,
      atOnce,
      all: () => this.#armed(),
      fire: (timer, lateMs) =>
        this.#gate.pass(() => fireTimer(broker, deps, this.#time, this.#of(timer.row.id), timer, lateMs)),
    })
    this.#leases = this.#makeLeases()
    this.#workers = new LostWorkers(broker, deps, this.#time, {
      leaseMs: options.workerLeaseMs,
      pingEveryMs: options.pingEveryMs,
      gate: this.#gate,
      partitions,
      gone: (worker) => this.#keeper?.workerLost(worker),
    })
    this.#partitions = this.#makePartitions()
    this.sweep = new Sweep({
      broker,
      deps,
      time: this.#time,
      claimWithinMs: options.claimWithinMs,
      partitions,
      isAlive: (worker) => this.#workers.isLeased(worker),
      loseHost: (run, epoch, reason) => this.#workers.loseHost(run, epoch, reason),
      addTimer: (timer) => this.#timers.add(timer),
    })
    if (retentionMs !== null)
      this.#retention = new Retention({ broker, deps, time: this.#time, keepMs: retentionMs, partitions })
  }

  async start(): Promise<void> {
    try {
      this.#timers.start()
      await this.#workers.start()
      await this.#leases.start()
      this.#startRepeating()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Lets everything go, in the order in which it depends on each other. */
  async stop(): Promise<void> {
    await Promise.all(this.#repeated.map((each) => each.stop()))
    await this.#retention?.stop()
    this.#leases.leave()
    const handedOver = Promise.all(this.#partitions.map((partition) => this.#letGo(partition)))
    if (!(await within(this.#deps.clock, STOP_WITHIN_MS, handedOver)))
      this.#deps.logger.warn({}, 'some partitions could not be handed over in time; their leases run out')
    await this.#stopKeeper()
    await this.#workers.stop()
    await this.#following.stop()
    await this.#leases.stop()
    for (const partition of this.#partitions) partition.send({ type: 'LOST' })
    await this.#timers.stop()
  }

  status(): SchedulerStatus {
    const inState = (...states: readonly Partition['state'][]) =>
      this.#partitions.filter(({ state }) => states.includes(state)).map(({ partition }) => partition)
    const status = {
      id: this.#options.id,
      holding: inState('holding'),
      changing: inState('takingOver', 'lettingGo'),
      runs: this.#partitions.reduce((sum, { table }) => sum + table.size, 0),
      timers: this.#timers.counts,
    }
    return this.#keeper === undefined ? status : { ...status, slots: this.#keeper.counts }
  }

  onChange(handler: (status: SchedulerStatus) => void): () => void {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  async retain(): Promise<number> {
    return (await this.#retention?.run()) ?? 0
  }

  // ── what is held

  #of(run: string): Partition {
    return this.#partitions[partitionOf(run)] as Partition
  }

  *#acting(): Iterable<Partition> {
    for (const partition of this.#partitions) if (partition.acts) yield partition
  }

  *#armed() {
    for (const partition of this.#acting()) yield* partition.timers()
  }

  #makePartitions(): readonly Partition[] {
    const edge = {
      broker: this.#broker,
      deps: this.#deps,
      performer: new Performer(this.#broker, this.#deps),
      timers: this.#timers,
      following: this.#following,
      checkpointEvery: this.#options.checkpointEvery,
      isLive: (partition: number) => this.#leases.isLive(partition),
      release: (partition: number) => this.#leases.release(partition),
      changed: (partition: Partition) => this.#changed(partition),
    }
    return Array.from({ length: PARTITIONS }, (_, partition) => new Partition(partition, edge))
  }

  #makeLeases(): Leases {
    const { id, preferred, leaseMs, balanceEveryMs } = this.#options
    const send = (partition: number, type: 'ACQUIRED' | 'LOST' | 'LET_GO') =>
      this.#partitions[partition]?.send({ type })
    return new Leases(
      this.#broker.kv,
      this.#deps,
      { self: { id, preferred }, ttlMs: leaseMs, balanceEveryMs },
      {
        acquired: (partition) => send(partition, 'ACQUIRED'),
        lost: (partition) => send(partition, 'LOST'),
        surplus: (partition) => send(partition, 'LET_GO'),
        stamped: (brokerAt, sentAt, doneAt) => this.#time.observe(brokerAt, sentAt, doneAt),
      },
    )
  }

  #letGo(partition: Partition): Promise<void> {
    return new Promise((resolve) => {
      const isDone = () => partition.state === 'standby'
      partition.send({ type: 'LET_GO' })
      if (isDone()) return resolve()
      const end = this.onChange(() => {
        if (!isDone()) return
        end()
        resolve()
      })
    })
  }

  #changed(partition: Partition): void {
    const { state } = partition
    this.#deps.logger.debug({ partition: partition.partition, state }, 'a partition has changed hands')
    if (partition.partition === 0) this.#keepOrNot(partition)
    if (this.#handlers.size === 0) return
    const status = this.status()
    for (const handler of [...this.#handlers]) handler(status)
  }

  // ── the keeper of slots

  #keepOrNot(partition: Partition): void {
    if (partition.state !== 'holding') {
      void this.#stopKeeper()
      return
    }
    const keeper = new SlotKeeper(this.#broker, this.#deps, {
      time: this.#time,
      workers: () => this.#workers.leased,
      isOurs: () => partition.acts,
    })
    this.#keeper = keeper
    keeper.start().catch((error) => {
      if (this.#keeper !== keeper) return // it was stopped meanwhile
      this.#deps.logger.error(
        { error },
        'the keeper of slots could not begin; partition 0 is given to somebody else',
      )
      partition.send({ type: 'LET_GO' })
    })
  }

  async #stopKeeper(): Promise<void> {
    const keeper = this.#keeper
    this.#keeper = undefined
    await keeper?.stop().catch((error) => {
      this.#deps.logger.debug({ error }, 'the keeper of slots could not be stopped in good order')
    })
  }

  // ── now and then

  #startRepeating(): void {
    const { sweepEveryMs, retentionEveryMs, checkpointWithinMs, id } = this.#options
    const broker = this.#broker
    const deps = this.#deps
    const edge = { broker, deps, time: this.#time, gate: this.#gate, id, partitions: () => this.#acting() }
    this.#repeated = [
      repeat(deps, sweepEveryMs, 'the sweep', () => this.sweep.run()),
      repeat(deps, SLOT_RENEW_MS, 'renewing the wishes for slots', () => renewWishes(edge)),
      repeat(deps, checkpointWithinMs, 'writing checkpoints', async () => {
        for (const partition of this.#acting()) partition.checkpoint()
      }),
    ]
    if (this.#retention) this.#repeated.push(repeat(deps, retentionEveryMs, 'retention', () => this.retain()))
  }
}
