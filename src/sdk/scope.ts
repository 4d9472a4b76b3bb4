/**
 * Where code is: in which run of a flow, in which task run, in which transaction. Carried by `AsyncLocalStorage`, so
 * that functions which know nothing of us are in the run that called them.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import type { BodyContext, RunSession } from '../actors/index.ts'
import type { Environment } from './environment.ts'
import type { FlowDefinition } from './flow-definition.ts'
import type { Pending } from './pending.ts'
import type { RunLines } from './run-lines.ts'
import { MissingContextError } from './state.ts'
import type { TaskDefinition } from './task-definition.ts'
import type { Gate } from './task-runner.ts'
import type { Transaction } from './transactions.ts'

/** One execution of a flow's code. */
export interface FlowScope {
  readonly session: RunSession
  readonly env: Environment
  readonly flow: FlowDefinition
  readonly parameters: unknown
  readonly lines: RunLines
  /** The lines of one of its task runs. */
  taskLines(task: { readonly id: string; readonly name: string }): RunLines
  /** Whether prints go to the run's log. */
  readonly logPrints: boolean
  /** What submitted tasks pass through. */
  readonly gate: Gate
  /** Submitted task runs that have not ended. */
  readonly pending: Pending
  /** What decides the final state, when the code named it. */
  reference: readonly unknown[] | undefined
}

/** One attempt of a task's body. */
export interface TaskScope {
  readonly id: string
  readonly name: string
  readonly task: TaskDefinition
  readonly args: readonly unknown[]
  readonly body: BodyContext
  readonly lines: RunLines
  readonly logPrints: boolean
  readonly tags: readonly string[]
  /** How often each task was called by this attempt; undefined for none at all. */
  counters: Map<string, number> | undefined
}

export interface Scope {
  readonly flow: FlowScope
  readonly task?: TaskScope | undefined
  readonly transaction?: Transaction | undefined
}

export const scopes = new AsyncLocalStorage<Scope>()

export function currentScope(): Scope | undefined {
  return scopes.getStore()
}

/** Whose turn it is to speak. */
export interface Speaker {
  readonly task?: { readonly id: string; readonly name: string }
  /** Whether prints go to the run's log. */
  readonly logPrints: boolean
}

/** The innermost run around this call; undefined outside of any. */
export function currentSpeaker(): Speaker | undefined {
  const scope = scopes.getStore()
  if (scope?.task === undefined) return scope?.flow
  const { id, name, logPrints } = scope.task
  return { task: { id, name }, logPrints }
}

/**
 * The scope that this call needs.
 *
 * @throws CB_E_CONTEXT_MISSING (`MissingContextError`) outside of a run
 */
export function scopeFor(call: string, instead?: string): Scope {
  const scope = scopes.getStore()
  if (scope !== undefined) return scope
  const help = instead === undefined ? 'Call it inside a flow or a task.' : instead
  throw new MissingContextError(`${call} was called outside of a flow run. ${help}`)
}
