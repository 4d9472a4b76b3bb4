/** What does not change about a run while it lives, as the wire has it, from the record that brought it into being. */

import {
  type CreatedRecord,
  type FlowContext,
  flowChart,
  type StateTag,
  type TaskCreatedRecord,
  tagOf,
  takenSignals,
} from '../../actors/index.ts'
import type { FlowRun, StateCounts, StateName, StateView, TaskRun } from '../../api/index.ts'
import { iso } from './states.ts'

/** What a flow run is made with. */
export type RunIdentity = Pick<
  FlowRun,
  | 'createdAt'
  | 'createdBy'
  | 'deployment'
  | 'flow'
  | 'flowVersion'
  | 'id'
  | 'idempotencyKey'
  | 'name'
  | 'parent'
  | 'queue'
  | 'root'
  | 'tags'
>

/** What a task run is made with. */
export type TaskIdentity = Pick<
  TaskRun,
  'createdAt' | 'id' | 'key' | 'name' | 'run' | 'tags' | 'task' | 'upstream'
>

export function runIdentity(id: string, created: CreatedRecord): RunIdentity {
  const { at, by, deployment, flow, flowVersion, idempotencyKey, name, parent, policy, root, tags } = created
  return {
    id,
    name,
    flow,
    ...(flowVersion === undefined ? {} : { flowVersion }),
    ...(deployment === undefined ? {} : { deployment }),
    tags: [...tags],
    ...(parent === undefined ? {} : { parent }),
    ...(root === undefined ? {} : { root }),
    queue: policy.target.queue,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    createdAt: iso(at),
    createdBy: by,
  }
}

/** The parameters as they are shown: absent when they are kept elsewhere for their size. */
export function shownParameters({ parameters }: CreatedRecord): Pick<FlowRun, 'parameters'> {
  return 'v' in parameters ? { parameters: parameters.v } : {}
}

export interface RunProgress {
  readonly state: StateView
  readonly context: FlowContext
  readonly taskRuns: StateCounts
  readonly progress?: Record<string, unknown>
  readonly rev: number
}

/** A flow run, from what it was made with and what it has come to. */
export function flowRunOf(
  made: RunIdentity & Pick<FlowRun, 'parameters'>,
  { context, progress, rev, state, taskRuns }: RunProgress,
): FlowRun {
  const { endTime, expectedStart, recoveryCount, resuming, runCount, startTime, totalRunMs, worker } = context
  const at = Date.parse(state.timestamp)
  return {
    ...made,
    state,
    expectedStartTime: iso(expectedStart),
    ...(startTime === null ? {} : { startTime: iso(startTime) }),
    ...(endTime === null ? {} : { endTime: iso(endTime) }),
    ...(worker === null ? {} : { worker }),
    runCount,
    ...(resuming ? { resuming } : {}),
    recoveryCount,
    totalRunMs,
    taskRuns,
    legalSignals: [...signalsOf(tagIn(state), context, at)],
    ...(progress === undefined ? {} : { progress }),
    rev,
  }
}

/**
 * The chart is asked once for each situation that it tells apart: whether the run is hosted, and who holds it. That there
 * is no other is tested over any life of a run.
 */
const knownSignals = new Map<string, readonly string[]>()
/** Code may give its terminal states names of its own. */
const MOST_KNOWN = 1_000

function signalsOf(tag: StateTag, context: FlowContext, at: number): readonly string[] {
  const { hold, worker } = context
  const situation = `${tag} ${worker === null} ${hold === null} ${hold?.by}`
  const known = knownSignals.get(situation)
  if (known !== undefined) return known
  const signals = takenSignals({ tag, context }, at)
  if (knownSignals.size >= MOST_KNOWN) knownSignals.clear()
  knownSignals.set(situation, signals)
  return signals
}

/** Whether it takes the signals that its code waits for by name. */
export function takesNamed(state: StateView, context: FlowContext): boolean {
  const probe = { type: 'SIGNAL', at: Date.parse(state.timestamp), name: '', by: { channel: '' } } as const
  return flowChart.can({ tag: tagIn(state), context }, probe)
}

export function taskIdentity(run: string, record: TaskCreatedRecord): TaskIdentity {
  const { at, id: key, name = key, tags = [], task, upstream = [] } = record
  return {
    id: taskRunId(run, key),
    run,
    key,
    name,
    task,
    tags: [...tags],
    upstream: [...upstream],
    createdAt: iso(at),
  }
}

/** `<run>.<key>`; a run's id has no dot. */
export function taskRunId(run: string, key: string): string {
  return `${run}.${key}`
}

/** The run and the key of a task run's id; undefined when it is none. */
export function partsOfTaskRunId(id: string): { readonly run: string; readonly key: string } | undefined {
  const dot = id.indexOf('.')
  return dot < 1 || dot === id.length - 1 ? undefined : { run: id.slice(0, dot), key: id.slice(dot + 1) }
}

export function tagIn({ name, type }: StateName): StateTag {
  return tagOf(type, name)
}
