/**
 * Names. A flow or a task is known by its name for ever; runs get a name that people can say aloud.
 */

import { CallboardError } from '../core/index.ts'

export { fillTemplate, runName } from '../core/index.ts'

/** `fetchWeather` → `fetch-weather`, `my_flow` → `my-flow`. */
function kebabCase(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .replaceAll(/[\s_$]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .toLowerCase()
}

/**
 * The name that was given, else the function's own.
 *
 * @throws CB_E_DEFINITION_INVALID when there is none
 */
export function nameFor(
  kind: 'flow' | 'task',
  given: string | undefined,
  fn: { readonly name: string },
): string {
  const name = given ?? kebabCase(fn.name)
  if (name !== '') return name
  throw new CallboardError(
    'CB_E_DEFINITION_INVALID',
    `A ${kind} was made of a function without a name. Give it one: ${kind}('my-${kind}', …), or write it as function myName() { … }.`,
  )
}
