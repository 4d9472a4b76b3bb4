/**
 * The statechart of a task run, with its bookkeeping. As in `flow-chart.ts`: what a state does not list it
 * refuses.
 *
 * Invariants
 * (T1) `runCount` counts bodies started, whatever for: it is the attempt that a report names, so that a report of
 *      an older body is known as one. The retry budget counts `failures`, so a lost host costs nothing of it.
 * (T2) A slot is held from RUNNING on through CANCELLING and given back on leaving them, but for a recovery: there it
 *      went with the host. A retry that waits for its delay has none, and asks again.
 */

import { setup } from 'xstate'
import { chartOf } from './chart.ts'
import { type Plan, Planner } from './chart-plans.ts'
import type { TaskEvent, TaskPolicy } from './events.ts'
import type { Effect } from './records.ts'
import type { ChartSnapshot, TaskContext } from './run-state.ts'

type TaskPlan = Plan<TaskContext, TaskEvent>

interface Asked {
  readonly context: TaskContext
  readonly event: TaskEvent
}

const openSpan: TaskPlan = ({ startTime, runCount }, { at }) => ({
  set: { startTime: startTime ?? at, runningSince: at, runCount: runCount + 1 },
})

const closeSpan: TaskPlan = ({ runningSince, totalRunMs }, { at }) => ({
  set: { runningSince: null, totalRunMs: totalRunMs + Math.max(0, at - (runningSince ?? at)) },
})

const countFailure: TaskPlan = ({ failures }) => ({ set: { failures: failures + 1 } })

const releaseSlots: TaskPlan = ({ policy }) =>
  needsSlots(policy) ? { effects: [{ do: 'release-slots' }] } : {}

const armRetry: TaskPlan = ({ n }, event) => {
  if (event.type !== 'FAIL') return {}
  const retry = { due: event.at + (event.retryDelayMs ?? 0), token: n }
  return { set: { timers: { retry } }, effects: [{ do: 'arm', timer: 'retry', ...retry }] }
}

const disarmRetry: TaskPlan = ({ timers }) =>
  timers.retry === undefined ? {} : { set: { timers: {} }, effects: [{ do: 'disarm', timer: 'retry' }] }

const finish: TaskPlan = ({ startTime }, event) => ({
  set: {
    endTime: event.at,
    startTime: startTime ?? event.at,
    customName: 'name' in event ? (event.name ?? null) : null,
  },
})

function needsSlots({ limits }: TaskPolicy): boolean {
  return limits !== undefined && limits.length > 0
}

function isArmed({ context, event }: Asked): boolean {
  return 'token' in event && context.timers.retry?.token === event.token
}

function retryDelay({ context, event }: Asked): number | null {
  if (event.type !== 'FAIL' || event.retryDelayMs === null) return null
  return context.failures < context.policy.retries ? Math.max(0, event.retryDelayMs) : null
}

const base = setup({
  types: {} as { context: TaskContext; events: TaskEvent },
  actions: {
    effect: (_asked, _effects: readonly Effect[]) => {},
  },
  guards: {
    isArmed,
    isHeldBack: (asked) => isArmed(asked) && 'held' in asked.event,
    needsSlotsAgain: (asked) => isArmed(asked) && needsSlots(asked.context.policy),
    failedBefore: ({ context }) => context.failures > 0,
    retriesNow: (asked) => retryDelay(asked) === 0,
    retriesLater: (asked) => (retryDelay(asked) ?? 0) > 0,
    isSkipped: ({ event }) => event.type === 'COMPLETE' && event.name === 'Skipped',
    isTimedOut: ({ event }) => event.type === 'FAIL' && event.name === 'TimedOut',
  },
})

const planner = new Planner<TaskContext, TaskEvent>()

function does(...plans: readonly TaskPlan[]) {
  const deed = planner.inOrder(plans)
  return planner.own([
    { type: 'effect', params: ({ context, event }: Asked) => deed(context, event).effects },
    base.assign(({ context, event }) => deed(context, event).set),
  ] as const)
}

/** The questions before the body, while none is running. */
const QUESTIONS = {
  START: [{ guard: 'failedBefore', target: '#task.RUNNING.Retrying' }, { target: '#task.RUNNING.Running' }],
  SLOT_WAIT: '#task.SCHEDULED.AwaitingConcurrencySlot',
  CACHED: '#task.COMPLETED.Cached',
  SKIP: '#task.COMPLETED.Skipped',
  NOT_READY: '#task.PENDING.NotReady',
  TRIGGER_FAILED: '#task.FAILED.TriggerFailed',
  DENIED: '#task.FAILED.Failed',
  HOLD: '#task.PAUSED',
} as const

/** Nothing of it runs: there is nothing to stop. */
const STOPPED = {
  CANCEL: '#task.CANCELLED',
  CANCELLED: '#task.CANCELLED',
  CRASH: '#task.CRASHED',
} as const

export const taskMachine = base.createMachine({
  id: 'task',
  context: ({ input }) => input as TaskContext,
  initial: 'PENDING',
  states: {
    SCHEDULED: {
      initial: 'Scheduled',
      on: STOPPED,
      states: {
        /** To be started by whoever gets to it. */
        Scheduled: { on: QUESTIONS },
        AwaitingRetry: {
          exit: does(disarmRetry),
          on: {
            'TIMER.retry': [
              { guard: 'isHeldBack', target: 'Scheduled' },
              { guard: 'needsSlotsAgain', target: 'AwaitingConcurrencySlot' },
              { guard: 'isArmed', target: '#task.RUNNING.Retrying' },
            ],
          },
        },
        AwaitingConcurrencySlot: {
          on: {
            START: QUESTIONS.START,
            CANCEL: { target: '#task.CANCELLED', actions: does(releaseSlots) },
            CANCELLED: { target: '#task.CANCELLED', actions: does(releaseSlots) },
            CRASH: { target: '#task.CRASHED', actions: does(releaseSlots) },
            DENIED: { target: '#task.FAILED.Failed', actions: does(releaseSlots) },
          },
        },
      },
    },
    PENDING: {
      initial: 'Pending',
      states: {
        Pending: { on: { ...QUESTIONS, ...STOPPED } },
        NotReady: { entry: does(finish) },
      },
    },
    RUNNING: {
      initial: 'Running',
      entry: does(openSpan),
      exit: does(closeSpan),
      on: {
        COMPLETE: [
          { guard: 'isSkipped', target: '#task.COMPLETED.Skipped', actions: does(releaseSlots) },
          { target: '#task.COMPLETED.Completed', actions: does(releaseSlots) },
        ],
        SKIP: { target: '#task.COMPLETED.Skipped', actions: does(releaseSlots) },
        FAIL: [
          {
            guard: 'retriesNow',
            target: '#task.RUNNING.Retrying',
            reenter: true,
            actions: does(countFailure),
          },
          {
            guard: 'retriesLater',
            target: '#task.SCHEDULED.AwaitingRetry',
            actions: does(countFailure, releaseSlots, armRetry),
          },
          { guard: 'isTimedOut', target: '#task.FAILED.TimedOut', actions: does(releaseSlots) },
          { target: '#task.FAILED.Failed', actions: does(releaseSlots) },
        ],
        CRASH: { target: '#task.CRASHED', actions: does(releaseSlots) },
        CANCEL: '#task.CANCELLING',
        CANCELLED: { target: '#task.CANCELLED', actions: does(releaseSlots) },
        /** Its slots went with its host; the next one asks for them anew, under the same name. */
        RECOVER: '#task.SCHEDULED.Scheduled',
      },
      states: { Running: {}, Retrying: {} },
    },
    PAUSED: {
      initial: 'Paused',
      on: { ...STOPPED, RESUME: '#task.SCHEDULED.Scheduled' },
      states: { Paused: {} },
    },
    CANCELLING: {
      initial: 'Cancelling',
      on: { CANCELLED: { target: '#task.CANCELLED', actions: does(releaseSlots) } },
      states: { Cancelling: {} },
    },
    COMPLETED: {
      initial: 'Completed',
      entry: does(finish),
      states: {
        Completed: { on: { ROLL_BACK: { target: '#task.COMPLETED.RolledBack', actions: does(finish) } } },
        Cached: {},
        Skipped: {},
        RolledBack: {},
      },
    },
    FAILED: {
      initial: 'Failed',
      entry: does(finish),
      states: { Failed: {}, TimedOut: {}, TriggerFailed: {} },
    },
    CRASHED: { initial: 'Crashed', entry: does(finish), states: { Crashed: {} } },
    CANCELLED: { initial: 'Cancelled', entry: does(finish), states: { Cancelled: {} } },
  },
})

export const taskChart = chartOf<TaskContext, TaskEvent>(taskMachine, planner)

const NO_TIMERS: TaskContext['timers'] = {}

/** Where a task run begins when its flow's code calls it. */
export function beginTask(policy: TaskPolicy): ChartSnapshot<TaskContext> {
  return {
    tag: 'PENDING.Pending',
    context: {
      policy,
      n: 1,
      runCount: 0,
      failures: 0,
      startTime: null,
      endTime: null,
      runningSince: null,
      totalRunMs: 0,
      timers: NO_TIMERS,
      customName: null,
    },
  }
}
