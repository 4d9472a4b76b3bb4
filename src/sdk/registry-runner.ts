/** Runs the code of every flow that is defined in this process. */

import type { Runner } from '../actors/index.ts'
import type { Environment } from './environment.ts'
import { startInline } from './inline.ts'
import { flowNamed } from './task-flows.ts'

export function registryRunner(env: Environment): Runner {
  return {
    kind: 'inline',
    serves: (flow) => flowNamed(flow) !== undefined,
    start: (start, host) => startInline(flowNamed(start.flow), env, start, host),
  }
}
