/**
 * What the transitions of the flow-run chart do besides moving: its bookkeeping, timers and effects, as pure
 * plans that the chart puts together. Times come from the event; a clock that went backwards counts as no time.
 *
 * Invariants
 * (F1) `arm` and `disarm` effects follow `context.timers` exactly: whoever adds them up knows what is armed.
 * (F2) A run that leaves its worker for long, or for good, gives its slots back. One that only changes hands keeps them.
 */

import { isDeepStrictEqual } from 'node:util'
import type { Plan } from './chart-plans.ts'
import type { FlowEvent, FlowTimer } from './events.ts'
import type { CreatedRecord, Effect } from './records.ts'
import type { Armed, FlowContext } from './run-state.ts'

export type FlowPlan = Plan<FlowContext, FlowEvent>

/** Added to a run's grace, ms: the host's own kill comes first, the timer is for a host that is stuck or dead. */
export const GRACE_MARGIN_MS = 2_500

// ───────────────────────────────────────────────────────────────────────────── timers

/** Arms a timer, or leaves it when `due` is null. */
export function arm(
  timer: FlowTimer,
  due: (context: FlowContext, event: FlowEvent) => number | null,
): FlowPlan {
  return (context, event) => {
    const at = due(context, event)
    if (at === null) return {}
    const armed: Armed = { due: at, token: context.n }
    return {
      set: { timers: { ...context.timers, [timer]: armed } },
      effects: [{ do: 'arm', timer, ...armed }],
    }
  }
}

/** Disarms those of these timers that are armed. */
export function disarm(...names: readonly FlowTimer[]): FlowPlan {
  return ({ timers }) => {
    const armed = names.filter((name) => timers[name] !== undefined)
    if (armed.length === 0) return {}
    const left = Object.entries(timers).filter(([name]) => !armed.some((gone) => gone === name))
    return {
      set: { timers: Object.fromEntries(left) },
      effects: armed.map((timer): Effect => ({ do: 'disarm', timer })),
    }
  }
}

export const disarmAll: FlowPlan = disarm('start', 'late', 'retry', 'hold', 'timeout', 'grace')

// ───────────────────────────────────────────────────────────────────────────── the way to a worker

export const enqueue: FlowPlan = ({ policy }) => ({ effects: [{ do: 'enqueue', target: policy.target }] })

/** A run whose start is still to come is enqueued by its timer. */
export const enqueueWhenDue: FlowPlan = (context, event) =>
  context.timers.start === undefined ? enqueue(context, event) : {}

export const armLate: FlowPlan = arm('late', ({ policy }, { at }) => at + policy.lateAfterMs)

export const claim: FlowPlan = ({ epoch }, event) =>
  event.type === 'CLAIM' ? { set: { epoch: epoch + 1, worker: event.worker } } : {}

/** Nobody hosts the run any more, and what it held is free (F2). */
export const leaveWorker: FlowPlan = ({ limits, policy }) => ({
  set: { worker: null },
  effects: (limits ?? policy.limits).length === 0 ? [] : [{ do: 'release-slots' }],
})

/**
 * Nobody hosts the run any more, and it is about to be claimed again: its slots, or its place in the line for them, stay
 * its own, by their lease. A release that came late would take back what the next host has just been given.
 */
export const handOver: FlowPlan = () => ({ set: { worker: null } })

/** As `handOver`; whoever speaks for it meanwhile knows what it waits for. */
export const awaitSlots: FlowPlan = ({ limits, policy }, event) => {
  if (event.type !== 'SLOT_WAIT') return {}
  const isKnown = isDeepStrictEqual(event.limits, limits ?? policy.limits)
  return { set: { worker: null, ...(isKnown ? {} : { limits: event.limits }) } }
}

export const countRecovery: FlowPlan = ({ recoveryCount }) => ({ set: { recoveryCount: recoveryCount + 1 } })

/** The rest of a retry's delay is waited for without a host. */
export const keepRetryDelay: FlowPlan = (context, event) => {
  const due = context.timers.retry?.due ?? 0
  return due > event.at ? arm('start', () => due)(context, event) : {}
}

export const nudge: FlowPlan = ({ worker }) => ({ effects: worker === null ? [] : [{ do: 'nudge-host' }] })

// ───────────────────────────────────────────────────────────────────────────── RUNNING

export const openSpan: FlowPlan = (context, event) => {
  const attemptMs = context.resuming ? context.attemptMs : 0
  const { timeoutMs } = context.policy
  const opened = {
    startTime: context.startTime ?? event.at,
    runningSince: event.at,
    runCount: context.resuming ? context.runCount : context.runCount + 1,
    attemptMs,
    resuming: false,
    retrying: false,
  }
  const timeout = arm('timeout', () =>
    timeoutMs === null ? null : event.at + Math.max(0, timeoutMs - attemptMs),
  )
  const { set, effects = [] } = timeout({ ...context, ...opened }, event)
  return { set: { ...opened, ...set }, effects }
}

export const closeSpan: FlowPlan = (context, event) => {
  const span = Math.max(0, event.at - (context.runningSince ?? event.at))
  const { set, effects = [] } = disarm('timeout')(context, event)
  return {
    set: {
      runningSince: null,
      totalRunMs: context.totalRunMs + span,
      attemptMs: context.attemptMs + span,
      ...set,
    },
    effects,
  }
}

/** RUNNING is left in the middle of an attempt: the next one goes on with it. */
export const interrupt: FlowPlan = () => ({ set: { resuming: true } })

/** The attempt failed and there will be another. */
export const countFailure: FlowPlan = ({ failures }) => ({
  set: { failures: failures + 1, retrying: true, resuming: false },
})

// ───────────────────────────────────────────────────────────────────────────── waiting

const fromOutside = (channel: string) => channel !== 'code'

/** A pause that takes hold again after a recovery keeps its beginning. */
export const hold: FlowPlan = (context, event) => {
  if (event.type !== 'PAUSE' && event.type !== 'SUSPEND') return {}
  const kind = event.type === 'PAUSE' ? 'pause' : 'suspend'
  const { key, by, until } = event
  const before = context.hold?.key === key ? context.hold : null
  const outside = fromOutside(by.channel)
  const timer = until === null ? disarm('hold') : arm('hold', () => until)
  const { set, effects = [] } = timer(context, event)
  return {
    set: { hold: { key, kind, by: by.channel, since: before?.since ?? event.at, quiescedAt: null }, ...set },
    effects: [
      ...effects,
      ...(outside ? ([{ do: 'nudge-host' }, { do: 'tell-children', signal: kind }] as const) : []),
    ],
  }
}

export const park: FlowPlan = (context, event) => {
  if (event.type !== 'PARK') return {}
  const { set, effects = [] } = arm('hold', () => event.until)(context, event)
  return { set: { wants: event.signals, ...set }, effects }
}

export const quiesce: FlowPlan = (context, { at }) => ({
  set: context.hold === null ? {} : { hold: { ...context.hold, quiescedAt: at } },
})

/** The hold is over, or what a parked run waited for has come. */
export const letGo: FlowPlan = (context, event) => {
  const { set, effects = [] } = disarm('hold')(context, event)
  const outside = context.hold !== null && fromOutside(context.hold.by)
  return {
    set: { hold: null, wants: [], ...set },
    effects: outside ? [...effects, { do: 'tell-children', signal: 'resume' }] : effects,
  }
}

/** The event itself is all there is to it: it stands in the log, the context stays. */
export const note: FlowPlan = () => ({})

// ───────────────────────────────────────────────────────────────────────────── the end

export const tellChildrenCancel: FlowPlan = () => ({ effects: [{ do: 'tell-children', signal: 'cancel' }] })

export const armGrace: FlowPlan = arm('grace', ({ policy }, event) => {
  const own = event.type === 'CANCEL' ? event.graceMs : undefined
  return event.at + (own ?? policy.graceMs) + GRACE_MARGIN_MS
})

export const dropWaits: FlowPlan = () => ({ set: { hold: null, wants: [] } })

/** Events that come from the host itself: it need not be told. */
const BY_HOST: ReadonlySet<FlowEvent['type']> = new Set([
  'COMPLETE',
  'FAIL',
  'CRASH',
  'ABANDON',
  'CANCELLED',
] as const)

export const finish: FlowPlan = (context, event) => {
  const disarmed = disarmAll(context, event).effects ?? []
  const told = BY_HOST.has(event.type) ? [] : (nudge(context, event).effects ?? [])
  const freed = leaveWorker(context, event).effects ?? []
  return {
    set: {
      endTime: event.at,
      startTime: context.startTime ?? event.at,
      worker: null,
      resuming: false,
      retrying: false,
      hold: null,
      wants: [],
      timers: {},
      customName: 'name' in event && event.type !== 'SIGNAL' ? (event.name ?? null) : null,
    },
    effects: [...disarmed, ...told, ...freed, { do: 'tell-parent' }],
  }
}

/** A terminal state is left: a fresh budget, and a start that is due now. */
export const reopen: FlowPlan = (_context, { at }) => ({
  set: {
    endTime: null,
    customName: null,
    expectedStart: at,
    failures: 0,
    recoveryCount: 0,
    attemptMs: 0,
    retrying: true,
  },
})

// ───────────────────────────────────────────────────────────────────────────── the beginning

/** What a run begins with, and what it asks for: a worker now, or timers. Creation is its first transition. */
export function beginFlow(created: Pick<CreatedRecord, 'at' | 'scheduledTime' | 'policy'>): {
  readonly context: FlowContext
  readonly effects: readonly Effect[]
} {
  const { at, scheduledTime, policy } = created
  const n = 1
  const start: Armed = { due: scheduledTime, token: n }
  const late: Armed = { due: Math.max(at, scheduledTime) + policy.lateAfterMs, token: n }
  const isDue = scheduledTime <= at
  return {
    context: {
      policy,
      n,
      epoch: 0,
      worker: null,
      runCount: 0,
      recoveryCount: 0,
      failures: 0,
      expectedStart: scheduledTime,
      startTime: null,
      endTime: null,
      runningSince: null,
      totalRunMs: 0,
      attemptMs: 0,
      resuming: false,
      retrying: false,
      hold: null,
      wants: [],
      timers: isDue ? { late } : { start, late },
      customName: null,
    },
    effects: [
      isDue ? { do: 'enqueue', target: policy.target } : { do: 'arm', timer: 'start', ...start },
      { do: 'arm', timer: 'late', ...late },
    ],
  }
}
