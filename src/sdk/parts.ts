/**
 * The parts that do the work, and load the rooms below. Whoever only imports `callboard` does not pay for them: the engine
 * brings them in (`all-parts.ts`), and inside a run there is an engine.
 */

import { CallboardError } from '../core/index.ts'
import type { RunClient } from './run-client.ts'
import type { callSubflow, startSubflow } from './subflow.ts'
import type { callTask } from './task-call.ts'

export interface Parts {
  readonly callTask: typeof callTask
  readonly callSubflow: typeof callSubflow
  readonly startSubflow: typeof startSubflow
  readonly RunClient: typeof RunClient
}

let brought: Parts | undefined

export function bringParts(parts: Parts): void {
  brought = parts
}

/** Inside a run they are there. */
export function parts(): Parts {
  if (brought === undefined)
    throw new CallboardError(
      'CB_E_BUG',
      'A run is there, but not the engine that runs it. Please report this.',
    )
  return brought
}
