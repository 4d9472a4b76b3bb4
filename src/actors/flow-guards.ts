/** What the transitions of the flow-run chart ask before they are taken. Names as they stand in the chart. */

import type { FlowEvent } from './events.ts'
import type { FlowContext } from './run-state.ts'

export interface Asked {
  readonly context: FlowContext
  readonly event: FlowEvent
}

function isArmed({ context, event }: Asked): boolean {
  return 'token' in event && context.timers[event.type.slice('TIMER.'.length)]?.token === event.token
}

/** The event speaks of the host that the run has now. */
function isOfHost({ context, event }: Asked): boolean {
  return 'epoch' in event && context.worker !== null && event.epoch === context.epoch
}

/** What the policy would wait before another attempt; null when it has none to give. */
function retryDelay({ context, event }: Asked): number | null {
  if (event.type !== 'FAIL' || event.retryDelayMs === null) return null
  return context.failures < context.policy.retries ? Math.max(0, event.retryDelayMs) : null
}

function isDue({ context: { timers }, event }: Asked): boolean {
  return timers.start === undefined || event.at >= timers.start.due
}

/** A parent's resume ends only what the parent had begun. */
function mayResume({ context, event }: Asked): boolean {
  if (event.type !== 'RESUME' || context.hold === null) return false
  return event.by.channel !== 'parent' || context.hold.by === 'parent'
}

function holdIsOver({ context: { timers }, event }: Asked): boolean {
  return timers.hold !== undefined && event.at >= timers.hold.due
}

export const flowGuards = {
  isArmed,
  isOfHost,
  isHosted: ({ context }: Asked) => context.worker !== null,
  isUnhosted: ({ context }: Asked) => context.worker === null,
  canRecover: (asked: Asked) => {
    const { policy, recoveryCount } = asked.context
    return isOfHost(asked) && policy.onCrash === 'recover' && recoveryCount < policy.maxRecoveries
  },
  isDue,
  isDueAgain: (asked: Asked) => isDue(asked) && asked.context.retrying,
  retriesNow: (asked: Asked) => retryDelay(asked) === 0,
  retriesLater: (asked: Asked) => (retryDelay(asked) ?? 0) > 0,
  retriesAtAll: (asked: Asked) => retryDelay(asked) !== null,
  retriesTimeout: (asked: Asked) => isArmed(asked) && asked.context.failures < asked.context.policy.retries,
  isSkipped: ({ event }: Asked) => event.type === 'COMPLETE' && event.name === 'Skipped',
  isTimedOut: ({ event }: Asked) => event.type === 'FAIL' && event.name === 'TimedOut',
  mayResume,
  mayResumeHosted: (asked: Asked) => mayResume(asked) && asked.context.worker !== null,
  resumesTooLate: (asked: Asked) => mayResume(asked) && holdIsOver(asked),
  waitsForSignals: ({ event }: Asked) => event.type === 'PARK' && event.signals.length > 0,
  waitsForTime: ({ event }: Asked) => event.type === 'PARK' && event.until !== null,
  isWanted: ({ context, event }: Asked) => event.type === 'SIGNAL' && context.wants.includes(event.name),
  isNotQuiet: ({ context }: Asked) => context.hold !== null && context.hold.quiescedAt === null,
} as const
