/**
 * Files of flows, loaded into this process as Node runs them, TypeScript too; and which of their exports is meant. Workers,
 * the command line and whatever else loads a user's code do it here.
 */

import { access } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { CallboardError, messageOf, nearest, quote } from '../core/index.ts'
import { definitionOf, type Flow } from './flow.ts'
import type { FlowDefinition } from './flow-definition.ts'
import { loadAdvice } from './load-advice.ts'
import type { ServedTask } from './serve-tasks.ts'
import { taskDefinitionOf } from './task.ts'

export interface ExportedFlow {
  readonly exported: string
  readonly definition: FlowDefinition
  readonly flow: Flow<readonly [parameters?: unknown], unknown>
}

export interface EntryPoint {
  readonly file: string
  /** Undefined: the default export, or the only flow there is. */
  readonly exported: string | undefined
}

type Exports = Readonly<Record<string, unknown>>

/** `file.ts:export`: the last colon parts the two; that of a Windows drive does not. */
export function entryPointOf(text: string): EntryPoint {
  const [, file = text, exported] = /^(.+):([^:/\\]+)$/.exec(text) ?? []
  return { file, exported }
}

/**
 * The flow that is meant.
 *
 * @param file absolute
 * @throws CB_E_CODE_MISSING, CB_E_CODE_LOAD
 */
export async function flowAt(file: string, exported: string | undefined): Promise<ExportedFlow> {
  const exports = await load(file)
  const flows = flowsAmong(exports)
  if (exported !== undefined && Object.hasOwn(exports, exported))
    demandFlow(file, exported, exports[exported])
  if (flows.length === 0) demandOurs(file, exports)
  return chosenFlow(file, flows, exported)
}

/**
 * Every flow that the files export, each with its file.
 *
 * @param files absolute
 * @throws CB_E_CODE_MISSING; CB_E_CODE_LOAD, also when there is no flow in any of them
 */
export async function flowsIn(
  files: readonly string[],
): Promise<readonly (ExportedFlow & { readonly file: string })[]> {
  const found: (ExportedFlow & { readonly file: string })[] = []
  for (const file of files) {
    const exports = await load(file)
    demandOurs(file, exports)
    found.push(...flowsAmong(exports).map((flow) => ({ ...flow, file })))
  }
  if (found.length === 0) throw noFlows(files)
  return found
}

/**
 * Every task that the file exports.
 *
 * @param file absolute
 * @throws CB_E_CODE_MISSING, CB_E_CODE_LOAD
 */
export async function tasksIn(file: string): Promise<readonly ServedTask[]> {
  return Object.values(await load(file)).filter(isTask)
}

/**
 * Of the flows that a file exports the one that is meant: by the name of its export; else the default one, or the only one.
 *
 * @throws CB_E_CODE_LOAD, saying what is there instead
 */
export function chosenFlow<F extends Pick<ExportedFlow, 'exported'>>(
  file: string,
  flows: readonly F[],
  exported: string | undefined,
): F {
  const names = flows.map((one) => one.exported)
  const wanted = exported ?? (names.length === 1 ? names[0] : 'default')
  const found = flows.find((one) => one.exported === wanted)
  if (found !== undefined) return found
  const [first] = names
  if (first === undefined) throw noFlows([file])
  const there = names.map(quote).join(', ')
  if (exported === undefined)
    throw loadError(`The file ${file} exports several flows: ${there}. Name one of them: ${file}:${first}`)
  const near = nearest(exported, names)
  const hint = near === undefined ? '' : ` Did you mean ${quote(near)}?`
  throw loadError(`The file ${file} has no export ${quote(exported)}. It exports the flows ${there}.${hint}`)
}

async function load(file: string): Promise<Exports> {
  await access(file).catch(() => {
    throw new CallboardError('CB_E_CODE_MISSING', `There is no file ${file}, or it may not be read here.`)
  })
  try {
    return await import(pathToFileURL(file).href)
  } catch (cause) {
    const advice = await loadAdvice(cause)
    const said = `The file ${file} could not be loaded: ${described(cause)}`
    throw loadError(advice === undefined ? said : `${said.replace(/\.$/, '')}. ${advice}`, cause)
  }
}

function flowsAmong(exports: Exports): ExportedFlow[] {
  return Object.entries(exports).flatMap(([exported, value]) => {
    const definition = definitionOf(value)
    return definition === undefined ? [] : [{ exported, definition, flow: value as ExportedFlow['flow'] }]
  })
}

/** None of them is a flow that another copy of this package made. */
function demandOurs(file: string, exports: Exports): void {
  for (const [exported, value] of Object.entries(exports))
    if (isForeign(value)) demandFlow(file, exported, value)
}

function demandFlow(file: string, exported: string, value: unknown): void {
  if (definitionOf(value) !== undefined) return
  const where = `${quote(exported)} of ${file}`
  if (isForeign(value))
    throw loadError(
      `The flow ${where} was made by another copy of Callboard than the one that loads it. Run the copy that the file imports: npx callboard, in its folder.`,
    )
  throw loadError(
    isTask(value)
      ? `The export ${where} is a task, no flow. Call it in a flow, or serve it: callboard task serve.`
      : `The export ${where} is no flow. Make it one: flow('name', async () => …).`,
  )
}

/** Looks like a flow, and is none of ours. A task has no start of its own. */
function isForeign(value: unknown): boolean {
  return (
    typeof value === 'function' &&
    'withState' in value &&
    'start' in value &&
    definitionOf(value) === undefined
  )
}

function isTask(value: unknown): value is ServedTask {
  return taskDefinitionOf(value) !== undefined
}

/** `TypeError: …` */
function described(thrown: unknown): string {
  const name = thrown instanceof Error ? `${thrown.name}: ` : ''
  return `${name}${messageOf(thrown)}`
}

function noFlows(files: readonly string[]): CallboardError {
  const which = files.length === 1 ? `The file ${files[0]} exports` : `The files ${files.join(', ')} export`
  return loadError(`${which} no flow. Export one: export const weather = flow('weather', async () => …)`)
}

function loadError(message: string, cause?: unknown): CallboardError {
  return new CallboardError('CB_E_CODE_LOAD', message, cause === undefined ? {} : { cause })
}
