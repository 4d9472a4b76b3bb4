/**
 * A worker as the process it is in: its logger and its broker, its signals, its exit code.
 *
 * Invariants
 * (Q1) The first SIGTERM or SIGINT stops it in good order; the second ends it at once, with all code it runs.
 * (Q2) A broker that is not there yet is waited for: a worker may be started before it.
 */

import { type Broker, openBroker } from '../broker/index.ts'
import {
  createLogger,
  type Deps,
  isCallboardError,
  type Logger,
  messageOf,
  sleep,
  systemDeps,
} from '../core/index.ts'
import type { WorkerOptions } from './options.ts'
import { createWorker } from './worker.ts'

export interface WorkerProcessOptions
  extends Pick<
    WorkerOptions,
    | 'settings'
    | 'pool'
    | 'queues'
    | 'limit'
    | 'infrastructure'
    | 'name'
    | 'runOnce'
    | 'drainMs'
    | 'healthcheckPort'
    | 'spares'
    | 'scheduler'
  > {
  /** Default: one as the settings say, to standard error. */
  readonly logger?: Logger
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const
/** Between two tries to reach the broker; at most. */
const LONGEST_WAIT_MS = 10_000

/**
 * Runs a worker until it is done or a signal comes. Resolves with the exit code: 0 when it ended in good order, 1 when it
 * could not start; what was wrong is in its log. A second signal ends the process with 128 and the signal's number.
 */
export async function runWorkerProcess({ logger: given, ...options }: WorkerProcessOptions): Promise<number> {
  const { settings } = options
  const base = systemDeps()
  const { loggingFormat: format, loggingLevel: level } = settings
  const logger = given ?? (await createLogger({ level, format, clock: base.clock }))
  const deps: Deps = { ...base, logger }
  const signals = hearSignals(logger)
  let broker: Broker | undefined
  try {
    broker = await reachBroker(settings.brokerUrl, deps, signals.aborted)
    if (broker === undefined) return 0
    const worker = createWorker({ ...options, broker, deps })
    const started = worker.start()
    await Promise.race([started.then(() => worker.done), signals.came])
    await worker.stop()
    await started
    return 0
  } catch (error) {
    logger.error({ error, name: 'callboard.worker' }, `The worker cannot go on: ${messageOf(error)}`)
    return 1
  } finally {
    await broker?.stop()
    signals.stop()
  }
}

/** (Q1) */
function hearSignals(logger: Logger) {
  const first = new AbortController()
  const came = new Promise<void>((resolve) => {
    first.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const heard = (signal: keyof typeof SIGNALS) => {
    if (first.signal.aborted) process.exit(128 + SIGNALS[signal])
    logger.info({ name: 'callboard.worker' }, `${signal}: stopping; once more ends it at once`)
    first.abort()
  }
  const names = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]
  for (const name of names) process.on(name, heard)
  return {
    came,
    aborted: first.signal,
    stop() {
      for (const name of names) process.off(name, heard)
    },
  }
}

/** (Q2) Undefined when the signal fired meanwhile. */
async function reachBroker(url: string, deps: Deps, signal: AbortSignal): Promise<Broker | undefined> {
  for (let waitMs = 1_000; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    const broker = await openBroker(url, deps)
    try {
      await broker.start()
      return broker
    } catch (error) {
      if (!isCallboardError(error, 'CB_E_BROKER_UNREACHABLE')) throw error
      deps.logger.warn(
        { name: 'callboard.worker' },
        `${messageOf(error)} It is tried again in ${waitMs / 1_000} s`,
      )
    }
    await sleep(deps.clock, waitMs, signal).catch(() => {})
    if (signal.aborted) return undefined
  }
}
