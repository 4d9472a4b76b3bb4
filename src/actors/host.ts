/**
 * The host: takes runs that want a worker, as slots are free, and hosts them until they end, are parked, are handed
 * back, or are taken away.
 *
 * Invariants
 * (Y1) A work item is acknowledged once its claim is in the log, or it has nothing to say any more. Stale and doubled
 *      items are acknowledged and forgotten.
 * (Y2) The address of a run is asked for before the run is claimed, and a run is hosted as soon as it is claimed; what a
 *      message was lost for is found by the sweep.
 * (Y3) A run whose code only waits takes no slot: parents that wait for children cannot keep them from a worker.
 * (Y4) Nothing is claimed and no body begins while the lease is not fresh, or once the host is stopping.
 * (Y5) A run that is let go of here although nobody has taken it is given back in the log.
 * (Y6) A jump of this machine's clock does not reach the logs: a moment that is in one is kept by hosts that come later.
 */

import type { Broker, Subscription } from '../broker/index.ts'
import {
  CallboardError,
  type Deps,
  isJsonObject,
  mintId,
  SteadyClock,
  service,
  settlesWithin,
  type Timer,
} from '../core/index.ts'
import { type Claim, claimNew, claimRun, type HostedHooks } from './claim.ts'
import { ClaimLoop } from './claim-loop.ts'
import { ClosingLogs } from './closing-logs.ts'
import { identify, type NewRun, recordOf } from './create-run.ts'
import { DroppedRuns } from './dropped-runs.ts'
import { DueTimes } from './due-times.ts'
import type { QueueItem, WorkItem } from './effects.ts'
import { ErrandsIn } from './errands-in.ts'
import { beginRun } from './fold.ts'
import type { HostContext } from './host-context.ts'
import {
  type Begun,
  HOST_DEFAULTS,
  type Host,
  type HostDefaults,
  type HostOptions,
  type HostSettings,
} from './host-options.ts'
import { HostedRuns } from './hosted-runs.ts'
import { LazyFlusher } from './lazy-flusher.ts'
import { CUT_OFF_MS, LEASE_MS, WorkerLease } from './lease.ts'
import { Leavers } from './leavers.ts'
import { type WorkerFacts, workerAddress } from './messages.ts'
import type { RunState } from './run-state.ts'
import { asJson } from './shape.ts'
import { createSlots } from './slot-client.ts'
import type { SlotHolder } from './slots.ts'
import type { TaskCalls } from './task-calls.ts'

export type { Begun, Host, HostOptions, HostSettings } from './host-options.ts'

/** A host over a broker that is started. It must be started before it does anything. */
export function createHost(options: HostOptions): Host {
  const host = new RunHost(options)
  const life = service(`The host ${host.worker}`, { start: () => host.start(), stop: () => host.stop() })
  return {
    worker: host.worker,
    get hosted() {
      return host.hosted
    },
    get busy() {
      return host.busy
    },
    get isIdle() {
      return host.isIdle
    },
    get hasLease() {
      return host.hasLease
    },
    get isDraining() {
      return host.isDraining
    },
    serve: (queues) => host.serve(queues),
    drain: () => host.drain(),
    begin: (input) => host.begin(input),
    take: async (run) => (await host.take(run)) === 'claimed',
    start: life.start,
    stop: life.stop,
  }
}

const SWEEP_MS = 5_000
/** Sweeps until each hosted run was looked at once. */
const SWEEPS = 12
/** What stopping waits for the broker, beyond the time that runs are given. */
const LATE_MS = 1_000

class RunHost {
  readonly worker: string
  readonly #options: HostOptions
  readonly #broker: Broker
  readonly #deps: Deps
  readonly #settings: HostSettings & HostDefaults
  readonly #context: HostContext
  readonly #lease: WorkerLease
  readonly #loop: ClaimLoop
  readonly #runs: HostedRuns
  readonly #dropped: DroppedRuns
  readonly #errands: ErrandsIn
  readonly #claims = new Map<string, Promise<Claim['is']>>()
  readonly #startedAt: number
  #phase: 'new' | 'started' | 'stopping' = 'new'
  #isDraining = false
  #address: Subscription | undefined
  #sweepTimer: Timer | undefined

  constructor(options: HostOptions) {
    const { broker, deps, runners, settings, limitsOf } = options
    this.#options = options
    this.worker = settings.worker ?? mintId(deps)
    this.#broker = broker
    const logger = deps.logger.child({ worker: this.worker })
    const time = new SteadyClock({ clock: deps.clock, logger })
    this.#deps = { ...deps, clock: time.asClock(), logger } // (Y6)
    this.#settings = { ...HOST_DEFAULTS, ...settings }
    this.#startedAt = deps.clock.now()
    this.#runs = new HostedRuns(this.#deps.logger, () => this.#freed())
    this.#dropped = new DroppedRuns(broker, this.#deps)
    this.#lease = new WorkerLease({
      broker,
      deps: this.#deps,
      worker: this.worker,
      leaseMs: settings.leaseMs ?? LEASE_MS,
      cutOffMs: settings.cutOffMs ?? CUT_OFF_MS,
      facts: () => this.#facts(),
      lost: (reason) => this.#lost(reason),
      regained: () => this.#regained(),
      stamped: (...times) => time.observe(...times),
    })
    const dueTimes = new DueTimes(deps.clock)
    this.#context = {
      broker,
      deps: this.#deps,
      worker: this.worker,
      runners,
      flusher: new LazyFlusher(deps.clock),
      dueTimes,
      closing: new ClosingLogs(this.#deps),
      leavers: new Leavers(this.#deps, dueTimes, () => this.#freed()),
      slots: createSlots({
        bus: broker.bus,
        deps: this.#deps,
        worker: this.worker,
        onGranted: (holder) => this.#tasksOf(holder)?.slotGranted(holder.task ?? ''),
        onDenied: (holder, denial) => this.#tasksOf(holder)?.slotDenied(holder.task ?? '', denial),
        onLost: (holder) => this.#deps.logger.warn({ holder }, 'the lease of a concurrency slot ran out'),
      }),
      limitsOf: (created) => [...created.policy.limits, ...(limitsOf?.(created) ?? [])],
      parkAfterMs: this.#settings.parkAfterMs,
      leaseMs: settings.leaseMs ?? LEASE_MS,
      mayBegin: () => this.#mayBegin,
    }
    this.#errands = new ErrandsIn(this.#context, () => this.#freed())
    this.#loop = new ClaimLoop({
      queue: broker.queue,
      deps: this.#deps,
      queues: settings.queues,
      room: () => this.#room,
      claim: async (work) => (this.#mayBegin ? this.#takeItem(work) : 'not-now'),
      gaveUp: async (work) => ('errand' in work ? this.#errands.giveUp(work.errand) : undefined),
    })
  }

  get hosted(): number {
    return this.#runs.size + this.#errands.size
  }

  get busy(): number {
    return this.#runs.busy + this.#errands.size
  }

  get isIdle(): boolean {
    return this.hosted === 0 && this.#claims.size === 0
  }

  get hasLease(): boolean {
    return this.#lease.isFresh
  }

  get isDraining(): boolean {
    return this.#isDraining || this.#phase === 'stopping'
  }

  serve(queues: readonly string[]): void {
    this.#loop.serve(queues)
    this.#lease.tell()
  }

  drain(): void {
    this.#isDraining = true
    this.serve([])
    this.#options.changed?.()
  }

  async start(): Promise<void> {
    await this.#lease.start()
    this.#address = await this.#broker.bus.subscribe(workerAddress(this.worker), ({ value }) => {
      if (isJsonObject(value) && value.op === 'drain') this.#options.toldToDrain?.()
      this.#errands.dropped(value)
      return asJson(this.#facts())
    })
    this.#context.slots.start()
    this.#phase = 'started'
    this.#armSweep(0)
    this.#loop.start()
    this.#options.changed?.()
  }

  /** Nothing new begins; what runs may end within `drainMs`; the rest is given back. */
  async stop(): Promise<void> {
    this.#phase = 'stopping'
    this.#lease.tell()
    this.#options.changed?.()
    await this.#loop.stop()
    await Promise.allSettled(this.#claims.values())
    await this.#drain()
    this.#sweepTimer?.cancel()
    this.#dropped.stop()
    this.#errands.stop()
    for (const run of this.#runs.all()) run.fence('its host has stopped')
    await this.#context.leavers.stop()
    await this.#context.closing.stop(this.#settings.drainMs + LATE_MS)
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
      return { run, existing: true, over: this.#runs.overOf(run) }
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
    return this.#take({ run })
  }

  #takeItem(work: QueueItem): Promise<Claim['is']> {
    return 'errand' in work ? this.#errands.take(work.errand) : this.#take(work)
  }

  #take(work: WorkItem): Promise<Claim['is']> {
    this.#checkStarted()
    const { run } = work
    const underWay = this.#claims.get(run)
    if (underWay !== undefined) return underWay
    const claim = this.#claim(work).finally(() => {
      this.#claims.delete(run)
      this.#freed()
    })
    this.#claims.set(run, claim)
    return claim
  }

  // ── claiming

  #freed(): void {
    this.#loop.wake()
    this.#options.changed?.()
  }

  get #mayBegin(): boolean {
    return this.#phase === 'started' && this.#lease.isFresh // (Y4)
  }

  get #room(): number {
    if (!this.#mayBegin || this.#isDraining) return 0
    const { slots, maxHosted } = this.#settings
    const taken = this.busy + this.#context.leavers.size
    return Math.min(slots - taken, maxHosted - this.#runs.size) // (Y3)
  }

  async #claim(work: WorkItem): Promise<Claim['is']> {
    const { run } = work
    const before = this.#runs.get(run)
    if (before !== undefined) {
      await before.log.refresh() // was it taken from us, and wants a worker again?
      if (!before.isOver) return 'stale'
    }
    const claim = await claimRun(this.#context, work, this.#hooks)
    if (claim.is === 'not-served')
      this.#deps.logger.warn(
        { run, flow: claim.flow },
        `flow ${claim.flow} is not served here, but its runs wait in a queue that is`,
      )
    void this.#adopt(claim)
    return claim.is
  }

  #adopt(claim: Claim): Promise<RunState> | undefined {
    return claim.is === 'claimed' ? this.#runs.add(claim.run, claim.address) : undefined
  }

  get #hooks(): HostedHooks {
    return {
      changed: (run) => this.#runs.changed(run),
      over: (run, broken) => {
        this.#runs.remove(run)
        if (broken === undefined || run.epoch === undefined) return
        const at = this.#deps.clock.now()
        this.#dropped.add(run.id, { type: 'HOST_LOST', at, epoch: run.epoch, reason: broken.message })
        this.#dropped.giveBack() // (Y5)
      },
    }
  }

  #tasksOf({ run, task }: SlotHolder): TaskCalls | undefined {
    return task === undefined ? undefined : this.#runs.get(run)?.execution?.tasks
  }

  // ── the lease, and looking after what may have been missed

  #lost(reason: string): void {
    const at = this.#deps.clock.now()
    for (const run of this.#runs.all()) {
      if (run.epoch !== undefined) this.#dropped.add(run.id, { type: 'RELEASE', at, epoch: run.epoch })
      run.fence(`this worker takes itself for lost: ${reason}`)
    }
    this.#errands.fence()
    this.#options.changed?.()
  }

  #regained(): void {
    this.#dropped.giveBack() // (Y5)
    for (const run of this.#runs.all()) {
      void run.log.refresh()
      run.proceed()
    }
    this.#freed()
  }

  /** (Y2) A slice of the runs each time, so that it never costs much at once. */
  #armSweep(count: number): void {
    const sweep = () => {
      for (const [place, run] of this.#runs.all().entries()) {
        if (place % SWEEPS !== count % SWEEPS) continue
        void run.log.refresh()
        run.execution?.children.lookAtAll()
      }
      this.#armSweep(count + 1)
    }
    this.#sweepTimer = this.#deps.clock.setTimer(SWEEP_MS, sweep, { ref: false })
  }

  // ── stopping

  async #drain(): Promise<void> {
    const { clock } = this.#deps
    const { drainMs } = this.#settings
    for (const run of this.#runs.all()) run.drain({ now: false })
    const late = clock.setTimer(drainMs, () => {
      for (const run of this.#runs.all()) run.drain({ now: true })
      this.#errands.giveBack()
    })
    // The broker may be away: then the runs are left to be recovered.
    const empty = Promise.all([this.#runs.empty(), this.#errands.empty()])
    await settlesWithin(clock, drainMs * 1.5 + LATE_MS, empty)
    late.cancel()
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
      ...this.#options.about?.(),
      worker: this.worker,
      status: this.isDraining ? 'draining' : 'ready',
      queues: this.#loop.queues,
      slots: this.#settings.slots,
      hosted: this.hosted,
      startedAt: this.#startedAt,
    }
  }
}
