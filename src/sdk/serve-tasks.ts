/** `serveTasks`: this process runs tasks for others: those of `delay()`, of `runner: 'worker'` and of `distributed()`. */

import { CallboardError } from '../core/index.ts'
import * as is from './check-options.ts'
import { currentEngine } from './current-engine.ts'
import type { Stoppable } from './serving.ts'
import { taskDefinitionOf } from './task.ts'
import { taskQueue } from './task-queue.ts'

export interface ServeTasksOptions {
  /** How many bodies at a time. Default 100. */
  readonly limit?: number
  /** Queues by the names that `distributed({ queue })` gives them, besides those of the tasks; all tasks in them must be here. */
  readonly queues?: readonly string[]
}

/** Any task. */
export type ServedTask = { readonly name: string; readonly withState: (...args: never[]) => unknown }

const KINDS: Readonly<Record<keyof ServeTasksOptions, is.OptionKind>> = { limit: is.count, queues: is.texts }

/**
 * Serves tasks from this process until it is stopped, by `stop()` or by SIGINT or SIGTERM. Resolves once it takes them.
 *
 * ```ts
 * await serveTasks({ limit: 10 }, resize, sendMail)
 * ```
 *
 * @throws CB_E_DEFINITION_INVALID for what is no task; CB_E_OPTION_UNKNOWN, CB_E_OPTION_INVALID
 */
export async function serveTasks(
  first: ServedTask | ServeTasksOptions,
  ...others: readonly ServedTask[]
): Promise<Stoppable> {
  const isTask = typeof first === 'function'
  const options: ServeTasksOptions = isTask ? {} : (first as ServeTasksOptions)
  is.checkOptions('serveTasks()', options, KINDS)
  const { limit, queues = [] } = options
  const names = (isTask ? [first, ...others] : others).map(nameOf)
  const all = [...new Set([...names, ...queues])]
  if (all.length === 0)
    throw new CallboardError(
      'CB_E_DEFINITION_INVALID',
      'serveTasks() was given no task. Hand over the tasks that this process is to run for others.',
    )
  const [engine, { startServing }] = await Promise.all([currentEngine(), import('./serving.ts')])
  return startServing(engine, {
    line: `Serving the tasks of ${all.map((name) => `'${name}'`).join(', ')}`,
    settings: { queues: all.map(taskQueue), ...(limit === undefined ? {} : { slots: limit }) },
  })
}

function nameOf(task: unknown, place: number): string {
  const definition = taskDefinitionOf(task)
  if (definition !== undefined) return definition.name
  throw new CallboardError(
    'CB_E_DEFINITION_INVALID',
    `What serveTasks() was given at place ${place + 1} is no task. Make it one: task('name', async () => …).`,
  )
}
