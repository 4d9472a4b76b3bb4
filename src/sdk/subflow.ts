/** A flow called inside another flow's run: a run of its own, whose parent knows it by the place of the call. */

import type { ChildOptions } from '../actors/index.ts'
import type { FlowDefinition } from './flow-definition.ts'
import { flowPolicyOf } from './flow-options.ts'
import { asStored, callKey, withHandedOver } from './handed-over.ts'
import type { FlowRunHandle, StartOptions } from './handle.ts'
import { identify } from './identity.ts'
import { runNameOf } from './new-run.ts'
import { stateOfSettled } from './outcomes.ts'
import { resolveArguments } from './resolve.ts'
import { RunClient } from './run-client.ts'
import type { Scope } from './scope.ts'
import type { State } from './state.ts'

export async function callSubflow(scope: Scope, flow: FlowDefinition, parameters: unknown): Promise<State> {
  const { session, env } = scope.flow
  const id = identify(scope, flow.name)
  const call = async () => {
    const settled = await session.childState({ ...(await optionsOf(scope, flow, parameters, {})), id })
    return asStored(stateOfSettled(settled, env.deps.clock.now()))
  }
  if (flow.options.persistResult !== false) return call()
  return withHandedOver(callKey({ run: session.start.run, key: id }), call)
}

/** Starts it and does not wait. */
export async function startSubflow<R>(
  scope: Scope,
  flow: FlowDefinition,
  parameters: unknown,
  options: StartOptions,
): Promise<FlowRunHandle<R>> {
  const { session, env } = scope.flow
  const id = identify(scope, flow.name)
  const run = await session.startChild({ ...(await optionsOf(scope, flow, parameters, options)), id })
  return new RunClient(env).handle<R>(run)
}

async function optionsOf(
  { flow: { env } }: Scope,
  flow: FlowDefinition,
  given: unknown,
  { name, tags }: StartOptions,
): Promise<ChildOptions> {
  const [parameters] = (await resolveArguments([given])).args
  return {
    flow: flow.name,
    parameters,
    policy: flowPolicyOf(flow.options, env.settings),
    name: name ?? runNameOf(env, flow, parameters),
    tags: [...(flow.options.tags ?? []), ...(tags ?? [])],
  }
}
