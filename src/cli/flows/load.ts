/** Files of flows, loaded into this process. */

import { pathToFileURL } from 'node:url'
import { nearest } from '../../core/index.ts'
import {
  definitionOf,
  type Flow,
  type FlowDefinition,
  type ServedTask,
  taskDefinitionOf,
} from '../../sdk/index.ts'

export interface LoadedFlow {
  readonly exported: string
  readonly definition: FlowDefinition
  readonly flow: Flow<readonly [parameters?: unknown], unknown>
}

/** Every flow that the file exports. Throws what the file throws. */
export async function loadFlows(file: string): Promise<readonly LoadedFlow[]> {
  const exports: Readonly<Record<string, unknown>> = await import(pathToFileURL(file).href)
  return Object.entries(exports).flatMap(([exported, value]) => {
    const definition = definitionOf(value)
    if (definition !== undefined) return [{ exported, definition, flow: value as LoadedFlow['flow'] }]
    // A task has no start of its own.
    if (typeof value !== 'function' || !('withState' in value) || !('start' in value)) return []
    throw new Error(
      `The flow '${exported}' of ${file} was made by another copy of Callboard than this program's. Run the callboard of that copy: npx callboard.`,
    )
  })
}

/** Every task that the file exports. Throws what the file throws. */
export async function loadTasks(file: string): Promise<readonly ServedTask[]> {
  const exports: Readonly<Record<string, unknown>> = await import(pathToFileURL(file).href)
  return Object.values(exports).filter((value): value is ServedTask => taskDefinitionOf(value) !== undefined)
}

/** The one that is meant: by the name of its export, or the default export, or the only one there is. */
export async function loadFlow(file: string, exported: string | undefined): Promise<LoadedFlow> {
  const flows = await loadFlows(file)
  const names = flows.map((one) => one.exported)
  const wanted = exported ?? (flows.length === 1 ? names[0] : 'default')
  const found = flows.find((one) => one.exported === wanted)
  if (found !== undefined) return found
  if (flows.length === 0) throw new Error(`${file} exports no flow.`)
  const near = exported === undefined ? undefined : nearest(exported, names)
  const hint = near === undefined ? `It exports: ${names.join(', ')}.` : `Did you mean ${near}?`
  throw new Error(
    exported === undefined
      ? `${file} exports several flows: name one, ${file}:${names[0]}.`
      : `${file} exports no flow '${exported}'. ${hint}`,
  )
}
