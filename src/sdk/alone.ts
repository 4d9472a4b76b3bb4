/** A task outside of any flow: a run of its own, of a flow that does nothing but call it. */

import { currentEngine } from './current-engine.ts'
import type { FlowDefinition } from './flow-definition.ts'
import type { FlowRunHandle } from './handle.ts'
import { identify } from './identity.ts'
import { parts } from './parts.ts'
import { registerFlow } from './registry.ts'
import { scopeFor } from './scope.ts'
import type { State } from './state.ts'
import type { TaskDefinition } from './task-definition.ts'

export interface Alone {
  withState(args: readonly unknown[]): Promise<State>
  start<R>(args: readonly unknown[]): Promise<FlowRunHandle<R>>
}

export function alone(task: TaskDefinition): Alone {
  const flow = flowOf(task)
  return {
    withState: async (args) => (await currentEngine()).run(flow, args),
    start: async (args) => (await currentEngine()).start(flow, args),
  }
}

/** Known under the task's name, so that any process that has the task can run it. */
function flowOf(task: TaskDefinition): FlowDefinition {
  const flow: FlowDefinition = {
    kind: 'flow',
    name: `task:${task.name}`,
    fn: async (args: readonly unknown[]) => {
      const scope = scopeFor(task.name)
      return parts().callTask({ scope, task, args, id: identify(scope, task.name), waitFor: [] })
    },
    options: { ...(task.options.tags === undefined ? {} : { tags: task.options.tags }) },
    version: task.options.version,
    ofTask: true,
  }
  registerFlow(flow)
  return flow
}
