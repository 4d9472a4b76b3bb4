/**
 * The fold: records, in order, to the state of a run. The same function makes the state that a host decides from,
 * that a gateway shows, and that somebody finds who opens the run a year later.
 *
 * Invariants
 * (D1) A transition is applied through its chart and must come to the state its record names; otherwise the log and
 *      this version's charts have diverged, and nobody may go on.
 * (D2) Folding takes nothing from outside: no clock, no identity, nothing of this process.
 * (D3) What grows with what people send is bounded: signal keys, kept signals. The rest is what the run is made of.
 * (D4) A retry, by signal or in its process, keeps what task runs completed and drops the others, so that they are
 *      called anew with fresh budgets. Waits are forgotten, and the signals they had taken are there again.
 */

import type { Entry, Rev } from '../broker/index.ts'
import { assertNever, CallboardError, partitionOf } from '../core/index.ts'
import type { Step } from './chart.ts'
import { damaged, decodeEntry } from './codec.ts'
import type { FlowEvent, TaskEvent } from './events.ts'
import { flowChart } from './flow-chart.ts'
import { beginFlow } from './flow-plans.ts'
import type {
  CreatedRecord,
  FlowRecord,
  RunRecord,
  TaskCreatedRecord,
  TaskRecord,
  TasksRecord,
  WaitDoneRecord,
} from './records.ts'
import { type ChartSnapshot, KEPT_ANSWERS, KEPT_SIGNALS, type RunState, type TaskState } from './run-state.ts'
import { isTerminalTag, parseTag, type StateTag } from './states.ts'
import { beginTask, taskChart } from './task-chart.ts'
import { flowMessage, taskMessage } from './wording.ts'

export { dehydrate, hydrate } from './snapshot-format.ts'

/** Where records stand: the entry's revision, and when the broker took it, where anybody knows. */
export interface EntryMeta {
  readonly rev: Rev
  readonly at?: number
}

/**
 * The state after an entry. A state given is changed in place; without one, the entry is the run's first.
 *
 * @throws CB_E_STORE_DAMAGED, CB_E_STORE_TOO_NEW, CB_E_LOG_NO_MIGRATION, CB_E_LOG_DIVERGED; the state given is then
 * good for nothing
 */
export function foldEntry(
  state: RunState | undefined,
  entry: Pick<Entry, 'subject' | 'rev' | 'records'>,
): RunState {
  const { subject, rev } = entry
  const [, ...records] = decodeEntry(entry)
  if (state !== undefined) {
    if (rev !== state.rev + 1) throw damaged(subject, rev, 0, `it follows entry ${state.rev}`)
    applyRecords(state, records, { rev })
    return state
  }
  const [created, ...rest] = records
  if (rev !== 1 || created?.k !== 'created') throw damaged(subject, rev, 1, 'it does not create the run')
  const begun = beginRun(subject, created, { rev })
  applyRecords(begun, rest, { rev })
  return begun
}

/** The state of a run that was just created. */
export function beginRun(id: string, created: CreatedRecord, { rev }: EntryMeta): RunState {
  return {
    id,
    partition: partitionOf(id),
    rev,
    snapshotRev: 0,
    sinceSnapshot: 1,
    created,
    flow: { tag: created.s, context: beginFlow(created).context },
    state: { tag: created.s, at: created.at },
    tasks: new Map(),
    waits: new Map(),
    inbox: [],
    children: new Map(),
    values: new Map(),
    answers: new Map(),
    archived: false,
  }
}

/**
 * Applies records that stand, or will stand, in the entry `meta` names. Changes the state in place.
 *
 * @throws CB_E_LOG_DIVERGED, CB_E_STORE_DAMAGED; the state is then good for nothing
 */
export function applyRecords(state: RunState, records: readonly RunRecord[], { rev }: EntryMeta): void {
  let index = 0
  for (const record of records) {
    index++
    if (record.k === 'head') continue
    state.sinceSnapshot++
    applyRecord(state, record, { run: state.id, rev, index })
  }
  state.rev = rev
}

interface Place {
  readonly run: string
  readonly rev: Rev
  readonly index: number
}

function applyRecord(state: RunState, record: RunRecord, place: Place): void {
  switch (record.k) {
    case 'flow':
      applyFlow(state, record, place)
      return
    case 'task+':
      addTask(state, record)
      return
    case 'task':
      applyTask(knownTask(state, record, place), record, place)
      return
    case 'tasks':
      applyToOpenTasks(state, record, place)
      return
    case 'wait':
      state.waits.set(record.id, { record })
      return
    case 'wait-':
      settleWait(state, record, place)
      return
    case 'child':
      state.children.set(record.id, { run: record.run, flow: record.flow })
      return
    case 'value':
      state.values.set(record.id, record.v)
      return
    case 'snapshot':
      state.snapshotRev = record.rev
      state.sinceSnapshot = 0
      return
    case 'tombstone':
      state.archived = true
      return
    case 'head':
    case 'note':
    case 'poison':
      return
    case 'created':
      throw damaged(place.run, place.rev, place.index, 'the run exists already')
    default:
      assertNever(record)
  }
}

/** (D1) */
function arrive<Context>(
  step: Step<Context>,
  from: StateTag,
  event: FlowEvent | TaskEvent,
  to: StateTag,
  { run, rev, index }: Place,
): ChartSnapshot<Context> {
  if (step.is === 'moved' && step.to.tag === to) return step.to
  const found =
    step.is === 'moved'
      ? `leads to ${step.to.tag}`
      : step.is === 'ignored'
        ? 'is not taken'
        : `fails: ${step.error}`
  throw new CallboardError(
    'CB_E_LOG_DIVERGED',
    `Record ${index} of entry ${rev} of run ${run} says that ${event.type} led from ${from} to ${to}; with the charts of this version it ${found}. The run is left as it is; use the release that wrote it, and report this.`,
    { details: { run, rev, record: index, from, event: event.type, to } },
  )
}

// ───────────────────────────────────────────────────────────────────────────── the flow run

function applyFlow(state: RunState, { e, s, key }: FlowRecord, place: Place): void {
  const before = state.flow
  const after = arrive(flowChart.step(before, e), before.tag, e, s, place)
  state.flow = after
  const isEntered = after.tag !== before.tag || after.context.runningSince !== before.context.runningSince
  if (isEntered) {
    const message = flowMessage(e, s, state.state, after.context)
    state.state = message === undefined ? { tag: s, at: e.at } : { tag: s, at: e.at, message }
  }
  if (key !== undefined) keepAnswer(state, key, s)
  if (e.type === 'SIGNAL') {
    const { name, payload, by, at } = e
    state.inbox.push(payload === undefined ? { name, by, at } : { name, payload, by, at })
    if (state.inbox.length > KEPT_SIGNALS) state.inbox.shift() // (D3)
  }
  if (e.type === 'COMPLETE' || e.type === 'FAIL' || e.type === 'RETRY') keepOutcome(state, e)
  if (e.type === 'RETRY' || after.context.failures > before.context.failures) beginAgain(state)
}

function keepAnswer(state: RunState, key: string, tag: StateTag): void {
  state.answers.set(key, { outcome: parseTag(tag).type === 'CANCELLING' ? 'accepted' : 'applied', tag })
  for (const oldest of state.answers.keys()) {
    if (state.answers.size <= KEPT_ANSWERS) return
    state.answers.delete(oldest) // (D3)
  }
}

type Outcome = Pick<RunState, 'result' | 'failure'>

function keepOutcome(of: Outcome, event: FlowEvent | TaskEvent): void {
  of.result = 'result' in event ? event.result : undefined
  of.failure = 'failure' in event ? event.failure : undefined
}

/** (D4) */
function beginAgain(state: RunState): void {
  for (const [id, task] of state.tasks) {
    const { type, name } = parseTag(task.snapshot.tag)
    if (type !== 'COMPLETED' || name === 'RolledBack') state.tasks.delete(id)
  }
  for (const { record, outcome } of [...state.waits.values()].reverse()) {
    if (record.kind !== 'signal' || record.signal === undefined || outcome?.is !== 'done') continue
    const { value: payload, by = { channel: 'code' } } = outcome
    const taken = { name: record.signal, by, at: record.at }
    state.inbox.unshift(payload === undefined ? taken : { ...taken, payload })
  }
  state.inbox.splice(KEPT_SIGNALS) // (D3)
  state.waits.clear()
  for (const [id, child] of state.children) state.children.set(id, { ...child, earlier: true })
}

// ───────────────────────────────────────────────────────────────────────────── task runs

/** Of a hundred thousand task runs most have neither tags nor upstream. */
const NO_TEXTS: readonly string[] = []

function addTask(state: RunState, record: TaskCreatedRecord): void {
  const { id, at, task, policy, inputs, upstream = NO_TEXTS, name = id, tags = NO_TEXTS } = record
  const snapshot = beginTask(policy)
  state.tasks.delete(id) // called anew: last in the order of calls
  state.tasks.set(id, {
    id,
    task,
    name,
    policy,
    inputs,
    upstream,
    tags,
    snapshot,
    state: { tag: snapshot.tag, at },
    result: undefined, // room for it in the object, not beside it
    failure: undefined,
  })
}

function knownTask(state: RunState, { id }: TaskRecord, { run, rev, index }: Place): TaskState {
  const task = state.tasks.get(id)
  if (task === undefined) throw damaged(run, rev, index, `there is no task run ${id}`)
  return task
}

function applyTask(task: TaskState, { e, s }: Pick<TaskRecord, 'e' | 's'>, place: Place): void {
  const before = task.snapshot
  const after = arrive(taskChart.step(before, e), before.tag, e, s, place)
  task.snapshot = after
  if (after.tag !== before.tag || after.context.runningSince !== before.context.runningSince) {
    const message = taskMessage(e, s)
    task.state = message === undefined ? { tag: s, at: e.at } : { tag: s, at: e.at, message }
  }
  if ('result' in e || 'failure' in e || e.type === 'COMPLETE' || e.type === 'FAIL') keepOutcome(task, e)
}

/** The task runs that could still move. */
export function openTasks(state: RunState): TaskState[] {
  return [...state.tasks.values()].filter(({ snapshot }) => !isTerminalTag(snapshot.tag))
}

function applyToOpenTasks(state: RunState, record: TasksRecord, place: Place): void {
  const open = openTasks(state)
  if (open.length !== record.count)
    throw damaged(
      place.run,
      place.rev,
      place.index,
      `it ends ${record.count} task runs, and ${open.length} are open`,
    )
  for (const task of open) applyTask(task, record, place)
}

// ───────────────────────────────────────────────────────────────────────────── waits

function settleWait(state: RunState, { id, outcome }: WaitDoneRecord, { run, rev, index }: Place): void {
  const wait = state.waits.get(id)
  if (wait === undefined) throw damaged(run, rev, index, `there is no wait ${id}`)
  wait.outcome = outcome
  if (wait.record.kind !== 'signal' || outcome.is !== 'done') return
  const value = JSON.stringify(outcome.value)
  const taken = state.inbox.findIndex(
    ({ name, payload }) => name === wait.record.signal && JSON.stringify(payload) === value,
  )
  if (taken >= 0) state.inbox.splice(taken, 1)
}
