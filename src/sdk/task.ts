/** `task()`: makes a function a task. */

import { callAlone, delayTask } from './alone.ts'
import { readForms } from './forms.ts'
import { TaskFuture } from './future.ts'
import type { TaskFutureList } from './future-list.ts'
import type { FlowRunHandle } from './handle.ts'
import { gateOf, identify } from './identity.ts'
import type { Inputs, MapInputs, ResultOf } from './inputs.ts'
import { parts } from './parts.ts'
import { registerTask } from './registry.ts'
import { type Scope, scopeFor, scopes } from './scope.ts'
import type { State } from './state.ts'
import { defineTask, type TaskDefinition } from './task-definition.ts'
import { mapTask } from './task-map.ts'
import type { TaskOptions } from './task-options.ts'
import { TaskStream } from './task-stream.ts'

/** What a call of a task gives: a promise of its result; of a generator task a stream of what it yields. */
export type TaskReturn<R> =
  R extends AsyncGenerator<infer Y, unknown, unknown>
    ? TaskStream<Y>
    : R extends Generator<infer Y, unknown, unknown>
      ? TaskStream<Y>
      : Promise<ResultOf<R>>

/**
 * A task: a function whose runs are recorded, retried, cached and seen. `A` are its arguments, `R` what its function
 * returns.
 */
export interface Task<A extends readonly unknown[], R> {
  /** Runs it here and gives its result; throws what it threw. Futures among the arguments are waited for. */
  (...args: Inputs<A>): TaskReturn<R>
  readonly name: string
  readonly options: TaskOptions
  /** The plain function: for unit tests. */
  readonly fn: (...args: A) => R
  /** Runs it here and gives its final state, whatever that is. */
  withState(...args: Inputs<A>): Promise<State<ResultOf<R>>>
  /** Starts it through the flow's task runner. */
  submit(...args: Inputs<A>): TaskFuture<ResultOf<R>>
  /**
   * One run per element of what is handed over, through the flow's task runner; lists must have the same length, texts
   * and what is wrapped in `unmapped` are the same for all.
   *
   * @throws CB_E_MAP_LENGTHS, CB_E_MAP_NOTHING
   */
  map(...args: MapInputs<A>): TaskFutureList<ResultOf<R>>
  /**
   * Leaves it to whoever serves the task (`serveTasks`, `callboard task serve`), as a run of its own; gives a handle once
   * that run exists. Inside a flow the same call in a replay is the same run.
   */
  delay(...args: A): Promise<FlowRunHandle<ResultOf<R>>>
  /** A copy whose calls start after these, without getting their results. */
  waitFor(...upstream: readonly unknown[]): Task<A, R>
  /** A copy with other options. */
  with(options: Omit<TaskOptions, 'name'>): Task<A, R>
}

/**
 * Makes a function a task.
 *
 * ```ts
 * const fetchWeather = task({ retries: 3, retryDelaySeconds: exponentialBackoff(2) }, async (lat: number) => { … })
 * const temperature = await fetchWeather(52.5)
 * ```
 *
 * @throws CB_E_DEFINITION_INVALID, CB_E_DEFINITION_DUPLICATE, CB_E_OPTION_UNKNOWN, CB_E_OPTION_INVALID
 */
export function task<A extends readonly unknown[], R>(fn: (...args: A) => R): Task<A, R>
export function task<A extends readonly unknown[], R>(name: string, fn: (...args: A) => R): Task<A, R>
export function task<A extends readonly unknown[], R>(options: TaskOptions, fn: (...args: A) => R): Task<A, R>
export function task<A extends readonly unknown[], R>(
  first: ((...args: A) => R) | string | TaskOptions,
  second?: (...args: A) => R,
): Task<A, R> {
  const { options, fn } = readForms<(...args: A) => R>('task', first, second)
  const definition = defineTask(fn, options)
  registerTask(definition)
  return makeTask<A, R>(definition, fn, NOTHING)
}

const NOTHING: readonly unknown[] = []
const definitions = new WeakMap<object, TaskDefinition>()

/** What a task was made of; undefined for anything else. */
export function taskDefinitionOf(value: unknown): TaskDefinition | undefined {
  return typeof value === 'function' ? definitions.get(value) : undefined
}

function makeTask<A extends readonly unknown[], R>(
  definition: TaskDefinition,
  fn: (...args: A) => R,
  waitFor: readonly unknown[],
): Task<A, R> {
  const { name, options } = definition
  const inRun = (args: readonly unknown[]): Promise<State> => {
    const scope = scopes.getStore()
    if (scope === undefined) return callAlone(definition, args)
    return parts().callTask({ scope, task: definition, args, id: identify(scope, name), waitFor })
  }
  const submit = (args: readonly unknown[]): TaskFuture<unknown> => {
    const scope = scopeFor(
      `${name}.submit()`,
      `Outside of a flow, call it: await ${name}(…), or start it: ${name}.delay(…).`,
    )
    return submitTask(scope, definition, args, waitFor)
  }
  const call = definition.isGenerator
    ? (...args: readonly unknown[]) => streamOf(definition, args, waitFor)
    : async (...args: readonly unknown[]) => (await inRun(args)).result()
  const made: unknown = Object.assign(call, {
    options,
    fn,
    withState: (...args: readonly unknown[]) => inRun(args),
    submit: (...args: readonly unknown[]) => submit(args),
    map: (...args: readonly unknown[]) =>
      mapTask(
        scopeFor(`${name}.map()`, `Map a task inside a flow; outside, call the flow that does.`),
        definition,
        args,
        waitFor,
      ),
    delay: (...args: readonly unknown[]) => delayTask(definition, args),
    waitFor: (...upstream: readonly unknown[]) => makeTask(definition, fn, [...waitFor, ...upstream]),
    with: (other: Omit<TaskOptions, 'name'>) =>
      makeTask(defineTask(fn, { ...options, ...other, name }), fn, waitFor),
  })
  Object.defineProperty(call, 'name', { value: name })
  definitions.set(call, definition)
  return made as Task<A, R> // what was put together above; its types are those of the function
}

function submitTask(
  scope: Scope,
  definition: TaskDefinition,
  args: readonly unknown[],
  waitFor: readonly unknown[],
): TaskFuture<unknown> {
  const id = identify(scope, definition.name)
  const settled = parts().callTask({ scope, task: definition, args, id, waitFor, gate: gateOf(scope) })
  const submitted = scope.flow.pending.add(definition.name, settled)
  return new TaskFuture(id, settled, scope.flow.env.deps.clock, () => {
    submitted.isSeen = true
  })
}

function streamOf(
  definition: TaskDefinition,
  args: readonly unknown[],
  waitFor: readonly unknown[],
): TaskStream<unknown> {
  const scope = scopes.getStore()
  if (scope === undefined)
    return new TaskStream(async () => (await callAlone(definition, args)).result() as unknown[])
  const id = identify(scope, definition.name)
  return new TaskStream(async (yielded) => {
    const state = await parts().callTask({ scope, task: definition, args, id, waitFor, yielded })
    return state.result() as unknown[]
  })
}
