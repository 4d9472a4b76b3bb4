/** Which runs are meant: in lists, in bulk and in subscriptions. */

import { type Static, Type } from 'typebox'
import { oneOrMore, Paging, RunId, strict, TaskRunId, Text, Time } from './common.ts'
import { LogLevel } from './runs.ts'

const ManyTexts = oneOrMore(Text)

const runFilter = {
  id: Type.Optional(oneOrMore(RunId)),
  flow: Type.Optional(ManyTexts),
  /** A type (`RUNNING`) or a name (`Late`). */
  state: Type.Optional(ManyTexts),
  /** It has all of these. */
  tag: Type.Optional(ManyTexts),
  /** `flow/name` */
  deployment: Type.Optional(ManyTexts),
  /** Child runs of this run; `none` for runs without a parent. */
  parent: Type.Optional(Text),
  /** All runs of the tree under this one. */
  root: Type.Optional(RunId),
  /** A part of the name, in any case. */
  name: Type.Optional(Text),
  worker: Type.Optional(Text),
  queue: Type.Optional(ManyTexts),
  /** Expected to start at this time or later. */
  since: Type.Optional(Time),
  /** Expected to start before this time. */
  until: Type.Optional(Time),
} as const

/** All that is given has to hold; of several values of one field, one of them. */
export const RunFilter = Type.Object(runFilter, strict)
export type RunFilter = Static<typeof RunFilter>

export const FlowRunQuery = Type.Object(
  {
    ...runFilter,
    ...Paging,
    sort: Type.Optional(Type.Enum(['created:desc', 'created:asc', 'start:desc', 'start:asc', 'name:asc'])),
  },
  strict,
)
export type FlowRunQuery = Static<typeof FlowRunQuery>

export const TaskRunQuery = Type.Object(
  {
    run: Type.Optional(RunId),
    task: Type.Optional(ManyTexts),
    state: Type.Optional(ManyTexts),
    tag: Type.Optional(ManyTexts),
    name: Type.Optional(Text),
    since: Type.Optional(Time),
    until: Type.Optional(Time),
    ...Paging,
    sort: Type.Optional(Type.Enum(['created:asc', 'created:desc'])),
  },
  strict,
)
export type TaskRunQuery = Static<typeof TaskRunQuery>

export const LogQuery = Type.Object(
  {
    run: Type.Optional(RunId),
    /** Key of a task run. */
    task: Type.Optional(Text),
    /** As important as this, or more. */
    level: Type.Optional(LogLevel),
    /** Words that the line has, in any case; `"…"` for several in a row. */
    q: Type.Optional(Text),
    since: Type.Optional(Time),
    until: Type.Optional(Time),
    ...Paging,
    sort: Type.Optional(Type.Enum(['asc', 'desc'])),
  },
  strict,
)
export type LogQuery = Static<typeof LogQuery>

/** Lines of one run: those after a line, oldest first. */
export const RunLogQuery = Type.Object(
  {
    /** The id of a line. */
    after: Type.Optional(Type.String({ pattern: '^[0-9]+(\\.[0-9]+)*$', maxLength: 60 })),
    level: Type.Optional(LogLevel),
    task: Type.Optional(Text),
    q: Type.Optional(Text),
    ...Paging,
    sort: Type.Optional(Type.Enum(['asc', 'desc'])),
  },
  strict,
)
export type RunLogQuery = Static<typeof RunLogQuery>

export const EventFilter = Type.Object(
  {
    run: Type.Optional(RunId),
    task: Type.Optional(TaskRunId),
    flow: Type.Optional(Text),
    /** The name of the event; with `*` at its end, what begins so. */
    event: Type.Optional(ManyTexts),
    since: Type.Optional(Time),
    until: Type.Optional(Time),
  },
  strict,
)
export type EventFilter = Static<typeof EventFilter>

export const EventQuery = Type.Object(
  { ...EventFilter.properties, ...Paging, sort: Type.Optional(Type.Enum(['asc', 'desc'])) },
  strict,
)
export type EventQuery = Static<typeof EventQuery>

export const ArtifactQuery = Type.Object(
  {
    run: Type.Optional(RunId),
    task: Type.Optional(TaskRunId),
    flow: Type.Optional(Text),
    key: Type.Optional(ManyTexts),
    /** `markdown`, `table`, `link`, `image`, `progress` */
    kind: Type.Optional(ManyTexts),
    latest: Type.Optional(
      Type.Boolean({
        description: 'Of each key the newest only, of those that the rest of the filter finds.',
      }),
    ),
    ...Paging,
  },
  strict,
)
export type ArtifactQuery = Static<typeof ArtifactQuery>
