/** Runs of deployments, started by their id: from outside, and from inside of a flow as child runs. */

import {
  createDeploymentRun,
  deploymentRun,
  openCatalog,
  type RunDefaults,
  type RunMaking,
  type RunRequest,
} from '../catalog/index.ts'
import {
  type DurationInput,
  decodeJson,
  encodeToJson,
  isCallboardError,
  isJsonObject,
  type JsonObject,
  parseDuration,
} from '../core/index.ts'
import { atBroker } from './at-broker.ts'
import type { Environment } from './environment.ts'
import type { FlowRunHandle, StartOptions } from './handle.ts'
import { identify } from './identity.ts'
import { openHandle } from './open-handle.ts'
import { resolveArguments } from './resolve.ts'
import { type Scope, scopes } from './scope.ts'

export interface RunDeploymentOptions extends StartOptions {
  /** Added to those of the deployment, and stronger. Plain JSON; futures in it are waited for. */
  readonly parameters?: Readonly<Record<string, unknown>>
  /**
   * Inside a flow: whether it is a child run, which is paused and cancelled with that one and found again by a replay.
   * Default true. With an idempotency key or a time to start it never is one: it may be somebody else's.
   */
  readonly asSubflow?: boolean
  /** How long its end is waited for; 0: not at all. Seconds, or as a text; default: for as long as it takes. */
  readonly timeout?: DurationInput
}

/** Starts it, and waits as it says. */
export async function startDeployment<R>(
  deployment: string,
  options: RunDeploymentOptions,
): Promise<FlowRunHandle<R>> {
  const scope = scopes.getStore()
  const { asSubflow = true, idempotencyKey, scheduledTime } = options
  const isChild = asSubflow && idempotencyKey === undefined && scheduledTime === undefined
  if (scope !== undefined && isChild) return startChild<R>(scope, deployment, options)
  return atBroker(async (env) => {
    const { run } = await createDeploymentRun(makingOf(env), await requestOf(deployment, options))
    const handle = openHandle<R>(run)
    await waited(handle, options.timeout)
    return handle
  })
}

/** Makes a run for somebody who has a broker and nothing else; gives its id. */
export async function createRunOf(
  { broker, deps, settings }: Pick<Environment, 'broker' | 'deps'> & { readonly settings: RunDefaults },
  deployment: string,
  options: RunDeploymentOptions,
): Promise<string> {
  const making = { broker, deps, settings, catalog: openCatalog(broker, deps) }
  return (await createDeploymentRun(making, await requestOf(deployment, options))).run
}

async function startChild<R>(
  scope: Scope,
  deployment: string,
  options: RunDeploymentOptions,
): Promise<FlowRunHandle<R>> {
  const { env, session } = scope.flow
  const id = identify(scope, deployment)
  const { parameters, name, policy, tags } = await deploymentRun(
    makingOf(env),
    await requestOf(deployment, options),
  )
  const run = await session.startChild({
    id,
    deployment,
    flow: deployment.slice(0, deployment.lastIndexOf('/')),
    name,
    policy,
    parameters: 'v' in parameters ? decodeJson(parameters.v) : {},
    ...(tags === undefined ? {} : { tags }),
  })
  const handle = openHandle<R>(run)
  const isForEver = options.timeout === undefined
  await (isForEver ? session.joinChild(run) : waited(handle, options.timeout))
  return handle
}

function makingOf({ broker, deps, settings }: Environment): RunMaking {
  const { graceMs, lateAfterMs, maxRecoveries } = settings
  return {
    broker,
    deps,
    catalog: openCatalog(broker, deps),
    settings: { gracePeriod: graceMs, lateAfter: lateAfterMs, maxRecoveries },
  }
}

async function requestOf(
  deployment: string,
  { idempotencyKey, name, parameters, scheduledTime, tags }: RunDeploymentOptions,
): Promise<RunRequest> {
  const [resolved] = (await resolveArguments([parameters ?? {}])).args
  return {
    deployment,
    parameters: jsonOf(resolved),
    name,
    tags,
    idempotencyKey,
    scheduledTime: scheduledTime?.getTime(),
    by: { channel: 'code' },
  }
}

function jsonOf(parameters: unknown): JsonObject {
  const json = encodeToJson(parameters, 'parameters')
  return isJsonObject(json) ? json : {}
}

/** What does not end in time goes on. */
async function waited(handle: FlowRunHandle, timeout: DurationInput | undefined): Promise<void> {
  if (timeout !== undefined && parseDuration(timeout, 'The timeout of runDeployment()') === 0) return
  await handle.wait(timeout === undefined ? {} : { timeout }).catch((error) => {
    if (!isCallboardError(error, 'CB_E_TIMEOUT')) throw error
  })
}
