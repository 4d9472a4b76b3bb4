/**
 * What tasks are run by when there is no flow of the user's around them: `task:<name>` is the flow of a task that is a run of
 * its own; `task-body:<name>` is no run, but what a runner knows the body of a task by whose run is elsewhere. Whoever has the
 * task has both.
 */

import type { FlowDefinition } from './flow-definition.ts'
import { identify } from './identity.ts'
import { parts } from './parts.ts'
import { definedFlow, taskNamed } from './registry.ts'
import { scopeFor } from './scope.ts'
import { State } from './state.ts'
import type { TaskDefinition } from './task-definition.ts'

const WHOLE = 'task:'
const BODY = 'task-body:'

export function bodyFlowName(task: string): string {
  return `${BODY}${task}`
}

/** A task as a run of its own, with everything that its options ask for. */
export function wholeFlow(task: TaskDefinition): FlowDefinition {
  return {
    kind: 'flow',
    name: `${WHOLE}${task.name}`,
    fn: async (args: readonly unknown[]): Promise<State> => {
      const scope = scopeFor(task.name)
      const id = identify(scope, task.name)
      return asOwn(await parts().callTask({ scope, task, args, id, waitFor: [], here: true }))
    },
    options: { ...(task.options.tags === undefined ? {} : { tags: task.options.tags }) },
    version: task.options.version,
    ofTask: true,
  }
}

/** Its body alone, for attempts of task runs that are elsewhere (`task-body.ts`). */
function bodyFlow(task: TaskDefinition): FlowDefinition {
  const name = bodyFlowName(task.name)
  return { kind: 'flow', name, fn: task.fn, options: {}, version: undefined, ofTask: true, body: task }
}

/** The run ends as its task did: with its name, its message and what it failed with. */
function asOwn({ data, error, message, name, timestamp, type }: State): State {
  return new State({ type, name, timestamp, data, error, ...(message === undefined ? {} : { message }) })
}

/** The flow of this name that this process has the code of: the user's own, or that of a task. */
export function flowNamed(name: string): FlowDefinition | undefined {
  const known = definedFlow(name)
  if (known !== undefined) return known
  const [prefix, flowOf] = name.startsWith(BODY) ? ([BODY, bodyFlow] as const) : ([WHOLE, wholeFlow] as const)
  const task = name.startsWith(prefix) ? taskNamed(name.slice(prefix.length)) : undefined
  return task === undefined ? undefined : flowOf(task)
}
