/** What code inside a run can ask for and say, besides calling tasks and waiting. */

import type { RunLogger } from './run-lines.ts'
import { type Scope, scopeFor } from './scope.ts'

/** The logger of the innermost run: its lines carry the run's name and go to its log. */
export function getRunLogger(): RunLogger {
  const { flow, task } = scopeFor('getRunLogger()')
  return task?.lines ?? flow.lines
}

/** Fires when the body must stop: it has taken too long, or its run is cancelled. */
export function abortSignal(): AbortSignal {
  const { flow, task } = scopeFor('abortSignal()')
  return task?.body.signal ?? flow.session.signal
}

/**
 * Names what decides the flow's final state: these task runs, whatever else it returns.
 *
 * ```ts
 * referenceTasks(reminders)   // the clean-up after them does not count
 * ```
 */
export function referenceTasks(...runs: readonly unknown[]): void {
  scopeFor('referenceTasks()').flow.reference = runs
}

/** The time, recorded: a replay gets the same one. */
export async function now(): Promise<Date> {
  const scope = scopeFor('now()')
  return new Date(await recorded(scope, 'now', () => scope.flow.env.deps.clock.now()))
}

/** A number in [0, 1), recorded. */
export function random(): Promise<number> {
  const scope = scopeFor('random()')
  return recorded(scope, 'random', () => scope.flow.env.deps.random.next())
}

/** A random UUID (version 4), recorded. */
export function uuid(): Promise<string> {
  const scope = scopeFor('uuid()')
  return recorded(scope, 'uuid', () => {
    const bytes = Buffer.from(scope.flow.env.deps.random.bytes(16))
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  })
}

/** A task's body runs anew as a whole, so within one nothing need be recorded. */
async function recorded<T>({ flow, task }: Scope, name: string, make: () => T): Promise<T> {
  return task === undefined ? flow.session.value(name, make) : make()
}
