/** A task outside of any flow: a run of its own, here, or wherever the task is served. */

import { atBroker } from './at-broker.ts'
import { currentEngine } from './current-engine.ts'
import type { FlowRunHandle } from './handle.ts'
import { identify } from './identity.ts'
import { registerFlow } from './registry.ts'
import { currentScope } from './scope.ts'
import type { State } from './state.ts'
import type { TaskDefinition } from './task-definition.ts'
import { wholeFlow } from './task-flows.ts'

/** Runs it here. */
export async function callAlone(task: TaskDefinition, args: readonly unknown[]): Promise<State> {
  const flow = wholeFlow(task)
  registerFlow(flow)
  return (await currentEngine()).run(flow, args)
}

/** Leaves it to whoever serves the task. The same call in a replay of a run is the same run. */
export async function delayTask<R>(
  task: TaskDefinition,
  args: readonly unknown[],
): Promise<FlowRunHandle<R>> {
  const scope = currentScope()
  const call = scope === undefined ? undefined : identify(scope, `delay:${task.name}`)
  return atBroker(async (env) => {
    const { createRun, newRun, openHandle, taskQueue } = await import('./delay-parts.ts')
    const key = scope && call && `${scope.flow.session.start.run}/${call}`
    const run = newRun(env, wholeFlow(task), args, key === undefined ? {} : { idempotencyKey: key })
    const target = { ...run.policy.target, queue: taskQueue(task.name) }
    const made = await createRun(env.broker, env.deps, { ...run, policy: { ...run.policy, target } })
    return openHandle<R>(made.run)
  })
}
