/**
 * What the host, the scheduler and the code say about a flow run, judged. What people and other programs want of it
 * is in `judge-signal.ts`.
 */

import type { FlowEvent } from './events.ts'
import type { Judge, Judgement } from './judgement.ts'
import { proposeFlow, rejected, stepFlow, typeOf, write } from './propose.ts'
import type { RunRecord } from './records.ts'
import type { RunState } from './run-state.ts'

/**
 * Judges an event of a flow run.
 *
 * Besides the chart: a START before the start time is to wait. A START of a run whose pause outlived its host writes
 * the pause again, so the run is Paused after it: its code starts, is answered from the log, and begins nothing new.
 * A PARK is refused when something it would wait for has come, or was answered, meanwhile. A time that ends a sleep or a wait answers
 * it in the same entry, and the end of a run ends its open task runs.
 *
 * @param options.key idempotency key to remember the answer under
 */
export function judgeFlow(event: FlowEvent, options: { readonly key?: string } = {}): Judge {
  return (state) => {
    switch (event.type) {
      case 'START':
        return judgeStart(state, event)
      case 'PARK':
        return judgePark(state, event)
      case 'TIMER.hold':
        return proposeFlow(state, event, { with: isParked(state) ? dueWaits(state, event.at) : [] })
      default:
        return proposeFlow(state, event, options)
    }
  }
}

function judgeStart(state: RunState, event: Extract<FlowEvent, { type: 'START' }>): Judgement {
  const { timers, hold } = state.flow.context
  const type = typeOf(state)
  const start = timers.start
  if (start !== undefined && event.at < start.due && (type === 'SCHEDULED' || type === 'PENDING'))
    return { is: 'wait', retryAfterMs: Math.ceil(start.due - event.at) }
  const started = stepFlow(state, event)
  if (started.is !== 'moved' || hold === null) return proposeFlow(state, event)
  const again: FlowEvent = {
    type: 'PAUSE',
    at: event.at,
    key: hold.key,
    until: timers.hold?.due ?? null,
    by: { channel: hold.by },
  }
  const paused = stepFlow(state, again, { from: started.to })
  return paused.is === 'moved' ? write(started.record, paused.record) : paused
}

function judgePark(state: RunState, event: Extract<FlowEvent, { type: 'PARK' }>): Judgement {
  const open = [...state.waits.values()].filter(({ outcome }) => outcome === undefined)
  const signals = new Set(open.map(({ record }) => record.signal))
  const come = state.inbox.find(({ name }) => signals.has(name))
  if (come !== undefined) return rejected(`The signal "${come.name}" that it would wait for has come.`)
  const isStillSo =
    event.signals.every((name) => signals.has(name)) &&
    (event.until === null || open.some(({ record }) => record.until === event.until))
  if (!isStillSo || open.length === 0) return rejected('What it would wait for has been answered.')
  return proposeFlow(state, event)
}

function isParked(state: RunState): boolean {
  return state.flow.tag === 'PAUSED.Sleeping' || state.flow.tag === 'PAUSED.Waiting'
}

/** The answers of the sleeps and signal waits that are over: their ends are on the clock that armed the timer. */
function dueWaits(state: RunState, at: number): RunRecord[] {
  const now = state.flow.context.timers.hold?.due ?? at
  return [...state.waits.values()].flatMap(({ record: { id, kind, until }, outcome }): RunRecord[] => {
    if (outcome !== undefined || until === null || until > now) return []
    if (kind === 'sleep') return [{ k: 'wait-', id, at, outcome: { is: 'done' } }]
    return kind === 'signal' ? [{ k: 'wait-', id, at, outcome: { is: 'expired' } }] : []
  })
}
