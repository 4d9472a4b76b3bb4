/**
 * Results of flow runs that are stored nowhere (`persistResult: false`), on their way to callers in this process. Nothing is
 * kept for nobody: a result is taken only while somebody waits for it.
 */

import { isMarked, missingResult } from './results.ts'
import { State } from './state.ts'

interface Waiting {
  result?: { readonly value: unknown }
}

/** By the id of the run, or its parent's with the key of the call. */
const waiting = new Map<string, Waiting>()

/** What the run of a call is known by. */
export function callKey(parent: { readonly run: string; readonly key: string }): string {
  return `${parent.run}/${parent.key}`
}

/** Hands a result to whoever waits for it here. */
export function handOver(key: string, value: unknown): void {
  const here = waiting.get(key)
  if (here !== undefined) here.result = { value }
}

/** The state that `call` gives, with the result that the run known by `key` handed over meanwhile. */
export async function withHandedOver(key: string, call: () => Promise<State>): Promise<State> {
  const here: Waiting = {}
  waiting.set(key, here)
  try {
    const state = await call()
    if (here.result === undefined || !state.isCompleted()) return state
    const { type, name, message, timestamp, run } = state
    return new State({ type, name, message, timestamp, run, data: here.result.value })
  } finally {
    waiting.delete(key)
  }
}

/** The state of a flow run as others see it: a result that was not stored is missed when it is read. */
export function asStored(state: State): State {
  if (!isMarked(state.data)) return state
  const { type, name, message, timestamp, run } = state
  return new State({ type, name, message, timestamp, run, error: missingResult(`flow run '${run}'`) })
}
