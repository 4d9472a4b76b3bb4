/** What code is started with, by the state of its run: the code of the run itself, or a body of it that runs elsewhere. */

import type { RunStart } from './channel.ts'
import type { RunState } from './run-state.ts'

export function runStart(
  { id, created, flow }: RunState,
  code: Pick<RunStart, 'flow' | 'parameters'>,
): RunStart {
  const { epoch, runCount, failures } = flow.context
  const { name, tags, scheduledTime, deployment, parent } = created
  return {
    run: id,
    flow: code.flow,
    name,
    parameters: code.parameters,
    tags,
    epoch,
    runCount,
    failures,
    scheduledTime,
    ...(deployment === undefined ? {} : { deployment }),
    ...(parent === undefined ? {} : { parent }),
  }
}
