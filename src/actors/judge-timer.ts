/** A timer is due: what the scheduler says of a run, or of one of its task runs. */

import { judgeFlow } from './judge-flow.ts'
import { judgeTask } from './judge-task.ts'
import type { Judge } from './judgement.ts'
import type { TimerFire } from './messages.ts'

export function judgeFire({ timer, token, at, task, lateMs }: TimerFire): Judge {
  const fired = { token, at, ...(lateMs === undefined ? {} : { lateMs }) }
  if (task === undefined) return judgeFlow({ type: `TIMER.${timer}`, ...fired })
  return judgeTask(task, { type: 'TIMER.retry', ...fired })
}
