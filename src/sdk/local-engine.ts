/**
 * The engine of a script: `node flow.ts`, with no server. Its broker is the one that the settings name, by default the
 * embedded one in the user's data folder; its lines go to standard error as people read them.
 *
 * Invariants
 * (J1) It opens with the first run and closes by itself soon after the last one: it never keeps a script from ending.
 * (J2) A signal ends the script as it would without an engine, unless the script listens to it; what it leaves is said.
 */

import { relative } from 'node:path'
import { openBroker } from '../broker/index.ts'
import {
  createLogger,
  type Deps,
  type Logger,
  loadSettings,
  ownQueue,
  quote,
  systemDeps,
  type Timer,
} from '../core/index.ts'
import { createEngine, type Engine } from './engine.ts'
import type { Environment } from './environment.ts'

/** After this long without a run it closes. */
const IDLE_MS = 100
/** How often it is looked whether anything runs. */
const LOOK_MS = 50
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

export async function openLocalEngine(closed: () => void): Promise<Engine> {
  const { settings } = await loadSettings()
  const base = systemDeps()
  const logger = await createLogger({
    level: settings.loggingLevel,
    format: settings.loggingFormat,
    clock: base.clock,
  })
  const deps: Deps = { ...base, logger }
  const quiet: Deps = { ...base, logger: quietly(logger) }
  const broker = await openBroker(settings.brokerUrl, quiet)
  await broker.start()
  const env: Environment = {
    deps,
    broker,
    settings: {
      logPrints: settings.loggingLogPrints,
      keepLevel: settings.loggingLevel,
      graceMs: settings.gracePeriod,
      lateAfterMs: settings.lateAfter,
      maxRecoveries: settings.maxRecoveries,
      taskRetries: 0,
      queue: ownQueue(deps),
      uiUrl: undefined,
    },
  }
  const engine = createEngine({
    env,
    quiet,
    countsStarted: true,
    host: { leaseMs: settings.workerLease, parkAfterMs: settings.parkAfter, drainMs: 1_000 },
    scheduler: { preferred: false, workerLeaseMs: settings.workerLease },
  })
  await engine.life.start()
  const listen = listenToSignals(engine)
  closeWhenIdle(engine, () => {
    listen.stop()
    closed()
  })
  return engine
}

/** (J2) */
function listenToSignals({ env, ongoing }: Engine): { stop(): void } {
  const stop = () => {
    for (const signal of SIGNALS) process.off(signal, leave)
  }
  const leave = (signal: NodeJS.Signals) => {
    stop()
    for (const [run, { flow, name }] of ongoing) {
      const file = flow.file === undefined ? '<file>' : relative(process.cwd(), flow.file)
      const advice = `To go on with it: callboard run ${file} --take-over ${run}`
      env.deps.logger.warn({}, `Flow run ${quote(name)} is left as it stands. ${advice}`)
    }
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  for (const signal of SIGNALS) process.once(signal, leave)
  return { stop }
}

/** (J1) */
function closeWhenIdle(engine: Engine, closed: () => void): void {
  const { clock, logger } = engine.env.deps
  let idleSince: number | undefined
  let timer: Timer
  const look = () => {
    const isIdle = engine.waiting === 0 && engine.host.hosted === 0
    const now = clock.monotonic()
    if (!isIdle) idleSince = undefined
    else if (idleSince === undefined) idleSince = now
    else if (now - idleSince >= IDLE_MS) return close()
    timer = clock.setTimer(LOOK_MS, look)
  }
  const close = () => {
    timer.cancel()
    closed()
    engine.life
      .stop()
      .then(() => engine.env.broker.stop())
      .catch((error) => logger.debug({ error }, 'the engine did not close in good order'))
  }
  timer = clock.setTimer(LOOK_MS, look)
}

/** What host, scheduler and broker have to say to those who run a server is no line of a script's, unless it is wrong. */
function quietly(logger: Logger): Logger {
  return { ...logger, info: logger.debug, child: (facts) => quietly(logger.child(facts)) }
}
