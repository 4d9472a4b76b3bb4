/** Ends a task run or flow run as Skipped, from anywhere in its code. */

import { anyText, checkOptions } from './check-options.ts'
import { scopeFor } from './scope.ts'

/** Thrown by `skip()`. */
export class Skip {
  readonly message: string | undefined
  readonly result: unknown
  constructor(message: string | undefined, result: unknown) {
    this.message = message
    this.result = result
  }
}

/**
 * Ends the task run (or flow run) as Skipped, with an optional result; what depends on it is skipped too, unless it says
 * `skipOnUpstreamSkip: false`.
 *
 * @throws CB_E_CONTEXT_MISSING outside of a run, CB_E_OPTION_INVALID
 */
export function skip(message?: string, result?: unknown): never {
  scopeFor('skip()')
  checkOptions('skip()', { message }, { message: anyText })
  throw new Skip(message, result)
}
