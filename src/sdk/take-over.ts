/**
 * Going on with the run of a script that is gone. Its runs wait in a queue of the script's own, since nobody else has their
 * code; here is somebody who has.
 */

import { isTerminalTag, parseTag } from '../actors/index.ts'
import { CallboardError, isOwnQueue, quote } from '../core/index.ts'
import { currentEngine } from './current-engine.ts'
import type { FlowDefinition } from './flow-definition.ts'
import type { FlowRunHandle } from './handle.ts'
import { startServing } from './serving.ts'

/**
 * Takes the run as soon as it waits for a host, and stays until it has ended.
 *
 * @param flows what this process has the code of; the run is of one of them
 * @throws CB_E_RUN_MISSING; CB_E_OPTION_INVALID when it has ended, is for workers, or is of another flow
 */
export async function takeOver(
  run: string,
  flows: readonly FlowDefinition[],
): Promise<FlowRunHandle<unknown>> {
  const engine = await currentEngine()
  const { created, flow } = await engine.during(() => engine.client.inspect(run))
  const refuse = (why: string) => {
    throw new CallboardError(
      'CB_E_OPTION_INVALID',
      `Run ${run} (${quote(created.name)}) cannot be taken over: ${why}`,
    )
  }
  const { queue } = created.policy.target
  if (isTerminalTag(flow.tag))
    refuse(`it has ended ${parseTag(flow.tag).name}. If it is to be retried: callboard flow-run retry ${run}`)
  if (!isOwnQueue(queue)) refuse(`it waits in the work queue ${quote(queue)}. Start a worker for that.`)
  if (!flows.some(({ name }) => name === created.flow))
    refuse(
      `it is of the flow ${quote(created.flow)}, and here are ${flows.map(({ name }) => quote(name)).join(', ')}.`,
    )
  const line = `Taking over flow run ${quote(created.name)}`
  const serving = await startServing(engine, { line, settings: { queues: [queue] } })
  const { logger } = engine.env.deps
  const stop = () => serving.stop()
  engine.client
    .wait(run)
    .then(stop, stop)
    .catch((error) => logger.warn({ run, error }, 'it did not stop in good order'))
  return engine.client.handle(run)
}
