/**
 * What a call is known by, and what it passes through.
 *
 * Invariants
 * (Q1) The identity is taken when the call is made, before anything is waited for: the order of calls is the code's.
 * (Q2) Made inside a task's body it is known by that body's try too: tries do not share results, a body that runs again
 *      after a crash does.
 */

import type { Scope } from './scope.ts'
import type { Gate } from './task-runner.ts'

/** (Q1) (Q2) */
export function identify({ flow, task: outer }: Scope, name: string): string {
  if (outer === undefined) return flow.session.identity(name)
  const prefix = `${outer.id}.${outer.body.failures}/${name}`
  outer.counters ??= new Map()
  const count = outer.counters.get(name) ?? 0
  outer.counters.set(name, count + 1)
  return `${prefix}-${count}`
}

/** What a task's body submits passes by the runner: it must not wait for the place that its own task holds. */
export function gateOf({ flow, task: outer }: Scope): Gate | undefined {
  return outer === undefined ? flow.gate : undefined
}
