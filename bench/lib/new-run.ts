/** A run as the benches start them: of a flow that the measured host knows, with nothing that would hold it up. */

import type { FlowPolicy, NewRun } from '../../src/actors/index.ts'
import type { JsonValue } from '../../src/core/index.ts'

export const QUEUE = 'bench'

const POLICY: Omit<FlowPolicy, 'target'> = {
  retries: 0,
  maxRecoveries: 3,
  onCrash: 'recover',
  graceMs: 5_000,
  timeoutMs: null,
  lateAfterMs: 60_000,
  limits: [],
}

export function newRun(flow: string, queue = QUEUE, parameters: JsonValue = null): NewRun {
  return {
    flow,
    name: flow,
    parameters: { v: parameters },
    policy: { ...POLICY, target: { queue, priority: 1 } },
    by: { channel: 'bench' },
  }
}
