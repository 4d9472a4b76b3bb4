/** Signals: what people and programs say to a run by name. */

import type { Broker } from '../broker/index.ts'
import type { Deps } from '../core/index.ts'
import { tellRun } from './apply.ts'
import type { Sender } from './events.ts'
import type { Answer, Signal } from './judgement.ts'
import { judgeSignal, judgeTask } from './rules.ts'
import { storeValue } from './values.ts'

/**
 * Sends a signal to a run and gives the run's answer, which is in the log by then. The same key twice gets the first
 * answer again. A run that does not exist, or is archived, is `missing`; a signal that it does not take now, or whose
 * payload is wrong, is `rejected` and changes nothing.
 *
 * @throws CB_E_BUSY or CB_E_CONTENDED when it should be tried again in a moment, and what the broker throws
 */
export async function sendSignal(broker: Broker, deps: Deps, run: string, signal: Signal): Promise<Answer> {
  const { payload } = signal
  const sent =
    payload === undefined
      ? signal
      : { ...signal, payload: await storeValue(broker.objects, deps, run, payload) }
  return tellRun(broker, deps, run, { op: 'signal', signal: sent }, judgeSignal(sent, deps.clock.now()))
}

/** Lets a task run go on that waits to be resumed (`manualOnly`). @throws as `sendSignal` */
export function resumeTask(
  broker: Broker,
  deps: Deps,
  run: string,
  task: string,
  by: Sender,
): Promise<Answer> {
  const judge = judgeTask(task, { type: 'RESUME', at: deps.clock.now(), by })
  return tellRun(broker, deps, run, { op: 'resume-task', task, by }, judge)
}
