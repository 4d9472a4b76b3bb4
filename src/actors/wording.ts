/** What a state says to people, when neither code nor sender gave it a message of their own. */

import type { FlowEvent, TaskEvent } from './events.ts'
import type { FlowContext, StateView } from './run-state.ts'
import { parseTag, type StateTag } from './states.ts'

export const NEVER_RESUMED = 'The flow was paused and never resumed.'

/** The message of the state that a flow run has come to. */
export function flowMessage(
  event: FlowEvent,
  to: StateTag,
  before: StateView,
  context: FlowContext,
): string | undefined {
  const { type, name } = parseTag(to)
  if (type === 'FAILED' && (event.type === 'RESUME' || event.type === 'TIMER.hold')) return NEVER_RESUMED
  if (event.type === 'TIMER.timeout') return `The flow run took longer than ${context.policy.timeoutMs} ms.`
  if (event.type === 'HOST_LOST')
    return type === 'CANCELLED'
      ? (before.message ?? 'Run cancelled.')
      : lostMessage(event.reason, name, context)
  const own = 'message' in event ? event.message : undefined
  if (type !== 'CANCELLED') return own
  const asked = before.tag === 'CANCELLING.Cancelling' ? before.message : undefined
  return own ?? asked ?? 'Run cancelled.'
}

function lostMessage(reason: string, name: string, { policy, recoveryCount }: FlowContext): string {
  if (name !== 'Crashed') return `The worker was lost: ${reason}`
  const spent =
    policy.onCrash === 'crash'
      ? 'runs of this flow are not recovered'
      : `recovered ${recoveryCount} of at most ${policy.maxRecoveries} times`
  return `Run crashed. The worker was lost: ${reason} (${spent})`
}

export function taskMessage(event: TaskEvent, to: StateTag): string | undefined {
  const own = 'message' in event ? event.message : undefined
  return own ?? (parseTag(to).type === 'CANCELLED' ? 'Run cancelled.' : undefined)
}
