/**
 * The fold of a run as JSON, and back: what is kept so that opening a long run reads little.
 *
 * Invariants
 * (J1) `hydrate(dehydrate(state))` is the state, and folding on from it gives what folding all gives.
 * (J2) A snapshot is a shortcut, never the truth: one of another version, or that does not have the shape, is
 *      refused, and its reader takes the log.
 * (J3) A task run is one short row; what stands in nearly every row alike is left out.
 */

import { CallboardError, type JsonObject, type JsonValue, partitionOf } from '../core/index.ts'
import type { Failure, TaskPolicy, ValueRef } from './events.ts'
import { type CreatedRecord, RECORD_VERSION } from './records.ts'
import type {
  Armed,
  Child,
  FlowContext,
  KeptAnswer,
  KeptSignal,
  RunState,
  StateView,
  TaskState,
  Wait,
} from './run-state.ts'
import type { StateTag } from './states.ts'

/** A task run in a snapshot. */
interface TaskRow {
  readonly id: string
  readonly task: string
  readonly tag: StateTag
  readonly policy: TaskPolicy
  /** n, runCount, failures, startTime, endTime, runningSince, totalRunMs */
  readonly c: readonly [number, number, number, number | null, number | null, number | null, number]
  readonly timers?: Readonly<Record<string, Armed>>
  readonly customName?: string
  /** When its state was entered, unless that is its end. */
  readonly at?: number
  readonly message?: string
  readonly name?: string
  readonly inputs?: string
  readonly upstream?: readonly string[]
  readonly tags?: readonly string[]
  readonly result?: ValueRef
  readonly failure?: Failure
}

interface Frozen {
  readonly v: number
  readonly id: string
  readonly rev: number
  readonly created: CreatedRecord
  readonly tag: StateTag
  readonly context: Omit<FlowContext, 'policy'>
  readonly state: StateView
  readonly result?: ValueRef
  readonly failure?: Failure
  readonly tasks: readonly TaskRow[]
  readonly waits: readonly Wait[]
  readonly inbox: readonly KeptSignal[]
  readonly children: readonly (readonly [string, Child])[]
  readonly values: readonly (readonly [string, JsonValue])[]
  readonly answers: readonly (readonly [string, KeptAnswer])[]
  readonly archived: boolean
}

/** Rows in a piece of the text. */
const ROWS_PER_PIECE = 256

/**
 * The state as JSON text, piece by piece: the rows of a large run never exist all at once. It is of one moment when it is
 * taken in one turn.
 */
export function* dehydrate(state: RunState): Generator<string, void, void> {
  yield `${JSON.stringify(outlineOf(state)).slice(0, -1)},"tasks":[`
  const tasks = state.tasks.values()
  const nextRows = () => tasks.take(ROWS_PER_PIECE).map(toRow).toArray()
  let separator = ''
  for (let rows = nextRows(); rows.length > 0; rows = nextRows()) {
    yield separator + JSON.stringify(rows).slice(1, -1)
    separator = ','
  }
  yield ']}'
}

function outlineOf(state: RunState): Omit<Frozen, 'tasks'> {
  const { policy: _policy, ...context } = state.flow.context
  return {
    v: RECORD_VERSION,
    id: state.id,
    rev: state.rev,
    created: state.created,
    tag: state.flow.tag,
    context,
    state: state.state,
    ...(state.result === undefined ? {} : { result: state.result }),
    ...(state.failure === undefined ? {} : { failure: state.failure }),
    waits: [...state.waits.values()],
    inbox: state.inbox,
    children: [...state.children],
    values: [...state.values],
    answers: [...state.answers],
    archived: state.archived,
  }
}

/**
 * The state that was dehydrated.
 *
 * @throws CB_E_STORE_DAMAGED, CB_E_STORE_TOO_NEW
 */
export function hydrate(json: JsonObject): RunState {
  if (!isFrozen(json)) throw unusable(json)
  const { id, rev, created } = json
  return {
    id,
    partition: partitionOf(id),
    rev,
    snapshotRev: rev,
    sinceSnapshot: 0,
    created,
    flow: { tag: json.tag, context: { policy: created.policy, ...json.context } },
    state: json.state,
    tasks: new Map(json.tasks.map((row) => [row.id, fromRow(row)])),
    waits: new Map(json.waits.map((wait) => [wait.record.id, wait])),
    inbox: [...json.inbox],
    children: new Map(json.children),
    values: new Map(json.values),
    answers: new Map(json.answers),
    archived: json.archived,
    result: json.result,
    failure: json.failure,
  }
}

function toRow(task: TaskState): TaskRow {
  const { snapshot, state, name, inputs, upstream, tags, result, failure } = task
  const { n, runCount, failures, startTime, endTime, runningSince, totalRunMs, timers, customName } =
    snapshot.context
  return {
    id: task.id,
    task: task.task,
    tag: snapshot.tag,
    policy: task.policy,
    c: [n, runCount, failures, startTime, endTime, runningSince, totalRunMs],
    ...(Object.keys(timers).length === 0 ? {} : { timers }),
    ...(customName === null ? {} : { customName }),
    ...(state.at === endTime ? {} : { at: state.at }),
    ...(state.message === undefined ? {} : { message: state.message }),
    ...(name === task.id ? {} : { name }),
    ...(inputs === undefined ? {} : { inputs }),
    ...(upstream.length === 0 ? {} : { upstream }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(result === undefined ? {} : { result }),
    ...(failure === undefined ? {} : { failure }),
  }
}

function fromRow(row: TaskRow): TaskState {
  const { id, tag, policy, name = id, upstream = [], tags = [], timers = {}, customName = null } = row
  const [n, runCount, failures, startTime, endTime, runningSince, totalRunMs] = row.c
  const at = row.at ?? endTime ?? 0
  return {
    id,
    task: row.task,
    name,
    policy,
    inputs: row.inputs,
    upstream,
    tags,
    snapshot: {
      tag,
      context: {
        policy,
        n,
        runCount,
        failures,
        startTime,
        endTime,
        runningSince,
        totalRunMs,
        timers,
        customName,
      },
    },
    state: row.message === undefined ? { tag, at } : { tag, at, message: row.message },
    result: row.result,
    failure: row.failure,
  }
}

/** Its own writer's work, so the outline is enough: whoever damages it inside is found by what folds on from it. */
function isFrozen(json: object): json is Frozen {
  const { v, id, rev, created, context, tasks } = json as Partial<Frozen>
  return (
    v === RECORD_VERSION &&
    typeof id === 'string' &&
    typeof rev === 'number' &&
    typeof created === 'object' &&
    typeof context === 'object' &&
    Array.isArray(tasks)
  )
}

function unusable(json: JsonObject): CallboardError {
  const { v, id } = json
  if (typeof v === 'number' && v > RECORD_VERSION)
    return new CallboardError(
      'CB_E_STORE_TOO_NEW',
      `The snapshot of run ${String(id)} was written in format ${v}; this process reads format ${RECORD_VERSION}. The log is read instead.`,
    )
  return new CallboardError(
    'CB_E_STORE_DAMAGED',
    `The snapshot of run ${String(id)} does not have the shape of one. The log is read instead.`,
  )
}
