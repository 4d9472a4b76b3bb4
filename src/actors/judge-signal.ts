/**
 * Signals: what people and other programs want of a flow run.
 *
 * Invariants
 * (W1) A key is answered once: the same key gets the first answer again and nothing is written.
 * (W2) What is refused leaves nothing behind: the run is as it was, the input is not stored.
 * (W3) What can be sent now is asked of the chart, with the very events that sending it would propose.
 */

import type { FlowEvent } from './events.ts'
import { flowChart } from './flow-chart.ts'
import { checkInput } from './input.ts'
import { takenBy } from './judge-wait.ts'
import { type Judge, type Judgement, SIGNALS, type Signal, type SignalName } from './judgement.ts'
import { proposeFlow, rejected, stepFlow } from './propose.ts'
import { KEPT_SIGNALS, type RunState, type Wait } from './run-state.ts'
import { parseTag } from './states.ts'
import { NEVER_RESUMED } from './wording.ts'

/** How long a pause or suspension from outside lasts when its signal does not say, ms. */
export const HOLD_MS = 3_600_000

/** Judges a signal. */
export function judgeSignal(signal: Signal, at: number): Judge {
  return (state) => {
    const kept = state.answers.get(signal.key)
    if (kept !== undefined) return { is: 'known', answer: kept.outcome } // (W1)
    const { name } = signal
    if (!isSignalName(name)) return judgeNamed(state, signal, at)
    const event = eventOf(name, signal, at)
    return event.type === 'RESUME' ? judgeResume(state, signal, event) : proposeFlow(state, event, signal)
  }
}

/**
 * The signals this run takes now: of those every run knows, and the names its code waits for.
 */
export function legalSignals(state: RunState): string[] {
  if (state.archived) return []
  const { at } = state.state
  const known = takenSignals(state.flow, at)
  const takesNamed = flowChart.can(state.flow, { type: 'SIGNAL', at, name: '', by: PROBE.by })
  const awaited = [...state.waits.values()].flatMap(({ record: { signal }, outcome }) =>
    takesNamed && signal !== undefined && outcome === undefined ? [signal] : [],
  )
  return [...known, ...new Set(awaited)]
}

const PROBE = { key: '', by: { channel: '' } }

/** Of the signals that every run knows, those that a run takes which stands here. */
export function takenSignals(flow: RunState['flow'], at: number): SignalName[] {
  return SIGNALS.filter((name) => flowChart.can(flow, eventOf(name, { ...PROBE, name }, at))) // (W3)
}

function isSignalName(name: string): name is SignalName {
  return SIGNALS.some((known) => known === name)
}

function eventOf(name: SignalName, signal: Signal, at: number): FlowEvent {
  const { by, message, graceMs, timeoutMs = HOLD_MS, payload } = signal
  const said = message === undefined ? { at, by } : { at, by, message }
  const until = timeoutMs === null ? null : at + timeoutMs
  switch (name) {
    case 'pause':
      return { type: 'PAUSE', key: `signal:${signal.key}`, until, ...said }
    case 'suspend':
      return { type: 'SUSPEND', key: `signal:${signal.key}`, until, ...said }
    case 'resume':
      return payload === undefined ? { type: 'RESUME', ...said } : { type: 'RESUME', input: payload, ...said }
    case 'cancel':
      return graceMs === undefined ? { type: 'CANCEL', ...said } : { type: 'CANCEL', graceMs, ...said }
    case 'retry':
      return { type: 'RETRY', ...said }
  }
}

function judgeResume(
  state: RunState,
  { key }: Signal,
  event: Extract<FlowEvent, { type: 'RESUME' }>,
): Judgement {
  const wait = waitOfHold(state)
  const asked = wait?.record.input
  const tried = stepFlow(state, event)
  if (tried.is !== 'moved') return tried
  if (parseTag(tried.to.tag).type === 'FAILED') return tooLate(state, event)
  const checked = asked === undefined ? undefined : checkInput(asked, event.input)
  if (checked?.is === 'bad') return { is: 'rejected', reason: checked.reason, issues: checked.issues } // (W2)
  const resume = checked === undefined ? event : { ...event, input: checked.value }
  const answered =
    wait === undefined ? [] : [takenBy(wait.record, { ...payloadOf(resume), by: event.by }, event.at)]
  return proposeFlow(state, resume, { key, with: answered })
}

function payloadOf({ input }: Extract<FlowEvent, { type: 'RESUME' }>) {
  return input === undefined ? {} : { payload: input }
}

/** The wait of the code that the present hold belongs to; a hold from outside has none. */
function waitOfHold(state: RunState): Wait | undefined {
  const { hold } = state.flow.context
  const wait = hold === null ? undefined : state.waits.get(hold.key)
  return wait?.outcome === undefined ? wait : undefined
}

/** It fails the run, and whoever resumed is told that he did not. */
function tooLate(state: RunState, event: FlowEvent): Judgement {
  const failed = proposeFlow(state, event)
  return failed.is === 'write' ? { is: 'rejected', reason: NEVER_RESUMED, records: failed.records } : failed
}

function judgeNamed(state: RunState, { name, payload, by, key }: Signal, at: number): Judgement {
  const event: FlowEvent =
    payload === undefined ? { type: 'SIGNAL', at, name, by } : { type: 'SIGNAL', at, name, payload, by }
  if (state.inbox.length >= KEPT_SIGNALS)
    return rejected(
      `The flow run keeps ${KEPT_SIGNALS} signals that nothing has waited for; it takes no more.`,
    )
  const wait = [...state.waits.values()].find(
    ({ record, outcome }) => outcome === undefined && record.signal === name,
  )
  if (wait === undefined) return proposeFlow(state, event, { key })
  const asked = wait.record.input
  const checked = asked === undefined ? undefined : checkInput(asked, payload)
  if (checked?.is === 'bad') return { is: 'rejected', reason: checked.reason, issues: checked.issues } // (W2)
  const given = checked === undefined ? event : { ...event, payload: checked.value }
  return proposeFlow(state, given, { key, with: [takenBy(wait.record, given, at)] })
}
