/**
 * Waits of the code (pauses, sleeps, named signals), and the other things that have an identity in the log so that
 * a replay meets them: child runs and recorded values; and notes, which are met only where they are to be made once.
 */

import type { JsonValue } from '../core/index.ts'
import type { HostCalls, WaitRequest } from './channel.ts'
import type { FlowEvent } from './events.ts'
import { checkInput } from './input.ts'
import type { Judge, Judgement } from './judgement.ts'
import { hasEnded, IGNORED, KNOWN, rejected, stepFlow, typeOf, write } from './propose.ts'
import type { NoteRecord, RunRecord, WaitDoneRecord, WaitRecord } from './records.ts'
import type { KeptSignal, RunState, Wait } from './run-state.ts'
import { parseTag } from './states.ts'

/**
 * Judges that the code begins to wait, or meets a wait of an earlier execution. Once it is settled, look at
 * `state.waits.get(id).outcome`: there is one when the wait is over already. A pause that is met open takes hold
 * again, with the end it had. Rejected when the identity belonged to another kind of wait, or when the flow run is
 * in no state to wait; for a pause that is also while another one is in force.
 */
export function judgeWait(request: WaitRequest, at: number): Judge {
  return (state) => {
    const type = typeOf(state)
    if (hasEnded(state) || (type !== 'RUNNING' && type !== 'PAUSED'))
      return rejected(`Nothing can be waited for while the flow run is ${parseTag(state.flow.tag).name}.`)
    const wait = state.waits.get(request.id)
    if (wait === undefined) return begin(state, request, at)
    const { kind, signal } = wait.record
    if (kind !== request.kind || signal !== request.signal)
      return rejected(
        `The wait ${request.id} (${request.kind}) met the wait of that identity in the log, which is another (${kind}${signal === undefined ? '' : ` for "${signal}"`}): the flow's code has changed under the run, or does not wait in the same order each time.`,
      )
    return wait.outcome === undefined ? meet(state, wait, at) : KNOWN
  }
}

/** Judges that the time of a sleep, or of a wait for a signal, has come. */
export function judgeWaitDue(id: string, at: number): Judge {
  return (state) => {
    const wait = state.waits.get(id)
    if (wait === undefined || wait.outcome !== undefined || hasEnded(state)) return IGNORED
    const { until } = wait.record
    if (until === null || isHold(wait.record)) return IGNORED
    if (at < until) return { is: 'wait', retryAfterMs: Math.ceil(until - at) }
    return write(over(wait.record, at))
  }
}

function begin(
  state: RunState,
  { id, kind, forMs, signal, input, message }: WaitRequest,
  at: number,
): Judgement {
  const record: WaitRecord = {
    k: 'wait',
    id,
    at,
    kind,
    until: forMs === null ? null : at + forMs,
    ...(signal === undefined ? {} : { signal }),
    ...(input === undefined ? {} : { input }),
  }
  if (isHold(record)) return takeHold(state, record, at, [record], message)
  const answer = answerNow(state, record, at)
  return answer === undefined ? write(record) : write(record, answer)
}

function meet(state: RunState, { record }: Wait, at: number): Judgement {
  if (isHold(record))
    return state.flow.context.hold?.key === record.id ? KNOWN : takeHold(state, record, at, [])
  const answer = answerNow(state, record, at)
  return answer === undefined ? KNOWN : write(answer)
}

function isHold({ kind }: WaitRecord): boolean {
  return kind === 'pause' || kind === 'suspend'
}

function takeHold(
  state: RunState,
  { id, kind, until }: WaitRecord,
  at: number,
  before: readonly RunRecord[],
  message?: string,
): Judgement {
  const event: FlowEvent = {
    type: kind === 'pause' ? 'PAUSE' : 'SUSPEND',
    at,
    key: id,
    until,
    by: { channel: 'code' },
    ...(message === undefined ? {} : { message }),
  }
  const held = stepFlow(state, event)
  return held.is === 'moved' ? write(...before, held.record) : held
}

/** What ends the wait at once: a signal that came before it, or its time. */
function answerNow(state: RunState, record: WaitRecord, at: number): WaitDoneRecord | undefined {
  const kept = state.inbox.find((signal) => answers(signal, record))
  if (kept !== undefined) return takenBy(record, kept, at)
  return record.until !== null && record.until <= at ? over(record, at) : undefined
}

/** Whether a kept signal is what this wait is for, by name and by the schema it asks for. */
function answers(signal: KeptSignal, { signal: name, input }: WaitRecord): boolean {
  if (signal.name !== name) return false
  return input === undefined || checkInput(input, signal.payload).is === 'good'
}

export function takenBy(
  { id }: WaitRecord,
  { payload, by }: Pick<KeptSignal, 'payload' | 'by'>,
  at: number,
): WaitDoneRecord {
  return {
    k: 'wait-',
    id,
    at,
    outcome: payload === undefined ? { is: 'done', by } : { is: 'done', value: payload, by },
  }
}

function over({ id, kind }: WaitRecord, at: number): WaitDoneRecord {
  return { k: 'wait-', id, at, outcome: { is: kind === 'sleep' ? 'done' : 'expired' } }
}

/**
 * Judges that a child run is to be started under this identity. `known` when it was already (it is in
 * `state.children`); a child of an earlier attempt is replaced only when `again` says so.
 */
export function judgeChild(
  child: { readonly id: string; readonly run: string; readonly flow: string; readonly again?: boolean },
  at: number,
): Judge {
  return (state) => {
    if (hasEnded(state) || typeOf(state) === 'CANCELLING')
      return rejected(`No child run is started while the flow run is ${parseTag(state.flow.tag).name}.`)
    const known = state.children.get(child.id)
    if (known !== undefined && known.flow !== child.flow)
      return rejected(
        `The call of flow "${child.flow}" as ${child.id} met the child run of that identity in the log, which is of flow "${known.flow}": the flow's code has changed under the run, or does not call in the same order each time.`,
      )
    if (known !== undefined && !(child.again === true && known.earlier === true)) return KNOWN
    return write({ k: 'child', id: child.id, at, run: child.run, flow: child.flow })
  }
}

/** Judges that a value is recorded under this identity; `known` when one is (it is in `state.values`). */
export function judgeValue(id: string, v: JsonValue): Judge {
  return (state) => {
    if (state.values.has(id)) return KNOWN
    if (hasEnded(state)) return rejected(`The flow run has ended: it is ${parseTag(state.flow.tag).name}.`)
    return write({ k: 'value', id, v })
  }
}

/** Judges something for people; `known` when it was said before and is to be said once. */
export function judgeNote({ once, ...note }: HostCalls['note']['in'], at: number): Judge {
  const said: NoteRecord = { k: 'note', at, ...note }
  return (state) => {
    if (once === undefined) return write(said)
    if (state.values.get(once.id) === once.mark) return KNOWN
    return write(said, { k: 'value', id: once.id, v: once.mark })
  }
}

/** The same, said from elsewhere. */
export function judgeDistantNote(note: HostCalls['note']['in'], at: number): Judge {
  const judge = judgeNote(note, at)
  return (state) =>
    hasEnded(state)
      ? rejected(`The flow run has ended: it is ${parseTag(state.flow.tag).name}.`)
      : judge(state)
}
