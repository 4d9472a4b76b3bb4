/**
 * `serve`: a deployment whose runs are taken by this process, from a queue of its own.
 *
 * Invariants
 * (V1) The queue belongs to the deployment, not to the process: runs that come while nobody serves it wait there for
 *      whoever serves it next, and several processes share it.
 * (V2) From the first run on until `stop` is through, the engine stays.
 */

import { brokerQueue, Collection, type Deployment, deploymentLimit, openCatalog } from '../catalog/index.ts'
import { isToken } from '../core/index.ts'
import * as is from './check-options.ts'
import { currentEngine } from './current-engine.ts'
import { checkDeploymentOptions, type DeploymentOptions, draftOf } from './deploy.ts'
import type { Engine } from './engine.ts'
import type { FlowDefinition } from './flow-definition.ts'

export interface ServeOptions extends DeploymentOptions {
  /** How many runs this process takes at a time; one that only waits does not count. Default 100. */
  readonly limit?: number
  /** Whether its schedules are paused when this process stops serving it. Default true. */
  readonly pauseOnStop?: boolean
}

/** A deployment that is served here. */
export interface Serving extends AsyncDisposable {
  /** Its id, `flow/name`. */
  readonly deployment: string
  /** Takes no more runs, lets those that it has end or hands them over, pauses the schedules. Idempotent. */
  stop(): Promise<void>
  /** Resolves once it has stopped. */
  readonly stopped: Promise<void>
}

/** The pool that stands for "served by whoever has the code"; no worker serves it. */
const SERVED = 'served'
/** How long a stop waits for runs to end before it hands them over. */
const DRAIN_MS = 10_000
const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

export async function serve(flow: FlowDefinition, options: ServeOptions): Promise<Serving> {
  checkDeploymentOptions(`serve() of flow '${flow.name}'`, options, { limit: is.count, pauseOnStop: is.flag })
  const engine = await currentEngine()
  const over = Promise.withResolvers<void>()
  void engine.during(() => over.promise) // (V2)
  try {
    return await begin(flow, options, engine, over)
  } catch (error) {
    over.resolve()
    throw error
  }
}

async function begin(
  flow: FlowDefinition,
  options: ServeOptions,
  engine: Engine,
  over: PromiseWithResolvers<void>,
): Promise<Serving> {
  const { broker, deps } = engine.env
  const { limit, name = 'default', pauseOnStop = true, ...rest } = options
  const { deployments } = openCatalog(broker, deps)
  const place = { pool: SERVED, queue: queueOf(flow.name, name) }
  const deployment = await deployments.put(draftOf(flow, { ...rest, name }, place))
  const id = `${flow.name}/${name}`
  const host = engine.anotherHost({
    settings: {
      queues: [brokerQueue({ pool: place.pool, name: place.queue })],
      drainMs: DRAIN_MS,
      ...(limit === undefined ? {} : { slots: limit }),
    },
    limitsOf: (created) => (created.deployment === id ? limitsOf(deployment) : []),
  })
  await host.start()
  deps.logger.child({ name: 'callboard.serve' }).info({}, `Serving flow '${flow.name}' as deployment '${id}'`)
  let stopping: Promise<void> | undefined
  const stopNow = async () => {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal)
    try {
      if (pauseOnStop) await deployments.update(id, () => ({ paused: true }))
    } catch (error) {
      deps.logger.warn({ error, deployment: id }, 'the schedules of a deployment could not be paused')
    } finally {
      await host.stop().finally(() => over.resolve())
    }
  }
  const stop = () => {
    stopping ??= stopNow()
    return stopping
  }
  const onSignal = () => void stop()
  for (const signal of STOP_SIGNALS) process.once(signal, onSignal)
  return { deployment: id, stop, stopped: over.promise, [Symbol.asyncDispose]: stop }
}

function limitsOf(deployment: Deployment): readonly string[] {
  const limit = deploymentLimit(deployment)
  return limit === undefined ? [] : [limit.name]
}

/** (V1) A work queue's name; readable where the names allow it. */
function queueOf(flow: string, name: string): string {
  const isPlain = isToken(flow) && isToken(name) && flow.length + name.length < 64
  return isPlain ? `${flow}.${name}` : Collection.keyOf(`${flow}/${name}`)
}
