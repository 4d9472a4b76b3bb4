/** A task as the engine knows it: its function, its options, and what was worked out of them. */

import { nameFor } from './names.ts'
import { byName, parameterNames } from './parameter-names.ts'
import { type CompiledTask, checkTaskOptions, compileTask, type TaskOptions } from './task-options.ts'

/** Any function, as one that is only called with what was checked elsewhere. */
export type AnyFunction = (...args: never[]) => unknown

export interface TaskDefinition {
  readonly kind: 'task'
  readonly name: string
  readonly fn: AnyFunction
  readonly options: TaskOptions
  /** Its function yields its result piece by piece. */
  readonly isGenerator: boolean
  /** What the session is told; by the number of retries that holds when the task names none. */
  compiled(defaultRetries: number): CompiledTask
  /** The arguments by the names of the function's parameters. */
  named(args: readonly unknown[]): Readonly<Record<string, unknown>>
}

/** @throws CB_E_DEFINITION_INVALID, CB_E_OPTION_UNKNOWN, CB_E_OPTION_INVALID */
export function defineTask(fn: AnyFunction, options: TaskOptions): TaskDefinition {
  const name = nameFor('task', options.name, fn)
  checkTaskOptions(name, options)
  const compiled = new Map<number, CompiledTask>()
  parameterNames(fn)
  return {
    kind: 'task',
    name,
    fn,
    options,
    isGenerator: isGeneratorFunction(fn),
    compiled(defaultRetries) {
      const before = compiled.get(defaultRetries)
      if (before !== undefined) return before
      const made = compileTask(options, defaultRetries)
      compiled.set(defaultRetries, made)
      return made
    },
    named: (args) => byName(fn, args),
  }
}

function isGeneratorFunction(fn: AnyFunction): boolean {
  const kind = Object.prototype.toString.call(fn)
  return kind === '[object GeneratorFunction]' || kind === '[object AsyncGeneratorFunction]'
}
