/**
 * Hooks: users' functions that hear of states. They run in order, on the side that runs the code; an error in one is
 * logged and the others still run.
 */

import type { RunLines } from './run-lines.ts'
import type { FlowRunInfo, TaskRunInfo } from './runtime.ts'
import type { State } from './state.ts'
import type { Transaction } from './transactions.ts'

/** Called with the flow or task, its run, and the state it has come to. */
export type Hook = (
  definition: { readonly name: string },
  run: FlowRunInfo | TaskRunInfo,
  state: State,
) => unknown

/** A state handler: hears of every change. */
export type StateHook = (
  definition: { readonly name: string },
  run: FlowRunInfo | TaskRunInfo,
  from: State | undefined,
  to: State,
) => unknown

/** Called with the transaction that is committed or rolled back. */
export type TransactionHook = (transaction: Transaction) => unknown

export function listOf<T>(hooks: T | readonly T[] | undefined): readonly T[] {
  if (hooks === undefined) return NONE
  return Array.isArray(hooks) ? hooks : [hooks as T]
}

const NONE: readonly never[] = []

/** Runs hooks one after another. Never throws. */
export async function runHooks<A extends readonly unknown[]>(
  kind: string,
  hooks: readonly ((...args: A) => unknown)[],
  lines: RunLines,
  ...args: A
): Promise<void> {
  for (const hook of hooks) {
    try {
      await hook(...args)
    } catch (error) {
      const name = hook.name === '' ? 'a function without a name' : `'${hook.name}'`
      lines.engine('error', `The ${kind} hook ${name} failed; the others still run`, { error })
    }
  }
}
