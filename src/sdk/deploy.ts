/** Deployments of a flow: what stands in the catalogue of it, so that whoever has not its code can start it. */

import { basename, dirname, isAbsolute, relative } from 'node:path'
import type { Catalog, Deployment, Draft } from '../catalog/index.ts'
import { type DurationInput, parseDuration } from '../core/index.ts'
import { inCatalog } from './at-broker.ts'
import * as is from './check-options.ts'
import type { FlowDefinition } from './flow-definition.ts'
import { parametersSchemaOf } from './schema.ts'

export interface DeploymentOptions {
  /** Together with the flow's name its id: `flow/name`. Default `default`. */
  readonly name?: string
  readonly description?: string
  /** Default: the flow's. */
  readonly version?: string
  /** Added to the flow's. */
  readonly tags?: readonly string[]
  /** Given to every run; those of the run itself beat them. Plain JSON. */
  readonly parameters?: Readonly<Record<string, unknown>>
  /** How many of its runs at the same time, wherever they run; more of them wait, or as `onFull` says. */
  readonly concurrency?:
    | number
    | { readonly limit: number; readonly onFull: 'enqueue' | 'cancelNew' | 'cancelRunning' }
}

export interface DeployOptions extends DeploymentOptions {
  /** Default `default`, which is made when it is not there. */
  readonly pool?: string
  /** Of the pool. Default `default`. */
  readonly queue?: string
  /** `file.ts:export`. Default: the file that defines the flow, and its function's name. */
  readonly entrypoint?: string
  /** The folder that the entry point is in, as the workers see it. Default: the working directory. */
  readonly path?: string
  /** What runs its code. Default: as the pool says. */
  readonly infrastructure?: Deployment['infrastructure']
}

const DEPLOYMENT_KINDS: Readonly<Record<keyof DeploymentOptions, is.OptionKind>> = {
  name: is.text,
  description: is.text,
  version: is.text,
  tags: is.texts,
  parameters: is.record,
  concurrency: {
    form: 'a whole number, or { limit, onFull }',
    is: (value) => is.count.is(value) || is.record.is(value),
  },
}

const DEPLOY_KINDS: Readonly<Record<keyof DeployOptions, is.OptionKind>> = {
  ...DEPLOYMENT_KINDS,
  pool: is.text,
  queue: is.text,
  entrypoint: is.text,
  path: is.text,
  infrastructure: is.record,
}

/** @throws CB_E_OPTION_UNKNOWN, CB_E_OPTION_INVALID */
export function checkDeploymentOptions(
  what: string,
  options: object,
  own: Readonly<Record<string, is.OptionKind>>,
): void {
  is.checkOptions(what, options, { ...DEPLOYMENT_KINDS, ...own })
}

/** Puts it into the catalogue; gives its id. */
export async function deploy(flow: FlowDefinition, options: DeployOptions): Promise<string> {
  is.checkOptions(`deploy() of flow '${flow.name}'`, options, DEPLOY_KINDS)
  return inCatalog(async (catalog) => {
    const { deploymentId, DEFAULT_POOL, DEFAULT_QUEUE } = await import('../catalog/index.ts')
    const { pool = DEFAULT_POOL, queue = DEFAULT_QUEUE } = options
    await checkPlace(catalog, pool, queue)
    const draft = draftOf(flow, options, { pool, queue })
    return deploymentId(await catalog.deployments.put(draft))
  })
}

async function checkPlace(catalog: Catalog, pool: string, queue: string): Promise<void> {
  const { DEFAULT_POOL, ensureDefaultPool, queueId } = await import('../catalog/index.ts')
  if (pool === DEFAULT_POOL) await ensureDefaultPool(catalog)
  await catalog.pools.get(pool)
  await catalog.queues.get(queueId({ pool, name: queue }))
}

/** What is known of a flow's options goes with it: whoever makes a run has not its code. */
export function draftOf(
  flow: FlowDefinition,
  options: DeployOptions,
  place: Pick<Deployment, 'pool' | 'queue'>,
): Draft<Deployment> {
  const { options: own, version } = flow
  const { concurrency, description = own.description, infrastructure, name = 'default' } = options
  const schema = own.parameters && parametersSchemaOf(own.parameters)
  const limits = typeof own.concurrency === 'string' ? [own.concurrency] : own.concurrency
  const whole = typeof concurrency === 'number' ? { limit: concurrency } : concurrency
  return {
    ...place,
    ...codeOf(flow, options),
    name,
    flow: flow.name,
    tags: [...new Set([...(own.tags ?? []), ...(options.tags ?? [])])],
    parameters: { ...options.parameters },
    paused: false,
    ...given('description', description),
    ...given('version', options.version ?? version),
    ...given('infrastructure', infrastructure),
    ...given('parameterSchema', schema),
    ...given('runName', typeof own.runName === 'string' ? own.runName : undefined),
    ...given('retries', own.retries),
    ...given('timeoutSeconds', secondsOf(own.timeoutSeconds)),
    ...given('graceSeconds', secondsOf(own.graceSeconds)),
    ...given('onCrash', own.onCrash),
    ...given('maxRecoveries', own.maxRecoveries),
    ...given('concurrency', limits === undefined ? undefined : [...limits]),
    ...given('limit', whole?.limit),
    ...given('limitStrategy', whole !== undefined && 'onFull' in whole ? whole.onFull : undefined),
  }
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  const field: { [P in K]?: V } = {}
  if (value !== undefined) field[key] = value
  return field
}

function secondsOf(duration: DurationInput | undefined): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration) / 1_000
}

/** Where its code is: by default in the file that defines it, under its function's name. */
function codeOf(
  { file, fn, name }: FlowDefinition,
  { entrypoint, path }: DeployOptions,
): Pick<Deployment, 'entrypoint' | 'path'> {
  const folder = path ?? process.cwd()
  if (entrypoint !== undefined) return { path: folder, entrypoint }
  if (file === undefined) return { path: folder, entrypoint: `${name}.ts` }
  const under = relative(folder, file)
  const isInside = !under.startsWith('..') && !isAbsolute(under)
  const where = isInside ? { path: folder, file: under } : { path: dirname(file), file: basename(file) }
  return { path: where.path, entrypoint: `${where.file}:${exportOf(fn.name, name)}` }
}

function exportOf(functionName: string, flowName: string): string {
  if (/^[A-Za-z_$][\w$]*$/.test(functionName)) return functionName
  return flowName.replaceAll(/[^A-Za-z0-9]+(.)/g, (_, letter: string) => letter.toUpperCase())
}
