/** What comes to the address of a hosted run, and what its host answers. */

import { isCallboardError, type JsonValue } from '../core/index.ts'
import type { HostContext } from './host-context.ts'
import type { HostedRun } from './hosted-run.ts'
import type { Judge } from './judgement.ts'
import { parseRunMessage, type RunReply } from './messages.ts'
import { judgeFire, judgeSignal, judgeTask } from './rules.ts'

/** Answers a message; undefined when it is none of ours. */
export async function answerMessage(
  context: HostContext,
  hosted: HostedRun,
  value: JsonValue,
): Promise<RunReply | undefined> {
  const message = parseRunMessage(value)
  if (message === undefined) return undefined
  const now = context.deps.clock.now()
  switch (message.op) {
    case 'signal':
      return judged(hosted, judgeSignal(message.signal, now))
    case 'timer':
      return judged(hosted, judgeFire(message.fire))
    case 'resume-task':
      return judged(hosted, judgeTask(message.task, { type: 'RESUME', at: now, by: message.by }))
    case 'nudge':
      await hosted.log.refresh()
      return { outcome: 'noted' }
    case 'child-ended':
      await hosted.execution?.children.look(message.child)
      return { outcome: 'noted' }
    case 'slots-granted': {
      const taken = context.slots.granted(message.holder)
      // Who hosts the run by now has heard it as well: a "no" from here would give its slot to somebody else.
      return hosted.isOver && !taken ? { outcome: 'elsewhere' } : { outcome: 'slots', taken }
    }
    case 'ping':
      return { outcome: 'pong', worker: context.worker, epoch: hosted.epoch ?? 0 }
    default:
      return hosted.execution?.errands.answer(message) ?? { outcome: 'elsewhere' }
  }
}

/** What cannot be settled here is for the sender to settle with the log: he gets the answer, or the error, there. */
async function judged(hosted: HostedRun, judge: Judge): Promise<RunReply> {
  if (hosted.isOver) return { outcome: 'elsewhere' }
  try {
    return await hosted.log.propose(judge)
  } catch (error) {
    return { outcome: isCallboardError(error, 'CB_E_BUSY') ? 'busy' : 'elsewhere' }
  }
}
