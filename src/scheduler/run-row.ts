/** What the scheduler remembers of a run that is not terminal: as little as it needs to know whom to wake, and when. */

import type { FlowTimer, RunState, StateTag, Target, TaskTimer } from '../actors/index.ts'
import type { Rev } from '../broker/index.ts'
import { type HeapItem, OUT } from './timer-heap.ts'

/** An armed timer of a run, or of one of its task runs. Told apart by object: arming again makes a new one. */
export interface ArmedTimer extends HeapItem {
  readonly row: RunRow
  readonly timer: FlowTimer | TaskTimer
  readonly task: string | undefined
  readonly token: number
  readonly due: number
}

/** The run was put into its queue and nobody has claimed it yet. */
export interface Asked {
  /** Id of the queue item. */
  readonly id: string
  /** When, by the broker's clock. */
  readonly at: number
  /** The item is in the queue, as far as this scheduler knows. */
  done: boolean
  /** How often the sweep has asked again. */
  again: number
}

export interface RunRow {
  readonly id: string
  /** Of the newest entry folded in. */
  rev: Rev
  tag: StateTag
  /** When the run entered the state it is in, by the broker's clock. */
  since: number
  /** Claims so far. */
  epoch: number
  /** Who hosts it; null when nobody does. */
  worker: string | null
  readonly target: Target
  /** Limits that a claim needs a slot of, as far as is known: those that the last one found full, or else its own. */
  limits: readonly string[]
  readonly parent: string | null
  asked: Asked | null
  /** It waited for slots, was granted them, and nobody has claimed it since. */
  isGranted: boolean
  /** The run's own. */
  timers: readonly ArmedTimer[]
  /** Those of its task runs, by task; a task run has one at most. */
  taskTimers: Map<string, ArmedTimer> | null
}

const NONE: readonly never[] = []

/** A row for a run that nothing is known of but where it came from. */
export function bareRow(
  facts: Pick<RunRow, 'id' | 'rev' | 'tag' | 'since' | 'target' | 'limits' | 'parent'>,
): RunRow {
  // One shape for all rows: with a hundred thousand of them it is what they cost.
  return {
    id: facts.id,
    rev: facts.rev,
    tag: facts.tag,
    since: facts.since,
    epoch: 0,
    worker: null,
    target: facts.target,
    limits: facts.limits,
    parent: facts.parent,
    asked: null,
    isGranted: false,
    timers: NONE,
    taskTimers: null,
  }
}

export function armedTimer(
  row: RunRow,
  {
    timer,
    due,
    token,
    task,
  }: Pick<ArmedTimer, 'timer' | 'due' | 'token'> & { readonly task?: string | undefined },
): ArmedTimer {
  return { row, timer, task, due, token, place: OUT }
}

/** Every timer of a row. */
export function* timersOf(row: RunRow): Iterable<ArmedTimer> {
  yield* row.timers
  if (row.taskTimers) yield* row.taskTimers.values()
}

/** The row of a run that was folded in full. What is queued for it is not in there. */
export function rowOfState(state: RunState): RunRow {
  const { created, flow } = state
  const row = bareRow({
    id: state.id,
    rev: state.rev,
    tag: state.state.tag,
    since: state.state.at,
    target: created.policy.target,
    limits: flow.context.limits ?? created.policy.limits,
    parent: created.parent?.run ?? null,
  })
  row.epoch = flow.context.epoch
  row.worker = flow.context.worker
  row.timers = Object.entries(flow.context.timers).map(([timer, armed]) =>
    armedTimer(row, { timer: timer as FlowTimer, ...armed }),
  )
  for (const task of state.tasks.values()) {
    for (const [timer, armed] of Object.entries(task.snapshot.context.timers)) {
      row.taskTimers ??= new Map()
      row.taskTimers.set(task.id, armedTimer(row, { timer: timer as TaskTimer, task: task.id, ...armed }))
    }
  }
  return row
}
