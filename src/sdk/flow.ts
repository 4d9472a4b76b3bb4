/** `flow()`: makes a function a flow. */

import { mintId } from '../core/index.ts'
import { currentEngine } from './current-engine.ts'
import type { DeployOptions } from './deploy.ts'
import { defineFlow, type FlowDefinition } from './flow-definition.ts'
import type { FlowOptions } from './flow-options.ts'
import { readForms } from './forms.ts'
import { withHandedOver } from './handed-over.ts'
import type { FlowRunHandle, StartOptions } from './handle.ts'
import type { FlowResultOf } from './inputs.ts'
import { parts } from './parts.ts'
import { registerFlow } from './registry.ts'
import type { InputOf, OutputOf, StandardSchema } from './schema.ts'
import { scopes } from './scope.ts'
import type { ServeOptions, Serving } from './serve.ts'
import type { State } from './state.ts'
import { callingFile } from './version.ts'

/** The arguments of `start`: those of the flow, then the options of the run. */
export type StartArguments<A extends readonly unknown[]> = A extends readonly []
  ? [parameters?: undefined, options?: StartOptions]
  : undefined extends A[0]
    ? [parameters?: A[0], options?: StartOptions]
    : [parameters: A[0], options?: StartOptions]

/**
 * A flow: a function whose runs are recorded, resumed after a crash, retried, paused, cancelled and seen. `A` is its
 * one argument, if it has one, `R` its result.
 */
export interface Flow<A extends readonly unknown[], R> {
  /**
   * Runs it and gives its result; throws what it threw, or `CancelledRun`, `CrashedRun`, `FailedRun`. Inside another
   * flow's run it is a child run of that one.
   */
  (...args: A): Promise<R>
  readonly name: string
  readonly version: string | undefined
  readonly description: string | undefined
  readonly options: FlowOptions
  /** The plain function: for unit tests. */
  readonly fn: (...args: never[]) => unknown
  /** Runs it and gives its final state, whatever that is. */
  withState(...args: A): Promise<State<R>>
  /** Starts a run and gives a handle to it, once the run exists. */
  start(...args: StartArguments<A>): Promise<FlowRunHandle<R>>
  /**
   * Registers a deployment, so that workers run it and others start it by its id; gives the id, `flow/name`. The same
   * name again puts it in the place of the one that is there.
   *
   * @throws CB_E_CATALOG_INVALID, CB_E_CATALOG_MISSING when there is no such pool or queue
   */
  deploy(options?: DeployOptions): Promise<string>
  /**
   * Registers a deployment and runs it in this process until it is stopped, by `stop()` or by SIGINT or SIGTERM. Resolves
   * once it takes runs.
   *
   * @throws CB_E_CATALOG_INVALID
   */
  serve(options?: ServeOptions): Promise<Serving>
  /** A copy with other options. */
  with(options: Omit<FlowOptions, 'name' | 'parameters'>): Flow<A, R>
}

/** The argument of a flow with a schema: may be left out when the schema needs nothing. */
export type SchemaArguments<S> =
  Record<never, never> extends InputOf<S> ? [parameters?: InputOf<S>] : [parameters: InputOf<S>]

/**
 * Makes a function a flow.
 *
 * ```ts
 * export const pipeline = flow({ name: 'weather', retries: 2 }, async ({ lat, lon }: { lat: number; lon: number }) => {
 *   const temperature = await fetchWeather(lat, lon)
 *   return saveWeather(temperature)
 * })
 * if (import.meta.main) await pipeline({ lat: 52.5, lon: 13.4 })
 * ```
 *
 * @throws CB_E_DEFINITION_INVALID, CB_E_DEFINITION_DUPLICATE, CB_E_OPTION_UNKNOWN, CB_E_OPTION_INVALID
 */
export function flow<S extends StandardSchema<unknown, unknown>, R>(
  options: FlowOptions & { readonly parameters: S },
  fn: (parameters: OutputOf<S>) => R,
): Flow<SchemaArguments<S>, FlowResultOf<R>>
export function flow<A extends readonly unknown[], R>(fn: (...args: A) => R): Flow<A, FlowResultOf<R>>
export function flow<A extends readonly unknown[], R>(
  name: string,
  fn: (...args: A) => R,
): Flow<A, FlowResultOf<R>>
export function flow<A extends readonly unknown[], R>(
  options: FlowOptions,
  fn: (...args: A) => R,
): Flow<A, FlowResultOf<R>>
export function flow(
  first: ((...args: never[]) => unknown) | string | FlowOptions,
  second?: (...args: never[]) => unknown,
): Flow<readonly unknown[], unknown> {
  const { options, fn } = readForms('flow', first, second)
  const definition = defineFlow(fn, options, callingFile())
  registerFlow(definition)
  return makeFlow(definition)
}

const definitions = new WeakMap<object, FlowDefinition>()

/** What a flow was made of; undefined for anything else, and for the flow of another copy of this package. */
export function definitionOf(value: unknown): FlowDefinition | undefined {
  return typeof value === 'function' ? definitions.get(value) : undefined
}

function makeFlow(definition: FlowDefinition): Flow<readonly unknown[], unknown> {
  const { name, fn, options, version } = definition
  const withState = async (...[parameters]: readonly unknown[]): Promise<State> => {
    const scope = scopes.getStore()
    if (scope !== undefined) return parts().callSubflow(scope, definition, parameters)
    const engine = await currentEngine()
    if (options.persistResult !== false) return engine.run(definition, parameters)
    const id = mintId(engine.env.deps)
    return withHandedOver(id, () => engine.run(definition, parameters, { id }))
  }
  const call = async (...args: readonly unknown[]) => (await withState(...args)).result()
  const made = Object.assign(call, {
    version,
    description: options.description,
    options,
    fn,
    withState,
    async start(parameters?: unknown, startOptions: StartOptions = {}) {
      const scope = scopes.getStore()
      if (scope !== undefined) return parts().startSubflow(scope, definition, parameters, startOptions)
      const engine = await currentEngine()
      return engine.start(definition, parameters, startOptions)
    },
    deploy: async (deployOptions: DeployOptions = {}) =>
      (await import('./deploy.ts')).deploy(definition, deployOptions),
    serve: async (serveOptions: ServeOptions = {}) =>
      (await import('./serve.ts')).serve(definition, serveOptions),
    with: (other: Omit<FlowOptions, 'name' | 'parameters'>) => {
      const copy = {
        ...defineFlow(fn, { ...options, ...other, name }, undefined),
        version,
        file: definition.file,
      }
      registerFlow(copy)
      return makeFlow(copy)
    },
  })
  Object.defineProperty(made, 'name', { value: name })
  definitions.set(made, definition)
  return made as Flow<readonly unknown[], unknown>
}
