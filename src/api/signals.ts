/** What is said to runs, and what they answer. */

import { type Static, Type } from 'typebox'
import { Count, Fault, Hint, Milliseconds, RunId, strict, Text, Time } from './common.ts'
import { RunFilter } from './filters.ts'
import { StateName } from './states.ts'

export const BuiltInSignal = Type.Enum(['pause', 'suspend', 'resume', 'cancel', 'retry'])
export type BuiltInSignal = Static<typeof BuiltInSignal>

/** One of the above, or a name that the run's code waits for. */
export const SignalName = Type.String({ minLength: 1, maxLength: 200 })

/** Makes it safe to send again: the same key twice gets the first answer again. */
export const IdempotencyKey = Type.String({ minLength: 1, maxLength: 500 })

export const SignalBody = Type.Object(
  {
    /** The input of a resume, the payload of a named signal. */
    payload: Type.Optional(Type.Unknown()),
    key: Type.Optional(IdempotencyKey),
    message: Type.Optional(Text),
    /** `cancel`: how long the code may take to stop by itself. */
    graceMs: Type.Optional(Milliseconds),
    /** `pause`, `suspend`: when it fails if nobody resumes; null for never. Default one hour. */
    timeoutMs: Type.Optional(Type.Union([Milliseconds, Type.Null()])),
  },
  strict,
)
export type SignalBody = Static<typeof SignalBody>

export const SignalAnswer = Type.Object(
  {
    /** `applied` 200, `accepted` 202, `rejected` 409, `wait` 423. */
    outcome: Type.Enum(['applied', 'accepted', 'rejected', 'wait']),
    state: StateName,
    /** Revision of the run's log that has it. */
    rev: Type.Optional(Count),
    reason: Type.Optional(Type.String()),
    legalSignals: Type.Optional(Type.Array(Type.String())),
    errors: Type.Optional(Type.Array(Fault)),
    retryAfterMs: Type.Optional(Milliseconds),
  },
  strict,
)
export type SignalAnswer = Static<typeof SignalAnswer>

const start = {
  parameters: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  name: Type.Optional(Text),
  tags: Type.Optional(Type.Array(Text, { uniqueItems: true, maxItems: 100 })),
  /** Of this flow: the same key is the same run, for 30 days. */
  idempotencyKey: Type.Optional(IdempotencyKey),
  /** Default: now. */
  scheduledTime: Type.Optional(Time),
}

/** A run of a deployment of the body's path. */
export const StartDeployment = Type.Object(start, strict)
export type StartDeployment = Static<typeof StartDeployment>

/** A run of a deployment (`flow/name`), or of a flow when only one of its deployments can be meant: one of the two. */
export const StartRun = Type.Object(
  {
    flow: Type.Optional(Text),
    deployment: Type.Optional(Text),
    ...start,
  },
  strict,
)
export type StartRun = Static<typeof StartRun>

export const BulkBody = Type.Object(
  {
    filter: RunFilter,
    /** Only count them. Default false. */
    dryRun: Type.Optional(Type.Boolean()),
    /** `next` of the answer before. */
    after: Type.Optional(RunId),
    signal: Type.Optional(SignalBody),
  },
  strict,
)
export type BulkBody = Static<typeof BulkBody>

export const BulkAnswer = Type.Object(
  {
    /** How many runs the filter finds. */
    matched: Count,
    applied: Count,
    accepted: Count,
    /** The first that did not take it, 100 at most, and how many they were. */
    rejected: Count,
    rejections: Type.Array(Type.Object({ run: RunId, reason: Type.String() }, strict)),
    dryRun: Type.Boolean(),
    /** More match than one call does: call again, with `next` as `after`. */
    more: Type.Boolean(),
    next: Type.Optional(RunId),
    hint: Type.Optional(Hint),
  },
  strict,
)
export type BulkAnswer = Static<typeof BulkAnswer>
