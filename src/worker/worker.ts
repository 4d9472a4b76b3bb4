/**
 * A worker: joins the cluster, takes runs of one pool as it has room for them, and sees to it that their code runs.
 * The host does the hosting; this decides which queues it serves, what code runs on, and when it is over.
 *
 * Invariants
 * (W1) What it serves follows the catalogue: a queue that is paused, a pool that is, a new queue, another priority count
 *      at once. Queues are served strictly by priority, then by name.
 * (W2) Runs come last when it starts and go first when it stops: everything they need is there for as long as they are.
 */

import { hostname } from 'node:os'
import { createHost, type Host, type WorkerAbout } from '../actors/index.ts'
import {
  brokerQueue,
  type Catalog,
  DEFAULT_POOL,
  openCatalog,
  queueId,
  type WorkQueue,
} from '../catalog/index.ts'
import { CallboardError, type Deps, mintId, packageVersion, type Service, service } from '../core/index.ts'
import { createScheduler } from '../scheduler/index.ts'
import { CatalogView } from './catalog-view.ts'
import { HealthEndpoint } from './health.ts'
import type { Worker, WorkerOptions, WorkerState, WorkerStatus } from './options.ts'
import { checkPool } from './pool-check.ts'
import { CodeFinder, choosingRunner, type InfrastructureKind } from './run-code.ts'
import { untilNothingWaits } from './run-once.ts'
import { runnersOf } from './runners.ts'

const DEFAULT_LIMIT = 10
const DEFAULT_DRAIN_MS = 10_000
/** Runs that only wait take no slot, but each has its process or thread until it is parked. */
const MOST_WAITING = 200

/** @throws CB_E_OPTION_INVALID */
export function createWorker(options: WorkerOptions): Worker {
  const worker = new PoolWorker(options)
  const life = service(`The worker ${worker.name}`, {
    start: () => worker.start(),
    stop: () => worker.stop(),
  })
  return {
    ...life,
    status: () => worker.status(),
    onChange: (handler) => worker.onChange(handler),
    drain: () => worker.drain(),
    done: worker.done,
  }
}

class PoolWorker {
  readonly name: string
  readonly #id: string
  readonly #options: WorkerOptions
  readonly #deps: Deps
  readonly #catalog: Catalog
  readonly #pool: string
  readonly #limit: number
  readonly #view: CatalogView
  readonly #finder: CodeFinder
  readonly #host: Host
  readonly #processes: Service | undefined
  readonly #kinds: readonly InfrastructureKind[]
  readonly #startedAt: number
  readonly #done = Promise.withResolvers<void>()
  readonly #handlers = new Set<(status: WorkerStatus) => void>()
  #phase: 'new' | 'starting' | 'started' | 'stopping' | 'stopped' = 'new'
  #queues: readonly WorkQueue[] = []
  #health: HealthEndpoint | undefined
  #opened = new AsyncDisposableStack()
  readonly #ending = new AbortController()

  constructor(options: WorkerOptions) {
    const { broker, deps, settings } = options
    this.#options = options
    this.name = options.name ?? `${hostname()}-${process.pid}`
    this.#id = mintId(deps)
    this.#deps = { ...deps, logger: deps.logger.child({ name: 'callboard.worker' }) }
    this.#catalog = options.catalog ?? openCatalog(broker, deps)
    this.#pool = options.pool ?? DEFAULT_POOL
    this.#limit = limitOf(options)
    this.#startedAt = deps.clock.now()
    this.#view = new CatalogView(this.#catalog, () => this.#serve())
    this.#finder = new CodeFinder({
      broker,
      catalog: this.#catalog,
      deps: this.#deps,
      infrastructure: options.infrastructure,
      pool: () => this.#view.pool(this.#pool),
    })
    const isStopping = () => this.#phase !== 'started' || this.#host.isDraining
    const { processes, runners } = runnersOf(options, this.#pool, this.#finder, isStopping)
    this.#processes = processes
    this.#kinds = runners.map(({ kind }) => kind)
    this.#host = createHost({
      broker,
      deps: this.#deps,
      runners: [choosingRunner(this.#finder, new Map(runners.map((each) => [each.kind, each])), this.#usual)],
      settings: {
        worker: this.#id,
        queues: [],
        slots: this.#limit,
        ...(options.infrastructure === 'inline' ? {} : { maxHosted: this.#limit + MOST_WAITING }),
        leaseMs: settings.workerLease,
        parkAfterMs: settings.parkAfter,
        drainMs: options.drainMs ?? DEFAULT_DRAIN_MS,
      },
      about: () => this.#about(),
      limitsOf: (created) => this.#view.limitsOf(created),
      changed: () => this.#changed(),
      toldToDrain: () => void this.drain(),
    })
  }

  get done(): Promise<void> {
    return this.#done.promise
  }

  async start(): Promise<void> {
    this.#phase = 'starting'
    try {
      await this.#join()
    } catch (error) {
      this.#phase = 'stopped'
      throw error
    }
  }

  async #join(): Promise<void> {
    await using opened = new AsyncDisposableStack()
    const { broker, healthcheckPort, runOnce = false, scheduler, settings } = this.#options
    if (healthcheckPort !== undefined) {
      const health = new HealthEndpoint(healthcheckPort, () => this.#look())
      await startIn(opened, health)
      this.#health = health
      const line = `Worker '${this.name}' tells its health at http://localhost:${health.port}/health`
      this.#deps.logger.info({ port: health.port }, line)
    }
    await checkPool(this.#catalog, this.#deps, { pool: this.#pool, queues: this.#options.queues })
    await startIn(opened, this.#view)
    opened.defer(() => this.#finder.stop())
    if (this.#processes !== undefined) await startIn(opened, this.#processes)
    if (scheduler !== false) {
      const beside = { preferred: false, workerLeaseMs: settings.workerLease, ...scheduler }
      await startIn(opened, createScheduler(broker, this.#deps, beside))
    }
    opened.defer(broker.onStatus((status) => this.#brokerIs(status)))
    this.#serve()
    await startIn(opened, this.#host) // (W2)
    this.#opened = opened.move()
    this.#phase = 'started'
    this.#deps.logger.info({ worker: this.#id }, `Worker '${this.name}' started: ${this.#inWords()}`)
    if (runOnce) void this.#endOnce()
    this.#changed()
  }

  async stop(): Promise<void> {
    this.#phase = 'stopping'
    this.#ending.abort()
    const { hosted } = this.#host
    const { drainMs = DEFAULT_DRAIN_MS } = this.#options
    this.#deps.logger.info(
      { worker: this.#id },
      hosted === 0
        ? `Worker '${this.name}' stops`
        : `Worker '${this.name}' stops: ${hosted === 1 ? 'a run has' : `${hosted} runs have`} ${drainMs / 1_000} s to end before another worker goes on with what is left`,
    )
    await this.#opened.disposeAsync()
    this.#phase = 'stopped'
    this.#deps.logger.info({ worker: this.#id }, `Worker '${this.name}' stopped`)
    this.#done.resolve()
    this.#changed()
  }

  drain(): Promise<void> {
    if (!this.#host.isDraining && this.#phase === 'started') {
      this.#deps.logger.info(
        { worker: this.#id },
        `Worker '${this.name}' takes no more runs and ends with the last one it has`,
      )
      this.#host.drain()
    }
    return this.done
  }

  status(): WorkerStatus {
    const { busy, hosted } = this.#host
    return {
      state: this.#state,
      worker: this.#id,
      name: this.name,
      pool: this.#pool,
      queues: this.#queues.map(({ name }) => name),
      limit: this.#limit,
      busy,
      hosted,
      infrastructure: this.#usual,
      startedAt: this.#startedAt,
      ...(this.#health === undefined ? {} : { healthcheckPort: this.#health.port }),
    }
  }

  onChange(handler: (status: WorkerStatus) => void): () => void {
    this.#handlers.add(handler)
    return () => void this.#handlers.delete(handler)
  }

  // ── what it serves

  /** (W1) */
  #serve(): void {
    const { queues: named = [] } = this.#options
    const pool = this.#view.pool(this.#pool)
    const isOpen = pool !== undefined && !pool.paused
    const wanted = this.#view
      .queuesOf(this.#pool)
      .filter(({ name, paused }) => isOpen && !paused && (named.length === 0 || named.includes(name)))
    const isSame = wanted.map(queueId).join() === this.#queues.map(queueId).join()
    if (isSame) return
    this.#queues = wanted
    this.#host.serve(wanted.map(brokerQueue))
    if (this.#phase === 'started')
      this.#deps.logger.info(
        { worker: this.#id },
        `Worker '${this.name}' now serves ${queuesInWords(wanted)}`,
      )
    this.#changed()
  }

  // ── what code runs on

  get #usual(): InfrastructureKind {
    const { infrastructure } = this.#options
    return infrastructure ?? this.#view.pool(this.#pool)?.infrastructure?.type ?? 'process'
  }

  // ── how it is

  get #state(): WorkerState {
    if (this.#phase !== 'started') return this.#phase === 'stopping' ? 'draining' : this.#phase
    if (!this.#host.hasLease) return 'away'
    return this.#host.isDraining ? 'draining' : 'ready'
  }

  #changed(): void {
    if (this.#phase === 'started' && this.#host.isDraining && this.#host.isIdle) this.#done.resolve()
    const status = this.status()
    for (const handler of this.#handlers) handler(status)
  }

  async #endOnce(): Promise<void> {
    const queues = () => this.#queues.map(brokerQueue)
    await untilNothingWaits({
      queue: this.#options.broker.queue,
      deps: this.#deps,
      queues,
      isIdle: () => this.#host.isIdle,
      onChange: (handler) => this.onChange(handler),
      signal: this.#ending.signal,
    })
    if (!this.#ending.signal.aborted) this.#done.resolve()
  }

  #look() {
    const status = this.status()
    return { isHealthy: status.state === 'ready' || status.state === 'draining', facts: status }
  }

  #brokerIs(status: 'starting' | 'connected' | 'disconnected' | 'stopped'): void {
    const { logger } = this.#deps
    if (status === 'disconnected')
      logger.warn({}, 'The broker is away: what runs goes on, nothing new begins until it is back')
    if (status === 'connected') logger.info({}, 'The broker is back')
    this.#changed()
  }

  #about(): WorkerAbout {
    return {
      name: this.name,
      host: hostname(),
      pid: process.pid,
      version: packageVersion(),
      pools: [this.#pool],
      workQueues: this.#queues.map(queueId),
      infrastructure: this.#usual,
      capabilities: this.#kinds,
    }
  }

  #inWords(): string {
    return `pool ${this.#pool}, ${queuesInWords(this.#queues)}, limit ${this.#limit}, infrastructure ${this.#usual}`
  }
}

function queuesInWords(queues: readonly WorkQueue[]): string {
  const names = queues.map(({ name }) => name).join(', ')
  if (queues.length === 0) return 'no queue (all are paused)'
  return queues.length === 1 ? `queue ${names}` : `queues ${names}`
}

/** What is started here is stopped with the stack. */
async function startIn(opened: AsyncDisposableStack, part: Service): Promise<void> {
  opened.defer(() => part.stop())
  await part.start()
}

/** @throws CB_E_OPTION_INVALID */
function limitOf({ limit = DEFAULT_LIMIT }: WorkerOptions): number {
  if (Number.isSafeInteger(limit) && limit > 0) return limit
  throw new CallboardError(
    'CB_E_OPTION_INVALID',
    `The limit of a worker cannot be ${limit}: it must be a whole number, 1 or more.`,
  )
}
