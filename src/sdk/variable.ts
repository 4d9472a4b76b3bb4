/** Variables: small JSON values that are set once and read by many runs. */

import { isDeepStrictEqual } from 'node:util'
import { CallboardError, type JsonValue } from '../core/index.ts'
import { inCatalog } from './at-broker.ts'
import { scopes } from './scope.ts'

export interface VariableOptions {
  readonly tags?: readonly string[]
  /** Puts the value in the place of the one that is there. Default `false`: CB_E_CATALOG_EXISTS. */
  readonly overwrite?: boolean
}

/**
 * A small value by name, kept at the broker; no place for secrets (see `Block`). Works inside and outside of runs.
 *
 * ```ts
 * await Variable.set('answer', 42)
 * const answer = await Variable.get('answer', 0)
 * ```
 */
export const Variable = {
  get: getVariable,

  /** @throws CB_E_CATALOG_EXISTS, CB_E_CATALOG_INVALID, CB_E_VALUE_UNSERIALISABLE when it is not plain JSON */
  async set(
    name: string,
    value: JsonValue,
    { overwrite = false, tags = [] }: VariableOptions = {},
  ): Promise<void> {
    checkJson(name, value)
    const draft = { name, value, tags: [...tags] }
    await inCatalog(({ variables }) => (overwrite ? variables.put(draft) : variables.create(draft)))
  },

  /** Takes it away. `false` when there was none. */
  unset(name: string): Promise<boolean> {
    return inCatalog(({ variables }) => variables.delete(name))
  },
} as const

/**
 * Its value; `fallback` when there is none. In a flow's own code the value is recorded: a replay gets the same one,
 * whatever it was set to meanwhile.
 */
function getVariable<T = unknown>(name: string): Promise<T | undefined>
function getVariable<T>(name: string, fallback: T): Promise<T>
async function getVariable(name: string, fallback?: unknown): Promise<unknown> {
  const found = await inCatalog(({ variables }) => variables.find(name))
  const value = found === undefined ? fallback : found.value
  const scope = scopes.getStore()
  if (scope === undefined || scope.task !== undefined) return value
  return scope.flow.session.value(`variable:${name}`, () => value)
}

function checkJson(name: string, value: unknown): void {
  const text = JSON.stringify(value)
  if (text !== undefined && isDeepStrictEqual(JSON.parse(text), value)) return
  throw new CallboardError(
    'CB_E_VALUE_UNSERIALISABLE',
    `The value of the variable '${name}' is not plain JSON. Use texts, numbers, true, false, null, lists and records.`,
  )
}
