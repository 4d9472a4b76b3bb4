/** A run of a deployment, asked for by whoever has not its code: the gateway, a schedule, another flow, the CLI. */

import {
  type CreatedRun,
  checkInput,
  createRun,
  type FlowPolicy,
  type NewRun,
  refOf,
  type Sender,
} from '../actors/index.ts'
import type { Broker } from '../broker/index.ts'
import {
  CallboardError,
  type Deps,
  fillTemplate,
  isJsonObject,
  type JsonObject,
  nearest,
  runName,
  type Settings,
} from '../core/index.ts'
import { brokerQueue } from './broker-queue.ts'
import { type Catalog, deploymentId } from './catalog.ts'
import type { Deployment } from './definitions.ts'

/** What holds for deployments that say nothing of their own. */
export type RunDefaults = Pick<Settings, 'gracePeriod' | 'lateAfter' | 'maxRecoveries'>

/** What runs are made with. */
export interface RunMaking {
  readonly broker: Broker
  readonly catalog: Pick<Catalog, 'deployments'>
  readonly deps: Deps
  readonly settings: RunDefaults
}

/** Which deployment: by its id, `flow/name`; or the flow, when only one of its deployments can be meant. */
export type Which = { readonly deployment: string } | { readonly flow: string }

export type RunRequest = Which & {
  /** Added to those of the deployment, and stronger. Plain JSON. */
  readonly parameters?: JsonObject | undefined
  /** Default: as the deployment says, else two words. */
  readonly name?: string | undefined
  /** Added to those of the deployment. */
  readonly tags?: readonly string[] | undefined
  /** Of the flow: another run with the same key is the same run, for 30 days. */
  readonly idempotencyKey?: string | undefined
  /** When it is to start, ms since the epoch. Default: now. */
  readonly scheduledTime?: number | undefined
  readonly by: Sender
}

/**
 * Makes a run of a deployment. A paused deployment is run as well: pausing is for its schedules.
 *
 * @throws CB_E_CATALOG_MISSING, CB_E_FLOW_UNKNOWN, CB_E_DEPLOYMENT_AMBIGUOUS, CB_E_PARAMETERS_INVALID with every issue
 * and its path, and what `createRun` throws; nothing is made then
 */
export async function createDeploymentRun(making: RunMaking, request: RunRequest): Promise<CreatedRun> {
  return createRun(making.broker, making.deps, await deploymentRun(making, request))
}

/**
 * What a run of a deployment begins with.
 *
 * @throws as `createDeploymentRun`
 */
export async function deploymentRun(
  { catalog, deps, settings }: Omit<RunMaking, 'broker'>,
  request: RunRequest,
): Promise<NewRun> {
  const deployment = await findDeployment(catalog, request)
  const parameters = parametersOf(deployment, request.parameters)
  const { idempotencyKey, scheduledTime } = request
  return {
    flow: deployment.flow,
    name: request.name ?? nameOf(deps, deployment, parameters),
    parameters: refOf(parameters, 'parameters'),
    policy: policyOf(deployment, settings),
    by: request.by,
    tags: [...new Set([...deployment.tags, ...(request.tags ?? [])])],
    deployment: deploymentId(deployment),
    ...(deployment.version === undefined ? {} : { flowVersion: deployment.version }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(scheduledTime === undefined ? {} : { scheduledTime }),
  }
}

/** Taken when a flow has several deployments and only the flow is named. */
const USUAL_NAMES = ['default', 'dev']

/** @throws CB_E_CATALOG_MISSING, CB_E_FLOW_UNKNOWN, CB_E_DEPLOYMENT_AMBIGUOUS */
export async function findDeployment(
  { deployments }: Pick<Catalog, 'deployments'>,
  which: Which,
): Promise<Deployment> {
  if ('deployment' in which) return deployments.get(which.deployment)
  const { flow } = which
  const all = await deployments.list()
  const ofFlow = all.filter((deployment) => deployment.flow === flow)
  if (ofFlow.length === 0) throw unknownFlow(flow, all)
  const usual = USUAL_NAMES.map((name) => ofFlow.find((deployment) => deployment.name === name))
  const meant = ofFlow.length === 1 ? ofFlow[0] : usual.find((found) => found !== undefined)
  if (meant !== undefined) return meant
  throw new CallboardError(
    'CB_E_DEPLOYMENT_AMBIGUOUS',
    `The flow '${flow}' has several deployments: ${ofFlow.map(deploymentId).join(', ')}. Name one of them.`,
    { details: { deployments: ofFlow.map(deploymentId) } },
  )
}

function unknownFlow(flow: string, all: readonly Deployment[]): CallboardError {
  const near = nearest(
    flow,
    all.map((deployment) => deployment.flow),
  )
  const hint = near === undefined ? 'Deploy it first.' : `Did you mean '${near}'?`
  return new CallboardError('CB_E_FLOW_UNKNOWN', `No deployment has a flow '${flow}'. ${hint}`)
}

function parametersOf(deployment: Deployment, given: JsonObject = {}): JsonObject {
  const merged = { ...jsonObject(deployment.parameters), ...given }
  if (deployment.parameterSchema === undefined) return merged
  const verdict = checkInput({ schema: jsonObject(deployment.parameterSchema) }, { v: merged })
  if (verdict.is === 'bad') {
    const issues = verdict.issues.map(({ path, message }) => ({
      path: path.replace(/^input\.?/, ''),
      message,
    }))
    const lines = issues.map(({ path, message }) => `\n  ${path === '' ? 'all of it' : path}: ${message}`)
    throw new CallboardError(
      'CB_E_PARAMETERS_INVALID',
      `The parameters for deployment '${deploymentId(deployment)}' are not valid.${lines.length === 0 ? ` ${verdict.reason}` : lines.join('')}`,
      { details: { issues } },
    )
  }
  return 'v' in verdict.value && isJsonObject(verdict.value.v) ? verdict.value.v : merged
}

/** What stands in a definition came from JSON. */
function jsonObject(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value))
}

function nameOf({ random }: Deps, deployment: Deployment, parameters: JsonObject): string {
  return deployment.runName === undefined ? runName(random) : fillTemplate(deployment.runName, parameters)
}

function policyOf(deployment: Deployment, settings: RunDefaults): FlowPolicy {
  const {
    concurrency = [],
    graceSeconds,
    maxRecoveries,
    onCrash,
    pool,
    queue,
    retries,
    timeoutSeconds,
  } = deployment
  return {
    retries: retries ?? 0,
    maxRecoveries: maxRecoveries ?? settings.maxRecoveries,
    onCrash: onCrash ?? 'recover',
    graceMs: graceSeconds === undefined ? settings.gracePeriod : Math.round(graceSeconds * 1_000),
    timeoutMs: timeoutSeconds === undefined ? null : Math.round(timeoutSeconds * 1_000),
    lateAfterMs: settings.lateAfter,
    target: { queue: brokerQueue({ pool, name: queue }), priority: 1 },
    limits: concurrency,
  }
}
