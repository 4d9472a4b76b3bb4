/** From a state as it stands in a log to the view that user code gets of it. */

import { parseTag, type StateTag } from '../actors/index.ts'
import { State, type StateFields } from './state.ts'

/** The view that user code gets of how a run ended. */
export function stateOf<T>(tag: StateTag, fields: Omit<StateFields<T>, 'type' | 'name'>): State<T> {
  return new State({ ...fields, ...parseTag(tag) })
}
