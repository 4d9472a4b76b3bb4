/**
 * The statechart of a flow run. Types are the parent states, names the children; `docs` and tests read it as it
 * stands here, so it says everything: what a state takes, where that leads, and what is done on the way.
 *
 * What an event meets that is not listed in a state is refused there, and the run does not change. Codes and
 * hosts may be late, doubled or lost: whatever they say about a run that has moved on meets exactly that.
 */

import { setup } from 'xstate'
import { chartOf } from './chart.ts'
import { Planner } from './chart-plans.ts'
import type { FlowEvent } from './events.ts'
import { type Asked, flowGuards } from './flow-guards.ts'
import {
  arm,
  armGrace,
  armLate,
  awaitSlots,
  claim,
  closeSpan,
  countFailure,
  countRecovery,
  disarm,
  disarmAll,
  dropWaits,
  enqueue,
  enqueueWhenDue,
  type FlowPlan,
  finish,
  handOver,
  hold,
  interrupt,
  keepRetryDelay,
  leaveWorker,
  letGo,
  note,
  nudge,
  openSpan,
  park,
  quiesce,
  reopen,
  tellChildrenCancel,
} from './flow-plans.ts'
import type { Effect } from './records.ts'
import type { FlowContext } from './run-state.ts'

const base = setup({
  types: {} as { context: FlowContext; events: FlowEvent },
  actions: {
    effect: (_asked, _effects: readonly Effect[]) => {},
  },
  guards: flowGuards,
})

const planner = new Planner<FlowContext, FlowEvent>()

function does(...plans: readonly FlowPlan[]) {
  const deed = planner.inOrder(plans)
  return planner.own([
    { type: 'effect', params: ({ context, event }: Asked) => deed(context, event).effects },
    base.assign(({ context, event }) => deed(context, event).set),
  ] as const)
}

// ── transitions that several states share

/** Kept for a wait to take. */
const SIGNAL = { actions: does(note, nudge) }

const LOST = [
  {
    guard: 'canRecover',
    target: '#flow.SCHEDULED.AwaitingRecovery',
    actions: does(countRecovery, nudge, handOver, enqueueWhenDue),
  },
  { guard: 'isOfHost', target: '#flow.CRASHED' },
] as const

const RELEASED = {
  guard: 'isOfHost',
  target: '#flow.SCHEDULED.AwaitingRecovery',
  actions: does(handOver, enqueueWhenDue),
} as const

/** A hold that outlived its host still ends: by a resume before the code is back, or by its time. */
const HELD = {
  RESUME: [
    { guard: 'resumesTooLate', target: '#flow.FAILED' },
    { guard: 'mayResume', actions: does(letGo) },
  ],
  'TIMER.hold': { guard: 'isArmed', target: '#flow.FAILED' },
} as const

const KILL = {
  target: '#flow.CANCELLING',
  actions: does(nudge, tellChildrenCancel, disarmAll, dropWaits, armGrace),
} as const

const DROP = { target: '#flow.CANCELLED', actions: does(tellChildrenCancel) } as const

const ENDINGS = {
  COMPLETE: [
    { guard: 'isSkipped', target: '#flow.COMPLETED.Skipped' },
    { target: '#flow.COMPLETED.Completed' },
  ],
  ABANDON: '#flow.CANCELLED',
  CRASH: '#flow.CRASHED',
} as const

/** A failure while held: the pause outlives it. The code has ended, so the run waits as a suspended one. */
const FAIL_HELD = [
  {
    guard: 'retriesAtAll',
    target: '#flow.PAUSED.Suspended',
    actions: does(countFailure, quiesce, leaveWorker),
  },
  { guard: 'isTimedOut', target: '#flow.FAILED.TimedOut' },
  { target: '#flow.FAILED.Failed' },
] as const

const WOKEN = { target: '#flow.SCHEDULED.Resuming', actions: does(letGo, enqueue) } as const

const RETRY = {
  target: '#flow.SCHEDULED.Scheduled',
  actions: does(reopen, armLate, enqueue),
} as const

export const flowMachine = base.createMachine({
  id: 'flow',
  context: ({ input }) => input as FlowContext,
  initial: 'SCHEDULED',
  states: {
    SCHEDULED: {
      initial: 'Scheduled',
      on: {
        CLAIM: { guard: 'isUnhosted', target: 'PENDING', actions: does(disarm('late'), claim) },
        CANCEL: DROP,
        CRASH: 'CRASHED',
        SIGNAL,
        'TIMER.start': { guard: 'isArmed', actions: does(disarm('start'), enqueue) },
        ...HELD,
      },
      states: {
        Scheduled: {
          on: { 'TIMER.late': { guard: 'isArmed', target: 'Late', actions: does(disarm('late')) } },
        },
        Late: {},
        /** In its process: workers never see it. */
        AwaitingRetry: {
          on: {
            'TIMER.retry': {
              guard: 'isArmed',
              target: '#flow.RUNNING.Retrying',
              actions: does(disarm('retry'), nudge),
            },
            HOST_LOST: [
              {
                guard: 'canRecover',
                target: 'AwaitingRecovery',
                actions: does(
                  countRecovery,
                  nudge,
                  handOver,
                  keepRetryDelay,
                  disarm('retry'),
                  enqueueWhenDue,
                ),
              },
              { guard: 'isOfHost', target: '#flow.CRASHED' },
            ],
            RELEASE: {
              guard: 'isOfHost',
              target: 'AwaitingRecovery',
              actions: does(handOver, keepRetryDelay, disarm('retry'), enqueueWhenDue),
            },
          },
        },
        AwaitingConcurrencySlot: {
          on: { SLOT_GRANTED: { target: 'Scheduled', actions: does(enqueueWhenDue) } },
        },
        AwaitingRecovery: {},
        Resuming: {},
      },
    },
    PENDING: {
      initial: 'Pending',
      on: {
        START: [
          { guard: 'isDueAgain', target: '#flow.RUNNING.Retrying', actions: does(disarm('start')) },
          { guard: 'isDue', target: '#flow.RUNNING.Running', actions: does(disarm('start')) },
        ],
        SLOT_WAIT: { target: '#flow.SCHEDULED.AwaitingConcurrencySlot', actions: does(awaitSlots) },
        FAIL: [{ guard: 'isTimedOut', target: '#flow.FAILED.TimedOut' }, { target: '#flow.FAILED.Failed' }],
        ABANDON: 'CANCELLED',
        CRASH: 'CRASHED',
        CANCEL: KILL,
        HOST_LOST: LOST,
        RELEASE: RELEASED,
        SIGNAL,
        'TIMER.start': { guard: 'isArmed', actions: does(disarm('start'), nudge) },
        ...HELD,
      },
      states: { Pending: {} },
    },
    RUNNING: {
      initial: 'Running',
      entry: does(openSpan),
      exit: does(closeSpan),
      on: {
        ...ENDINGS,
        FAIL: [
          {
            guard: 'retriesNow',
            target: '#flow.RUNNING.Retrying',
            reenter: true,
            actions: does(dropWaits, disarm('hold'), countFailure),
          },
          {
            guard: 'retriesLater',
            target: '#flow.SCHEDULED.AwaitingRetry',
            actions: does(
              dropWaits,
              disarm('hold'),
              countFailure,
              arm('retry', (_context, event) =>
                event.type === 'FAIL' ? event.at + (event.retryDelayMs ?? 0) : null,
              ),
            ),
          },
          { guard: 'isTimedOut', target: '#flow.FAILED.TimedOut' },
          { target: '#flow.FAILED.Failed' },
        ],
        PAUSE: { target: '#flow.PAUSED.Paused', actions: does(interrupt, hold) },
        SUSPEND: { target: '#flow.PAUSED.Suspended', actions: does(interrupt, hold) },
        PARK: [
          {
            guard: 'waitsForSignals',
            target: '#flow.PAUSED.Waiting',
            actions: does(interrupt, park, leaveWorker),
          },
          // For nothing at all would be for ever.
          {
            guard: 'waitsForTime',
            target: '#flow.PAUSED.Sleeping',
            actions: does(interrupt, park, leaveWorker),
          },
        ],
        CANCEL: KILL,
        HOST_LOST: [
          {
            guard: 'canRecover',
            target: '#flow.SCHEDULED.AwaitingRecovery',
            actions: does(interrupt, countRecovery, nudge, handOver, enqueueWhenDue),
          },
          { guard: 'isOfHost', target: '#flow.CRASHED' },
        ],
        RELEASE: {
          guard: 'isOfHost',
          target: '#flow.SCHEDULED.AwaitingRecovery',
          actions: does(interrupt, handOver, enqueueWhenDue),
        },
        SIGNAL,
        'TIMER.timeout': [
          {
            guard: 'retriesTimeout',
            target: '#flow.RUNNING.Retrying',
            reenter: true,
            actions: does(dropWaits, disarm('hold'), countFailure, nudge),
          },
          { guard: 'isArmed', target: '#flow.FAILED.TimedOut' },
        ],
        ...HELD,
      },
      states: { Running: {}, Retrying: {} },
    },
    PAUSED: {
      initial: 'Paused',
      on: { CRASH: 'CRASHED', SIGNAL },
      states: {
        /** The code waits in its process. */
        Paused: {
          on: {
            ...ENDINGS,
            FAIL: FAIL_HELD,
            QUIESCED: { guard: 'isNotQuiet', actions: does(quiesce) },
            RESUME: [
              { guard: 'resumesTooLate', target: '#flow.FAILED' },
              { guard: 'mayResume', target: '#flow.RUNNING', actions: does(nudge, letGo) },
            ],
            'TIMER.hold': { guard: 'isArmed', target: '#flow.FAILED' },
            CANCEL: KILL,
            HOST_LOST: LOST,
            RELEASE: RELEASED,
          },
        },
        /** The code leaves its process: a host until the last running task has finished, then none. */
        Suspended: {
          on: {
            // Once the host has left nobody can say how the code ended.
            COMPLETE: [
              { guard: 'isUnhosted' },
              { guard: 'isSkipped', target: '#flow.COMPLETED.Skipped' },
              { target: '#flow.COMPLETED.Completed' },
            ],
            ABANDON: { guard: 'isHosted', target: '#flow.CANCELLED' },
            FAIL: [{ guard: 'isUnhosted' }, ...FAIL_HELD],
            QUIESCED: { guard: 'isHosted', actions: does(quiesce, leaveWorker) },
            RESUME: [
              { guard: 'resumesTooLate', target: '#flow.FAILED' },
              { guard: 'mayResumeHosted', target: '#flow.RUNNING', actions: does(nudge, letGo) },
              { guard: 'mayResume', ...WOKEN },
            ],
            'TIMER.hold': { guard: 'isArmed', target: '#flow.FAILED' },
            CANCEL: [{ guard: 'isHosted', ...KILL }, DROP],
            HOST_LOST: { guard: 'isOfHost', actions: does(quiesce, nudge, leaveWorker) },
            RELEASE: { guard: 'isOfHost', actions: does(quiesce, leaveWorker) },
          },
        },
        Sleeping: {
          on: {
            'TIMER.hold': { guard: 'isArmed', ...WOKEN },
            CANCEL: DROP,
          },
        },
        Waiting: {
          on: {
            SIGNAL: [{ guard: 'isWanted', ...WOKEN }, SIGNAL],
            'TIMER.hold': { guard: 'isArmed', ...WOKEN },
            CANCEL: DROP,
          },
        },
      },
    },
    CANCELLING: {
      initial: 'Cancelling',
      on: {
        CANCELLED: 'CANCELLED',
        HOST_LOST: { guard: 'isOfHost', target: 'CANCELLED' },
        'TIMER.grace': { guard: 'isArmed', target: 'CANCELLED' },
      },
      states: { Cancelling: {} },
    },
    COMPLETED: {
      initial: 'Completed',
      entry: does(finish),
      on: { RETRY },
      states: { Completed: {}, Skipped: {} },
    },
    FAILED: {
      initial: 'Failed',
      entry: does(finish),
      on: { RETRY },
      states: { Failed: {}, TimedOut: {} },
    },
    CRASHED: {
      initial: 'Crashed',
      entry: does(finish),
      on: { RETRY },
      states: { Crashed: {} },
    },
    CANCELLED: {
      initial: 'Cancelled',
      entry: does(finish),
      on: { RETRY },
      states: { Cancelled: {} },
    },
  },
})

export const flowChart = chartOf<FlowContext, FlowEvent>(flowMachine, planner)
