/**
 * The common way of every proposal: an event, held against the state of a run, becomes records or a reason why not.
 * Pure; the chart decides what is legal, this adds what the chart cannot see (the other records of the entry, who
 * there is to be told) and says in words what was refused.
 *
 * Invariants
 * (U1) Nothing moves in an archived run, and no task run of a run that has ended.
 * (U2) A timer that the run no longer waits for is ignored. Whether its time has come is for the scheduler's clock to
 *      say: the due time was reckoned by another one.
 * (U3) Whoever ends a run ends its open task runs in the same entry.
 */

import type { Step } from './chart.ts'
import type { FlowEvent, TaskEvent } from './events.ts'
import { flowChart } from './flow-chart.ts'
import { openTasks } from './fold.ts'
import type { Judgement } from './judgement.ts'
import type { Effect, FlowRecord, PoisonRecord, RunRecord, TaskRecord } from './records.ts'
import type { ChartSnapshot, FlowContext, RunState } from './run-state.ts'
import { isTerminalType, parseTag, type StateType } from './states.ts'
import { taskChart } from './task-chart.ts'

export const IGNORED = { is: 'ignored' } as const
/** It is so already. */
export const KNOWN = { is: 'known', answer: 'applied' } as const

export function write(...records: readonly RunRecord[]): Judgement {
  return { is: 'write', answer: 'applied', records }
}

export function rejected(reason: string): Judgement {
  return { is: 'rejected', reason }
}

export function typeOf(state: RunState): StateType {
  return parseTag(state.flow.tag).type
}

/** (U1) */
export function hasEnded(state: RunState): boolean {
  return state.archived || isTerminalType(typeOf(state))
}

// ───────────────────────────────────────────────────────────────────────────── flow runs

/** What came of an event, before it is a judgement. */
type Moved = { readonly is: 'moved'; readonly to: ChartSnapshot<FlowContext>; readonly record: FlowRecord }

/** The transition itself; `from` is the run's state, or the one an earlier record of the same entry leads to. */
export function stepFlow(
  state: RunState,
  event: FlowEvent,
  options: { readonly from?: ChartSnapshot<FlowContext>; readonly key?: string } = {},
): Moved | Judgement {
  const { from = state.flow, key } = options
  if (state.archived) return rejected('The flow run is archived.') // (U1)
  const step = flowChart.step(from, event)
  if (step.is === 'poisoned') return poisoned(step, event)
  if (step.is === 'ignored') return isHint(event) ? IGNORED : rejected(flowReason(event, from))
  const fx = step.effects.filter((effect) => hasAddressee(state, effect))
  const record: FlowRecord = {
    k: 'flow',
    e: event,
    s: step.to.tag,
    ...(fx.length === 0 ? {} : { fx }),
    ...(key === undefined ? {} : { key }),
  }
  return { is: 'moved', to: step.to, record }
}

/** The whole judgement: the transition, what else belongs into its entry, and the end of the task runs. */
export function proposeFlow(
  state: RunState,
  event: FlowEvent,
  options: { readonly key?: string; readonly with?: readonly RunRecord[] } = {},
): Judgement {
  const moved = stepFlow(state, event, options)
  if (moved.is !== 'moved') return moved
  const { type } = parseTag(moved.to.tag)
  const answer = type === 'CANCELLING' ? 'accepted' : 'applied'
  const ended = isTerminalType(type) ? cancelTasks(state, event.at) : []
  return { is: 'write', answer, records: [moved.record, ...(options.with ?? []), ...ended] }
}

/**
 * The records that end every task run that is not terminal. Goes into the entry that ends the flow run (U3);
 * `judgeFlow` and `judgeSignal` add it by themselves.
 */
export function cancelTasks(state: RunState, at: number): RunRecord[] {
  const count = openTasks(state).length
  if (count === 0) return []
  return [{ k: 'tasks', e: { type: 'CANCELLED', at }, s: 'CANCELLED.Cancelled', count }]
}

const HINTS: ReadonlySet<string> = new Set<FlowEvent['type'] | TaskEvent['type']>([
  'HOST_LOST',
  'RELEASE',
  'QUIESCED',
  'SLOT_GRANTED',
  'RECOVER',
])

/** Nobody waits for an answer to these: a late one says nothing any more. (U2) */
function isHint(event: FlowEvent | TaskEvent): boolean {
  return 'token' in event || HINTS.has(event.type)
}

function hasAddressee(state: RunState, effect: Effect): boolean {
  if (effect.do === 'tell-children') return state.children.size > 0
  return effect.do !== 'tell-parent' || state.created.parent !== undefined
}

function poisoned(step: { readonly error: string }, event: FlowEvent | TaskEvent, task?: string): Judgement {
  const record: PoisonRecord = {
    k: 'poison',
    at: event.at,
    ...(task === undefined ? {} : { task }),
    event: JSON.parse(JSON.stringify(event)),
    error: step.error,
  }
  return {
    is: 'rejected',
    reason: `The event ${event.type} could not be judged; it is kept in the log for whoever has to find out why: ${step.error}`,
    records: [record],
  }
}

/** Why a flow run does not take an event, in a sentence. */
function flowReason(event: FlowEvent, { tag, context }: ChartSnapshot<FlowContext>): string {
  const { type, name } = parseTag(tag)
  if (event.type === 'RETRY') return `Only a flow run that has ended can be retried; this one is ${name}.`
  if (isTerminalType(type)) return `The flow run has ended: it is ${name}.`
  if (type === 'CANCELLING') return 'The flow run is being cancelled; nothing but its end can happen to it.'
  switch (event.type) {
    case 'CLAIM':
      return context.worker === null
        ? `A flow run that is ${name} cannot be claimed.`
        : `The flow run is taken: it is ${name}, on worker ${context.worker}.`
    case 'START':
      return `Only a flow run that is Pending can be started; this one is ${name}.`
    case 'PAUSE':
    case 'SUSPEND':
    case 'PARK':
      return `Only a running flow run can be paused or suspended; this one is ${name}.`
    case 'RESUME':
      return context.hold === null
        ? `The flow run is not paused: it is ${name}.`
        : `The flow run was paused by ${context.hold.by}; its parent cannot resume it.`
    default:
      return `${event.type} does not apply to a flow run that is ${name}.`
  }
}

// ───────────────────────────────────────────────────────────────────────────── task runs

export function proposeTask(state: RunState, id: string, event: TaskEvent): Judgement {
  const task = state.tasks.get(id)
  if (hasEnded(state) || task === undefined) {
    if (isHint(event)) return IGNORED
    return rejected(
      task === undefined
        ? `There is no task run ${id} in the present attempt of the flow run.`
        : `The flow run has ended: nothing can happen to its task run ${id}.`,
    )
  }
  const step = taskChart.step(task.snapshot, event)
  if (step.is === 'poisoned') return poisoned(step, event, id)
  if (step.is === 'ignored') {
    if (isHint(event)) return IGNORED
    const { name } = parseTag(task.snapshot.tag)
    return rejected(`${event.type} does not apply to task run ${id}: it is ${name}.`)
  }
  return write(taskRecord(id, event, step))
}

export function taskRecord<Context>(
  id: string,
  e: TaskEvent,
  { to, effects }: Extract<Step<Context>, { is: 'moved' }>,
): TaskRecord {
  const record = { k: 'task', id, e, s: to.tag } as const
  return effects.length === 0 ? record : { ...record, fx: effects.map((effect) => ofTask(effect, id)) }
}

function ofTask(effect: Effect, task: string): Effect {
  return effect.do === 'arm' || effect.do === 'disarm' || effect.do === 'release-slots'
    ? { ...effect, task }
    : effect
}
