/**
 * States that a filter asks for, in a list or a subscription. The nine types are closed: a slip in one is refused. Names are
 * not: code may give its last states any name, and one that nobody has had yet cannot be told from a slip. So what is
 * asked for is looked for, and a hint says what may have been meant.
 */

import { FLOW_STATES, STATE_TYPES, TASK_STATES } from '../actors/index.ts'
import { nearest } from '../core/index.ts'
import { invalid } from './http/index.ts'
import { listOf } from './read-model/index.ts'

const NAMES = [...new Set([...Object.values(FLOW_STATES).flat(), ...Object.values(TASK_STATES).flat()])]
const KNOWN: ReadonlySet<string> = new Set<string>([...NAMES, ...STATE_TYPES])

/** What is written like this is taken for a type, until a run has it for a name. */
const LIKE_A_TYPE = /^[A-Z]+$/

export interface StateKnower {
  /** Whether a run or a task run is in a state of this name. */
  hasState(name: string): boolean
}

type Asked = string | readonly string[] | undefined

/**
 * @param path where the states stand in what was asked
 * @throws CB_E_REQUEST_INVALID for a type that is misspelt
 */
export function demandStates(knower: StateKnower, asked: Asked, path = 'state'): void {
  for (const state of listOf(asked) ?? []) {
    if (KNOWN.has(state) || !LIKE_A_TYPE.test(state)) continue
    const meant = nearest(state, STATE_TYPES)
    if (meant === undefined || knower.hasState(state)) continue
    throw invalid(
      `There is no state '${state}'. Did you mean ${meant}? Types are ${STATE_TYPES.join(', ')}; names are ${NAMES.join(', ')}.`,
      path,
    )
  }
}

/** What may have been meant by names that no run has and that are nearly ones of ours; as a field of an answer. */
export function hintOf(knower: StateKnower, asked: Asked): { hint?: string } {
  const hints = (listOf(asked) ?? []).flatMap((state) => {
    if (KNOWN.has(state)) return []
    const meant = nearest(state, KNOWN)
    if (meant === undefined || knower.hasState(state)) return []
    return [`No run is in a state '${state}'. Did you mean ${meant}?`]
  })
  return hints.length === 0 ? {} : { hint: hints.join(' ') }
}
