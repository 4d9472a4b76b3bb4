/** Flow runs and task runs, their lines, events and artifacts. */

import { type Static, Type } from 'typebox'
import { ArtifactId, Count, Milliseconds, RunId, Sender, strict, TaskRunId, Text, Time } from './common.ts'
import { StateCounts, StateView } from './states.ts'

const Data = Type.Record(Type.String(), Type.Unknown())

/** The run that called this one, and as which of its calls. */
const Parent = Type.Object({ run: RunId, key: Type.String() }, strict)

export const FlowRun = Type.Object(
  {
    id: RunId,
    name: Type.String(),
    flow: Text,
    flowVersion: Type.Optional(Type.String()),
    /** `flow/name` */
    deployment: Type.Optional(Type.String()),
    state: StateView,
    tags: Type.Array(Type.String()),
    /** As tagged JSON; absent when they are large (`GET /flow-runs/:id/parameters`). */
    parameters: Type.Optional(Type.Unknown()),
    parent: Type.Optional(Parent),
    /** The run at the top of the tree; absent when it is this one. */
    root: Type.Optional(RunId),
    /** The broker's queue that it waits in for a worker. */
    queue: Type.String(),
    idempotencyKey: Type.Optional(Type.String()),
    createdAt: Time,
    createdBy: Sender,
    /** When it is, or was, to start. */
    expectedStartTime: Time,
    startTime: Type.Optional(Time),
    endTime: Type.Optional(Time),
    /** The id of the worker that hosts it now. */
    worker: Type.Optional(Type.String()),
    /** Executions begun: the first and every retry of the flow. */
    runCount: Count,
    /** When its code runs next it goes on with an execution that has begun, after a pause or a lost host; else it begins one. */
    resuming: Type.Optional(Type.Literal(true)),
    /** How often a lost host was made good. */
    recoveryCount: Count,
    /** In RUNNING, up to `state.timestamp`. */
    totalRunMs: Milliseconds,
    /** How its task runs stand. */
    taskRuns: StateCounts,
    /** Signals that every run knows and that it takes now; names its code waits for come with them on one run. */
    legalSignals: Type.Array(Type.String()),
    /** The newest progress its code told of, 0 to 1 … as it said it. */
    progress: Type.Optional(Data),
    /** Revision of its log. */
    rev: Count,
  },
  strict,
)
export type FlowRun = Static<typeof FlowRun>

export const TaskRun = Type.Object(
  {
    id: TaskRunId,
    run: RunId,
    /** What it is known by within its flow run: `fetch-0`. */
    key: Type.String(),
    name: Type.String(),
    task: Text,
    state: StateView,
    tags: Type.Array(Type.String()),
    /** Keys of the task runs whose results went in. */
    upstream: Type.Array(Type.String()),
    createdAt: Time,
    startTime: Type.Optional(Time),
    endTime: Type.Optional(Time),
    /** Bodies begun, whatever for. */
    runCount: Count,
    totalRunMs: Milliseconds,
    progress: Type.Optional(Data),
    /** It did not complete before its flow run was tried again, and has not been called since. */
    superseded: Type.Optional(Type.Literal(true)),
  },
  strict,
)
export type TaskRun = Static<typeof TaskRun>

export const LogLevel = Type.Enum(['trace', 'debug', 'info', 'warn', 'error'])
export type LogLevel = Static<typeof LogLevel>

export const LogLine = Type.Object(
  {
    /** Where it stands in the run's log: entry, then line. Unique within the run, ascending. */
    id: Type.String(),
    run: RunId,
    /** Key of the task run that said it. */
    task: Type.Optional(Type.String()),
    timestamp: Time,
    level: LogLevel,
    message: Type.String(),
  },
  strict,
)
export type LogLine = Static<typeof LogLine>

/** Something that happened: a state entered, a signal taken, a note of the code. */
export const RunEvent = Type.Object(
  {
    id: Type.String(),
    /** `flow-run.Running`, `task-run.Completed`, `signal.approve`, or what the code called it. */
    event: Type.String(),
    run: RunId,
    task: Type.Optional(Type.String()),
    timestamp: Time,
    by: Type.Optional(Sender),
    data: Data,
  },
  strict,
)
export type RunEvent = Static<typeof RunEvent>

export const Artifact = Type.Object(
  {
    id: ArtifactId,
    run: RunId,
    /** Key of the task run that made it. */
    task: Type.Optional(Type.String()),
    /** Artifacts of one key are versions of one thing. */
    key: Type.Optional(Type.String()),
    /** `markdown`, `table`, `link`, `image`, `progress`. */
    kind: Type.String(),
    timestamp: Time,
    /** As tagged JSON: `markdown`; `table`, a list of rows; `link` and `text`; `url` of an image; `progress`, 0 to 100. */
    data: Data,
  },
  strict,
)
export type Artifact = Static<typeof Artifact>

/** A state that a run, or a task run of it, was in. */
export const PastState = Type.Object(
  {
    id: Type.String(),
    task: Type.Optional(Type.String()),
    state: StateView,
    by: Type.Optional(Sender),
  },
  strict,
)
export type PastState = Static<typeof PastState>

/** The task runs and child runs of a run, and what waited for what. */
export const Graph = Type.Object(
  {
    run: RunId,
    nodes: Type.Array(
      Type.Object(
        {
          key: Type.String(),
          kind: Type.Enum(['task', 'flow']),
          name: Type.String(),
          /** The child run, of a node that is one. */
          run: Type.Optional(RunId),
          state: Type.Optional(StateView),
          startTime: Type.Optional(Time),
          endTime: Type.Optional(Time),
          upstream: Type.Array(Type.String()),
        },
        strict,
      ),
    ),
    /** There are more than are shown. */
    truncated: Type.Boolean(),
  },
  strict,
)
export type Graph = Static<typeof Graph>

/** Runs that began, by their state, in one span of time. */
export const HistoryBucket = Type.Object({ from: Time, to: Time, states: StateCounts }, strict)
export type HistoryBucket = Static<typeof HistoryBucket>

/** Everything of a run at one cursor: what a subscription begins with. */
export const RunSnapshot = Type.Object(
  {
    run: FlowRun,
    taskRuns: Type.Array(TaskRun),
    /** There are more task runs than these, which are the ones called last; `run.taskRuns` counts them all. */
    truncated: Type.Optional(Type.Literal(true)),
  },
  strict,
)
export type RunSnapshot = Static<typeof RunSnapshot>
