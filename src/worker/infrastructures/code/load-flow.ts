/** Finds a flow by its entry point: a file as Node runs it, TypeScript too, and the name of an export. */

import { access } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RunStart } from '../../../actors/index.ts'
import { CallboardError, messageOf, nearest, quote } from '../../../core/index.ts'
import { definitionOf, type FlowDefinition, flowNamed } from '../../../sdk/index.ts'
import type { CodePlan } from '../carrier.ts'

/**
 * The flow that a run is of. A run without a deployment of its own was called by another flow, whose code it comes with:
 * loading that defines it as well.
 *
 * @throws CB_E_CODE_LOAD, saying what is there instead
 */
export async function loadFlowOf(
  { deployment, flow }: Pick<RunStart, 'deployment' | 'flow'>,
  plan: Pick<CodePlan, 'path' | 'entrypoint'>,
): Promise<FlowDefinition> {
  const loaded = await loadFlow(plan)
  if (loaded.name === flow) return loaded
  const called = flowNamed(flow)
  if (called?.body !== undefined) return called // of a task that it calls
  if (deployment !== undefined) return loaded
  if (called !== undefined) return called
  throw loadError(
    `There is no flow ${quote(flow)} in what ${quote(plan.entrypoint)} loads. It was called as a subflow: import it there, not later.`,
  )
}

async function loadFlow({
  path,
  entrypoint,
}: Pick<CodePlan, 'path' | 'entrypoint'>): Promise<FlowDefinition> {
  const { file, name } = partsOf(entrypoint)
  const whole = isAbsolute(file) ? file : resolve(path, file)
  await access(whole).catch(() => {
    throw loadError(`There is no file ${whole}. The entry point ${quote(entrypoint)} names it.`)
  })
  const exports = await load(whole)
  const names = Object.keys(exports)
  if (!Object.hasOwn(exports, name)) throw loadError(missing(whole, name, names))
  const found = exports[name]
  const flow = definitionOf(found)
  if (flow === undefined) throw loadError(noFlow(whole, name, found))
  return flow
}

async function load(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>
  } catch (cause) {
    throw loadError(`The file ${file} could not be loaded: ${described(cause)}`, cause)
  }
}

/** `TypeError: …`; of what Node could not resolve also what to do. */
function described(thrown: unknown): string {
  const name = thrown instanceof Error ? `${thrown.name}: ` : ''
  const code = thrown instanceof Error ? Reflect.get(thrown, 'code') : undefined
  const hint =
    code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' ? ' Install it where the code runs.' : ''
  return `${name}${messageOf(thrown)}${hint}`
}

function missing(file: string, name: string, names: readonly string[]): string {
  const there = names.length === 0 ? 'It exports nothing.' : `It exports ${names.map(quote).join(', ')}.`
  const near = nearest(name, names)
  const hint =
    name === 'default'
      ? ' Name an export (file.ts:export), or make the flow the default one.'
      : near === undefined
        ? ''
        : ` Did you mean ${quote(near)}?`
  return `The file ${file} has no export ${quote(name)}. ${there}${hint}`
}

function noFlow(file: string, name: string, found: unknown): string {
  const isForeign = typeof found === 'function' && 'withState' in found && 'fn' in found
  return isForeign
    ? `The flow ${quote(name)} of ${file} was made by another copy of Callboard than this worker's. Start the worker with the copy that the file imports.`
    : `The export ${quote(name)} of ${file} is no flow. Make it one: flow('name', async () => …).`
}

/** The last colon parts file and export; that of a Windows drive does not. */
function partsOf(entrypoint: string): { readonly file: string; readonly name: string } {
  const [, file = entrypoint, name = 'default'] =
    /^(.+):([\p{ID_Start}$_][\p{ID_Continue}$]*)$/u.exec(entrypoint) ?? []
  return { file, name }
}

function loadError(message: string, cause?: unknown): CallboardError {
  return new CallboardError('CB_E_CODE_LOAD', message, cause === undefined ? {} : { cause })
}
