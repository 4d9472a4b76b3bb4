/** States that a list is asked for: a slip is told of, instead of finding nothing. */

import { FLOW_STATES, STATE_TYPES, TASK_STATES } from '../../actors/index.ts'
import { nearest } from '../../core/index.ts'
import { invalid } from '../http/index.ts'
import { listOf, type ReadModel } from '../read-model/index.ts'

const NAMES = [...new Set([...Object.values(FLOW_STATES).flat(), ...Object.values(TASK_STATES).flat()])]
const KNOWN: ReadonlySet<string> = new Set<string>([...STATE_TYPES, ...NAMES])

/**
 * Code may give its last states names of its own, so that a name nobody knows is none the less one: unless it is nearly
 * one of ours, and no run has ever had it.
 *
 * @throws CB_E_REQUEST_INVALID
 */
export function demandStates(
  { runs, tasks }: Pick<ReadModel, 'runs' | 'tasks'>,
  asked: string | readonly string[] | undefined,
): void {
  for (const state of listOf(asked) ?? []) {
    if (KNOWN.has(state)) continue
    const meant = nearest(state, KNOWN)
    if (meant === undefined) continue
    const isTheirs =
      runs.ids({ state: [state] }, 1).length > 0 || tasks.list({ state: [state], limit: 1 }).items.length > 0
    if (isTheirs) continue
    throw invalid(
      `There is no state '${state}'. Did you mean ${meant}? Types are ${STATE_TYPES.join(', ')}; names are ${NAMES.join(', ')}.`,
      'state',
    )
  }
}
