/** Starts a flow's code in this process, its lines kept in the run's log. */

import { type HostPort, inlineRunner, type RunningCode, type RunStart } from '../actors/index.ts'
import type { Environment } from './environment.ts'
import type { FlowDefinition } from './flow-definition.ts'
import { inlineFlow } from './flow-run.ts'
import { LineKeeper } from './line-keeper.ts'

/** @throws CB_E_FLOW_UNKNOWN when there is none */
export async function startInline(
  flow: FlowDefinition | undefined,
  env: Environment,
  start: RunStart,
  host: HostPort,
): Promise<RunningCode> {
  const keeper = new LineKeeper(host, env.deps, env.settings.keepLevel)
  const flows = flow === undefined ? [] : [[start.flow, inlineFlow(flow, env, keeper)] as const]
  const code = await inlineRunner(env.deps, new Map(flows)).start(start, keeper.port)
  return {
    ended: code.ended,
    gone: code.gone.then(() => keeper.flush()),
    leave(reason) {
      code.leave(reason)
      keeper.leave(reason)
    },
    kill: () => code.kill(),
  }
}
