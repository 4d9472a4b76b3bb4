/** States of records as the wire has them: the type, the name, and what belongs to them. */

import {
  type Failure,
  type FlowEvent,
  type InputRequest,
  isTerminalTag,
  parseTag,
  type StateTag,
  type TaskEvent,
  type ValueRef,
} from '../../actors/index.ts'
import type { StateView } from '../../api/index.ts'

type Details = Record<string, unknown>

const LAST_MOMENT = 8.64e15

/** Records come in the order of time, so that one moment is mostly asked for several times in a row. */
let recent = { at: 0, text: '1970-01-01T00:00:00.000Z' }

/** ISO 8601 of milliseconds since the epoch; what no calendar has becomes the nearest that it has. */
export function iso(at: number): string {
  if (at !== recent.at)
    recent = { at, text: new Date(Math.max(-LAST_MOMENT, Math.min(LAST_MOMENT, at))).toISOString() }
  return recent.text
}

/** The state that an event led to. `message`: what it says to people, when the event has none of its own. */
export function stateView(event: FlowEvent | TaskEvent, to: StateTag, message?: string): StateView {
  const said = message ?? ('message' in event ? event.message : undefined)
  const result = 'result' in event ? event.result : undefined
  return {
    ...parseTag(to),
    timestamp: iso(event.at),
    ...(said === undefined ? {} : { message: said }),
    ...(result !== undefined && 'v' in result ? { data: result.v } : {}),
    details: { ...detailsOf(event, to), ...sizeOf(result) },
  }
}

/** With what a pause or suspension asks for, which stands with the wait of its key. */
export function withInput(
  state: StateView,
  event: FlowEvent,
  inputOf: (wait: string) => InputRequest | undefined,
): StateView {
  if (event.type !== 'PAUSE' && event.type !== 'SUSPEND') return state
  const input = event.input ?? inputOf(event.key)
  return input === undefined ? state : { ...state, details: { ...state.details, input } }
}

function sizeOf(result: ValueRef | undefined): Details {
  return result !== undefined && 'object' in result ? { dataBytes: result.bytes } : {}
}

function detailsOf(event: FlowEvent | TaskEvent, to: StateTag): Details {
  switch (event.type) {
    case 'CLAIM':
      return { worker: event.worker }
    case 'SLOT_WAIT':
      return { limits: event.limits }
    case 'FAIL':
      return {
        ...errorIn(event.failure),
        ...(isTerminalTag(to) || event.retryDelayMs === null
          ? {}
          : { retryAt: iso(event.at + event.retryDelayMs) }),
      }
    case 'DENIED':
      return errorIn(event.failure)
    case 'CRASH':
      return { ...event.details }
    case 'PAUSE':
    case 'SUSPEND':
      return {
        key: event.key,
        ...untilIn(event.until),
      }
    case 'PARK':
      return { ...untilIn(event.until), ...(event.signals.length === 0 ? {} : { signals: event.signals }) }
    case 'CACHED':
      return { cacheKey: event.cacheKey }
    case 'CANCEL':
      return 'graceMs' in event && event.graceMs !== undefined ? { graceMs: event.graceMs } : {}
    case 'CANCELLED':
      return 'abandoned' in event && event.abandoned === true ? { abandoned: true } : {}
    case 'HOST_LOST':
      return { reason: event.reason }
    default:
      return {}
  }
}

function untilIn(until: number | null): Details {
  return until === null ? {} : { until: iso(until) }
}

function errorIn(failure: Failure | undefined): Details {
  if (failure === undefined) return {}
  const { value: _, ...error } = failure
  return { error }
}
