/**
 * Saying something to a run, whoever hosts it: its host first, because that is fastest; when nobody is home, or nobody
 * answers, the run's log is extended from here under the same compare-and-set. Both ways give the same history.
 */

import type { Broker, Rev } from '../broker/index.ts'
import { CallboardError, type Deps } from '../core/index.ts'
import { effectsOf, enqueueRun } from './effects.ts'
import type { Answer, Judge } from './judgement.ts'
import { isAnswer, parseRunReply, type RunMessage, type RunReply, runAddress } from './messages.ts'
import { openRun } from './open-run.ts'
import type { RunRecord } from './records.ts'
import { RunLog } from './run-log.ts'
import { asJson } from './shape.ts'

/** How long a host may take before it is passed by. Milliseconds. */
const HOST_ANSWERS_WITHIN_MS = 1_000
/** How often an append may meet another's before the sender is told to come again. */
const TRIES = 8

/** What a run's host answers; undefined when there is none, or it is silent. */
async function askHost(
  broker: Pick<Broker, 'bus'>,
  run: string,
  message: RunMessage,
): Promise<RunReply | undefined> {
  const reply = await broker.bus.request(runAddress(run), asJson(message), {
    timeoutMs: HOST_ANSWERS_WITHIN_MS,
  })
  return reply.outcome === 'reply' ? parseRunReply(reply.value) : undefined
}

/**
 * Asks the host of the run; without an answer, judges and writes from here.
 *
 * @throws CB_E_BUSY, CB_E_CONTENDED, CB_E_PAYLOAD_TOO_LARGE, what opening the run throws, and what the broker throws
 */
export async function tellRun(
  broker: Broker,
  deps: Deps,
  run: string,
  message: RunMessage,
  judge: Judge,
): Promise<Answer> {
  const reply = await askHost(broker, run, message)
  if (reply !== undefined && isAnswer(reply)) return reply
  if (reply?.outcome === 'busy')
    throw new CallboardError(
      'CB_E_BUSY',
      `The host of run ${run} has too much to write; try again in a moment.`,
    )
  return applyToRun(broker, deps, run, judge)
}

/**
 * Opens the run, judges, and writes from here, whoever hosts it; then tells the host to look, and enqueues the run when
 * that is what came of it.
 *
 * @throws as `tellRun`
 */
export async function applyToRun(broker: Broker, deps: Deps, run: string, judge: Judge): Promise<Answer> {
  const state = await openRun(broker, deps, run)
  if (state === undefined) return { outcome: 'missing' }
  const written: { readonly records: readonly RunRecord[]; readonly rev: Rev }[] = []
  const log = new RunLog(broker, deps, state, {
    maxConflicts: TRIES,
    listener: { committed: (records, rev) => written.push({ records, rev }) },
  })
  try {
    return await log.propose(judge)
  } finally {
    await log.close()
    for (const { records, rev } of written) await actOn(broker, deps, run, rev, records)
    if (written.length > 0) await broker.bus.publish(runAddress(run), { op: 'nudge' }).catch(() => {})
  }
}

/** What makes the run go on, at once; everything else is for the holder of its partition. */
async function actOn(
  broker: Broker,
  deps: Deps,
  run: string,
  rev: Rev,
  records: readonly RunRecord[],
): Promise<void> {
  for (const { id, effect } of effectsOf(run, rev, records, 1)) {
    if (effect.do !== 'enqueue') continue
    await enqueueRun(broker.queue, { run }, effect.target, id).catch((error) => {
      deps.logger.debug({ run, error }, 'a run could not be enqueued at once; the scheduler does it')
    })
  }
}
