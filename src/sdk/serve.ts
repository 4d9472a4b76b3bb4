/**
 * `serve`: a deployment whose runs are taken by this process.
 *
 * Invariants
 * (V1) The queue belongs to the deployment, not to the process: runs that come while nobody serves it wait there for
 *      whoever serves it next, and several processes share it.
 */

import { brokerQueue, Collection, type Deployment, deploymentLimit, openCatalog } from '../catalog/index.ts'
import { isToken } from '../core/index.ts'
import * as is from './check-options.ts'
import { currentEngine } from './current-engine.ts'
import { checkDeploymentOptions, type DeploymentOptions, draftOf } from './deploy.ts'
import type { FlowDefinition } from './flow-definition.ts'
import { type Stoppable, startServing } from './serving.ts'

export interface ServeOptions extends DeploymentOptions {
  /** How many runs this process takes at a time; one that only waits does not count. Default 100. */
  readonly limit?: number
  /** Whether its schedules are paused when this process stops serving it. Default true. */
  readonly pauseOnStop?: boolean
}

/** A deployment that is served here. */
export interface Serving extends Stoppable {
  /** Its id, `flow/name`. */
  readonly deployment: string
}

/** The pool that stands for "served by whoever has the code"; no worker serves it. */
const SERVED = 'served'

export async function serve(flow: FlowDefinition, options: ServeOptions): Promise<Serving> {
  checkDeploymentOptions(`serve() of flow '${flow.name}'`, options, { limit: is.count, pauseOnStop: is.flag })
  const { limit, name = 'default', pauseOnStop = true, ...rest } = options
  const engine = await currentEngine()
  const { broker, deps } = engine.env
  const { deployments } = openCatalog(broker, deps)
  const place = { pool: SERVED, queue: queueOf(flow.name, name) }
  const deployment = await engine.during(() => deployments.put(draftOf(flow, { ...rest, name }, place)))
  const id = `${flow.name}/${name}`
  const serving = await startServing(engine, {
    line: `Serving flow '${flow.name}' as deployment '${id}'`,
    limitsOf: (created) => (created.deployment === id ? limitsOf(deployment) : []),
    settings: {
      queues: [brokerQueue({ pool: place.pool, name: place.queue })],
      ...(limit === undefined ? {} : { slots: limit }),
    },
    async stopping() {
      if (pauseOnStop) await deployments.update(id, () => ({ paused: true }))
    },
  })
  return { ...serving, deployment: id }
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
