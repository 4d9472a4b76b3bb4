/** The flows and tasks of this process, by name. A name means one function. */

import { CallboardError, quote } from '../core/index.ts'
import type { FlowDefinition } from './flow-definition.ts'
import type { TaskDefinition } from './task-definition.ts'

const flows = new Map<string, FlowDefinition>()
const tasks = new Map<string, TaskDefinition>()

/**
 * Makes a flow known. A copy of it with other options, or the same text evaluated again, takes its place.
 *
 * @throws CB_E_DEFINITION_DUPLICATE when another function has the name
 */
export function registerFlow(definition: FlowDefinition): void {
  refuseAnother('flow', definition, flows.get(definition.name))
  flows.set(definition.name, definition)
}

/** As `registerFlow`, for tasks. */
export function registerTask(definition: TaskDefinition): void {
  refuseAnother('task', definition, tasks.get(definition.name))
  tasks.set(definition.name, definition)
}

export function definedFlow(name: string): FlowDefinition | undefined {
  return flows.get(name)
}

export function taskNamed(name: string): TaskDefinition | undefined {
  return tasks.get(name)
}

interface Named {
  readonly name: string
  readonly fn: (...args: never[]) => unknown
}

/** A function that is made anew each time its text is evaluated is the same one. */
function refuseAnother(kind: 'flow' | 'task', { name, fn }: Named, before: Named | undefined): void {
  if (before === undefined || before.fn === fn || String(before.fn) === String(fn)) return
  throw new CallboardError(
    'CB_E_DEFINITION_DUPLICATE',
    `There is another ${kind} ${quote(name)} in this process already. Give one of the two another name: ${kind}('another-name', …).`,
    { details: { kind, name } },
  )
}
