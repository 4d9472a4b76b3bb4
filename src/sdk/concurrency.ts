/** Concurrency limits for a piece of code in the middle of a run. */

import { identify } from './identity.ts'
import { parts } from './parts.ts'
import { scopeFor } from './scope.ts'
import { defineTask } from './task-definition.ts'

/**
 * Runs code while holding a slot of each of these limits; waits for them in line. The piece of code is recorded as a task
 * run of its own, `concurrency-0`: in a replay its result comes from the log.
 *
 * ```ts
 * const rows = await concurrency('database', () => query('select …'))
 * ```
 *
 * @throws what the code throws
 */
export async function concurrency<T>(
  names: string | readonly string[],
  code: () => T | Promise<T>,
): Promise<T> {
  const scope = scopeFor('concurrency()')
  const task = defineTask(code, { name: 'concurrency', concurrency: names, persistResult: true })
  const state = await parts().callTask({ scope, task, args: [], id: identify(scope, task.name), waitFor: [] })
  return state.result() as T
}
