/**
 * The host: takes runs that want a worker, as slots are free, and hosts them until they end, are parked, are handed
 * back, or are taken away.
 *
 * Invariants
 * (Y1) A work item is acknowledged once its claim is in the log, or it has nothing to say any more. Stale and doubled
 *      items are acknowledged and forgotten.
 * (Y2) The address of a run is open before the run is claimed; what a message was lost for is found by the sweep.
 * (Y3) A run whose code only waits takes no slot: parents that wait for children cannot keep them from a worker.
 * (Y4) Nothing is claimed and no body begins while the lease is not fresh, or once the host is stopping.
 * (Y5) A host that dropped its runs because it took itself for lost, and then came back, gives them back in the log:
 *      its lease may never have lapsed for anybody else, so nobody else would.
 */

import type { Broker, Subscription } from '../broker/index.ts'
import { CallboardError, type Deps, mintId, type Service, service, type Timer } from '../core/index.ts'
import { untilAnswered } from './append.ts'
import { applyToRun } from './apply.ts'
import type { Runner } from './channel.ts'
import { type Claim, claimNew, claimRun } from './claim.ts'
import { ClaimLoop } from './claim-loop.ts'
import { identify, type NewRun, recordOf } from './create-run.ts'
import { DueTimes } from './due-times.ts'
import { beginRun } from './fold.ts'
import type { HostContext } from './host-context.ts'
import type { HostedRun } from './hosted-run.ts'
import { LazyFlusher } from './lazy-flusher.ts'
import { CUT_OFF_MS, LEASE_MS, WorkerLease } from './lease.ts'
import { type WorkerFacts, workerAddress } from './messages.ts'
import { judgeFlow } from './rules.ts'
import type { RunState } from './run-state.ts'
import { asJson } from './shape.ts'
import { createSlots } from './slot-client.ts'
import type { SlotHolder } from './slots.ts'
import type { TaskCalls } from './task-calls.ts'

export interface HostSettings {
  /** Unique per start. Default: a fresh id. */
  readonly worker?: string
  /** Served in this order, strictly. None: only what `begin` and `take` are told. */
  readonly queues: readonly string[]
  /** Runs whose code may be busy at the same time. Default 100. */
  readonly slots?: number
  /** Runs in this process, those that only wait included. Default 10,000. */
  readonly maxHosted?: number
  /** Default 10 s; the same in the whole cluster. */
  readonly leaseMs?: number
  /** How long code may run on without a connection. Default 90 s. */
  readonly cutOffMs?: number
  /** After all code of a run has waited this long, it leaves the process. Default 30 s. */
  readonly parkAfterMs?: number
  /** How long a stop waits for bodies to end before it gives the runs back all the same. Default 10 s. */
  readonly drainMs?: number
}

export interface HostOptions {
  readonly broker: Broker
  readonly deps: Deps
  readonly runners: readonly Runner[]
  readonly settings: HostSettings
}

/** A run that was begun here. */
export interface Begun {
  readonly run: string
  /** It was there already (idempotency key). */
  readonly existing: boolean
  /**
   * Resolves when it is not hosted here any more (ended, parked, given back, taken away), with its state then.
   * Undefined when it is not hosted here.
   */
  readonly over: Promise<RunState> | undefined
}

export interface Host extends Service {
  readonly worker: string
  /** Runs hosted now. */
  readonly hosted: number
  /** Creates a run and hosts it here at once, without a queue. @throws as `createRun`; CB_E_STOPPED */
  begin(input: NewRun): Promise<Begun>
  /** Claims a run that wants a worker. `false` when it is not to be had. @throws as `openRun`; CB_E_STOPPED */
  take(run: string): Promise<boolean>
}

/** A host over a broker that is started. It must be started before it does anything. */
export function createHost(options: HostOptions): Host {
  const host = new RunHost(options)
  const life = service(`The host ${host.worker}`, { start: () => host.start(), stop: () => host.stop() })
  return {
    worker: host.worker,
    get hosted() {
      return host.hosted
    },
    begin: (input) => host.begin(input),
    take: async (run) => (await host.take(run)) === 'claimed',
    start: life.start,
    stop: life.stop,
  }
}

type Defaults = Required<Pick<HostSettings, 'drainMs' | 'maxHosted' | 'parkAfterMs' | 'slots'>>

const DEFAULTS: Defaults = { drainMs: 10_000, maxHosted: 10_000, parkAfterMs: 30_000, slots: 100 }
const SWEEP_MS = 5_000
/** Sweeps until each hosted run was looked at once. */
const SWEEPS = 12

interface Hosted {
  readonly run: HostedRun
  readonly address: Subscription
  over?: (state: RunState) => void
}

class RunHost {
  readonly worker: string
  readonly #broker: Broker
  readonly #deps: Deps
  readonly #settings: HostSettings & Defaults
  readonly #context: HostContext
  readonly #lease: WorkerLease
  readonly #loop: ClaimLoop
  readonly #runs = new Map<string, Hosted>()
  /** Runs dropped when the lease was lost, with their epochs (Y5). */
  readonly #dropped = new Map<string, number>()
  readonly #ended = new AbortController()
  readonly #claims = new Map<string, Promise<Claim['is']>>()
  readonly #startedAt: number
  #phase: 'new' | 'started' | 'stopping' = 'new'
  #waiting = 0
  #address: Subscription | undefined
  #sweep: { readonly timer: Timer; readonly count: number } | undefined
  #whenEmpty: (() => void) | undefined

  constructor({ broker, deps, runners, settings }: HostOptions) {
    this.worker = settings.worker ?? mintId(deps)
    this.#broker = broker
    this.#deps = { ...deps, logger: deps.logger.child({ worker: this.worker }) }
    this.#settings = { ...DEFAULTS, ...settings }
    this.#startedAt = deps.clock.now()
    this.#lease = new WorkerLease({
      broker,
      deps: this.#deps,
      worker: this.worker,
      leaseMs: settings.leaseMs ?? LEASE_MS,
      cutOffMs: settings.cutOffMs ?? CUT_OFF_MS,
      facts: () => this.#facts(),
      lost: (reason) => {
        for (const { run } of this.#runs.values()) this.#dropped.set(run.id, run.log.state.flow.context.epoch)
        this.#fenceAll(`this worker takes itself for lost: ${reason}`)
      },
      regained: () => this.#regained(),
    })
    this.#context = {
      broker,
      deps: this.#deps,
      worker: this.worker,
      runners,
      flusher: new LazyFlusher(deps.clock),
      dueTimes: new DueTimes(deps.clock),
      slots: createSlots({
        bus: broker.bus,
        deps: this.#deps,
        worker: this.worker,
        onGranted: (holder) => this.#tasksOf(holder)?.slotGranted(holder.task ?? ''),
        onDenied: (holder, reason) => this.#tasksOf(holder)?.slotDenied(holder.task ?? '', reason),
        onLost: (holder) => this.#deps.logger.warn({ holder }, 'the lease of a concurrency slot ran out'),
      }),
      parkAfterMs: this.#settings.parkAfterMs,
      mayBegin: () => this.#mayBegin,
    }
    this.#loop = new ClaimLoop({
      queue: broker.queue,
      deps: this.#deps,
      queues: settings.queues,
      room: () => this.#room,
      claim: (run) => this.take(run),
    })
  }

  get hosted(): number {
    return this.#runs.size
  }

  async start(): Promise<void> {
    await this.#lease.start()
    this.#address = await this.#broker.bus.subscribe(workerAddress(this.worker), () => asJson(this.#facts()))
    this.#context.slots.start()
    this.#phase = 'started'
    this.#armSweep(0)
    this.#loop.start()
  }

  /** Nothing new begins; what runs may end within `drainMs`; the rest is given back. */
  async stop(): Promise<void> {
    this.#phase = 'stopping'
    await this.#loop.stop()
    await Promise.allSettled(this.#claims.values())
    await this.#drain()
    this.#sweep?.timer.cancel()
    this.#ended.abort()
    this.#fenceAll('its host has stopped')
    await this.#context.slots.stop()
    this.#context.flusher.stop()
    this.#context.dueTimes.clear()
    await this.#address?.stop()
    await this.#lease.stop()
  }

  async begin(input: NewRun): Promise<Begun> {
    this.#checkStarted()
    const { run, isBound } = await identify(this.#broker, this.#deps, input)
    if (isBound && (await this.#broker.log.last(run)) !== undefined) {
      await this.take(run)
      return { run, existing: true, over: this.#overOf(run) }
    }
    const record = await recordOf(this.#broker, this.#deps, run, input)
    // No worker need be called, this one has it. If it dies before the claim is written, nothing is written.
    const created = { ...record, fx: record.fx.filter((effect) => effect.do !== 'enqueue') }
    const state = beginRun(run, created, { rev: 0, at: record.at })
    const over = this.#adopt(await claimNew(this.#context, state, created, this.#hooks))
    return { run, existing: false, over }
  }

  /** One claim of a run at a time: a doubled item meets the claim that is under way. */
  take(run: string): Promise<Claim['is']> {
    this.#checkStarted()
    const underWay = this.#claims.get(run)
    if (underWay !== undefined) return underWay
    const claim = this.#claim(run).finally(() => {
      this.#claims.delete(run)
      this.#loop.wake()
    })
    this.#claims.set(run, claim)
    return claim
  }

  // ── claiming

  get #mayBegin(): boolean {
    return this.#phase === 'started' && this.#lease.isFresh // (Y4)
  }

  get #room(): number {
    if (!this.#mayBegin) return 0
    const { slots, maxHosted } = this.#settings
    const busy = this.#runs.size - this.#waiting // (Y3)
    return Math.min(slots - busy, maxHosted - this.#runs.size)
  }

  async #claim(run: string): Promise<Claim['is']> {
    const before = this.#runs.get(run)?.run
    if (before !== undefined) {
      await before.log.refresh() // was it taken from us, and wants a worker again?
      if (!before.isOver) return 'stale'
    }
    const claim = await claimRun(this.#context, run, this.#hooks)
    if (claim.is === 'not-served')
      this.#deps.logger.warn(
        { run, flow: claim.flow },
        `flow ${claim.flow} is not served here, but its runs wait in a queue that is`,
      )
    this.#adopt(claim)
    return claim.is
  }

  get #hooks() {
    return {
      over: (run: HostedRun) => this.#runOver(run),
      changed: (run: HostedRun) => this.#runChanged(run),
    }
  }

  /** Keeps a claimed run for as long as it is hosted. */
  #adopt(claim: Claim): Promise<RunState> | undefined {
    if (claim.is !== 'claimed') return undefined
    const { address, run } = claim
    if (run.isOver) {
      void address.stop()
      return Promise.resolve(run.log.state)
    }
    this.#runs.set(run.id, { run, address })
    if (run.isWaiting) this.#waiting++
    return this.#overOf(run.id)
  }

  #overOf(run: string): Promise<RunState> | undefined {
    const hosted = this.#runs.get(run)
    if (hosted === undefined) return undefined
    return new Promise((resolve) => {
      const before = hosted.over
      hosted.over = (state) => {
        before?.(state)
        resolve(state)
      }
    })
  }

  #runOver(run: HostedRun): void {
    const hosted = this.#runs.get(run.id)
    if (hosted?.run !== run) return // not adopted yet
    this.#runs.delete(run.id)
    if (run.isWaiting) this.#waiting--
    hosted.address.stop().catch((error) => {
      this.#deps.logger.debug({ run: run.id, error }, 'the address of a run was not closed in good order')
    })
    hosted.over?.(run.log.state)
    this.#loop.wake()
    if (this.#runs.size === 0) this.#whenEmpty?.()
  }

  #runChanged(run: HostedRun): void {
    if (this.#runs.get(run.id)?.run !== run) return
    this.#waiting += run.isWaiting ? 1 : -1
    if (run.isWaiting) this.#loop.wake()
  }

  #tasksOf({ run, task }: SlotHolder): TaskCalls | undefined {
    return task === undefined ? undefined : this.#runs.get(run)?.run.execution?.tasks
  }

  // ── the lease, and looking after what may have been missed

  #fenceAll(reason: string): void {
    for (const { run } of [...this.#runs.values()]) run.fence(reason)
  }

  #regained(): void {
    for (const [run, epoch] of this.#dropped) void this.#giveUp(run, epoch)
    for (const { run } of this.#runs.values()) {
      void run.log.refresh()
      run.proceed()
    }
    this.#loop.wake()
  }

  /** (Y5) */
  async #giveUp(run: string, epoch: number): Promise<void> {
    const release = judgeFlow({ type: 'RELEASE', at: this.#deps.clock.now(), epoch })
    try {
      await untilAnswered(this.#deps, this.#ended.signal, () =>
        applyToRun(this.#broker, this.#deps, run, release),
      )
      if (this.#dropped.get(run) === epoch) this.#dropped.delete(run)
    } catch (error) {
      this.#deps.logger.warn({ run, error }, 'a run that was dropped could not be given back')
    }
  }

  /** (Y2) A slice of the runs each time, so that it never costs much at once. */
  #armSweep(count: number): void {
    const timer = this.#deps.clock.setTimer(
      SWEEP_MS,
      () => {
        let place = 0
        for (const { run } of this.#runs.values()) {
          if (place++ % SWEEPS !== count % SWEEPS) continue
          void run.log.refresh()
          run.execution?.children.lookAtAll()
        }
        this.#armSweep(count + 1)
      },
      { ref: false },
    )
    this.#sweep = { timer, count }
  }

  // ── stopping

  async #drain(): Promise<void> {
    if (this.#runs.size === 0) return
    for (const { run } of [...this.#runs.values()]) run.drain({ now: false })
    await new Promise<void>((resolve) => {
      if (this.#runs.size === 0) return resolve()
      const late = this.#deps.clock.setTimer(this.#settings.drainMs, () => {
        for (const { run } of [...this.#runs.values()]) run.drain({ now: true })
      })
      // The broker may be away: then the runs are left to be recovered.
      const tooLate = this.#deps.clock.setTimer(this.#settings.drainMs * 1.5 + 1_000, () => resolve())
      this.#whenEmpty = () => {
        late.cancel()
        tooLate.cancel()
        resolve()
      }
    })
  }

  #checkStarted(): void {
    if (this.#phase !== 'started')
      throw new CallboardError(
        'CB_E_STOPPED',
        `The host ${this.worker} ${this.#phase === 'new' ? 'is not started yet' : 'is stopping'}: it takes no runs.`,
      )
  }

  #facts(): WorkerFacts {
    return {
      worker: this.worker,
      queues: this.#settings.queues,
      slots: this.#settings.slots,
      hosted: this.#runs.size,
      startedAt: this.#startedAt,
    }
  }
}
