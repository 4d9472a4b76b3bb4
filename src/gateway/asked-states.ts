/** States that a filter asks for, in a list or a subscription: a slip is told of, instead of finding nothing. */

import { FLOW_STATES, STATE_TYPES, TASK_STATES } from '../actors/index.ts'
import { nearest } from '../core/index.ts'
import { invalid } from './http/index.ts'
import { listOf } from './read-model/index.ts'

const NAMES = [...new Set([...Object.values(FLOW_STATES).flat(), ...Object.values(TASK_STATES).flat()])]
const KNOWN: ReadonlySet<string> = new Set<string>([...STATE_TYPES, ...NAMES])

export interface StateKnower {
  /** Whether a run or a task run is in a state of this name. */
  hasState(name: string): boolean
}

/**
 * Code may give its last states names of its own, so that a name nobody knows is none the less one: unless it is nearly
 * one of ours, and no run has it.
 *
 * @param path where the states stand in what was asked
 * @throws CB_E_REQUEST_INVALID
 */
export function demandStates(
  knower: StateKnower,
  asked: string | readonly string[] | undefined,
  path = 'state',
): void {
  for (const state of listOf(asked) ?? []) {
    if (KNOWN.has(state)) continue
    const meant = nearest(state, KNOWN)
    if (meant === undefined || knower.hasState(state)) continue
    throw invalid(
      `There is no state '${state}'. Did you mean ${meant}? Types are ${STATE_TYPES.join(', ')}; names are ${NAMES.join(', ')}.`,
      path,
    )
  }
}
