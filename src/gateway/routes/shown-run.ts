/** One run as answers show it. */

import type { FastifyReply } from 'fastify'
import type { CreatedRun } from '../../actors/index.ts'
import type { FlowRun } from '../../api/index.ts'
import { markText } from '../own-writes.ts'
import { newRun, runFromLog } from '../read-model/index.ts'
import { type Context, missing } from './context.ts'

type Known = Pick<Context, 'broker' | 'deps' | 'model' | 'writes'>

/** From the read model; from the log itself while that has not come so far. @throws CB_E_RUN_MISSING */
export async function shownRun({ broker, deps, model }: Known, id: string): Promise<FlowRun> {
  const run = model.runs.get(id) ?? (await runFromLog(broker, deps, id))
  if (run === undefined) throw missing('run', id)
  return run
}

/** 201 with the run as it was made; 200 with what has become of it when its idempotency key had one already. */
export async function answerStarted(
  context: Known,
  started: CreatedRun,
  reply: FastifyReply,
): Promise<FlowRun> {
  const { existing, run } = started
  reply.header('callboard-after', markText({ run, rev: 1 })).code(existing ? 200 : 201)
  if (!existing) return newRun(run, started.created)
  await context.writes.settled()
  return shownRun(context, run)
}
