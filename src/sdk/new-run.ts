/** What a run begins with. */

import { type NewRun, refOf } from '../actors/index.ts'
import type { Environment } from './environment.ts'
import type { FlowDefinition } from './flow-definition.ts'
import { flowPolicyOf } from './flow-options.ts'
import type { StartOptions } from './handle.ts'
import { fillTemplate, runName } from './names.ts'

/** What a run of this flow begins with. */
export function newRun(
  env: Environment,
  flow: FlowDefinition,
  parameters: unknown,
  { idempotencyKey, name, scheduledTime, tags }: StartOptions,
): NewRun {
  return {
    flow: flow.name,
    name: name ?? runNameOf(env, flow, parameters),
    parameters: refOf(parameters, 'parameters'),
    policy: flowPolicyOf(flow.options, env.settings),
    by: { channel: 'code' },
    tags: [...(flow.options.tags ?? []), ...(tags ?? [])],
    ...(flow.version === undefined ? {} : { flowVersion: flow.version }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(scheduledTime === undefined ? {} : { scheduledTime: scheduledTime.getTime() }),
  }
}

export function runNameOf({ deps }: Environment, { options }: FlowDefinition, parameters: unknown): string {
  const { runName: own } = options
  if (own === undefined) return runName(deps.random)
  const named = typeof parameters === 'object' && parameters !== null ? { ...parameters } : {}
  return typeof own === 'string' ? fillTemplate(own, named) : own(named)
}
