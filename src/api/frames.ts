/** The frames of the live socket, subprotocol `callboard.v1`, both ways. JSON texts. */

import { type Static, Type } from 'typebox'
import { Fault, Hint, Milliseconds, RunId, strict, Text, Time } from './common.ts'
import { EventFilter, RunFilter } from './filters.ts'
import { Worker } from './resources.ts'
import { Artifact, FlowRun, LogLevel, LogLine, RunEvent, RunSnapshot, TaskRun } from './runs.ts'
import { IdempotencyKey, SignalAnswer, SignalBody, SignalName, StartRun } from './signals.ts'
import { PassedState, StateName, StateView } from './states.ts'

export const SUBPROTOCOL = 'callboard.v1'

const Id = Type.Integer({ minimum: 0, description: 'Chosen by the client; the answer carries it.' })
const Sub = Type.Integer({ minimum: 1, description: 'The number of a subscription.' })
const Cursor = Type.String({ minLength: 1, maxLength: 2_000 })
const op = <Name extends string>(name: Name) => Type.Literal(name)

export const LiveKind = Type.Enum(['state', 'task', 'log', 'artifact', 'event'])
export type LiveKind = Static<typeof LiveKind>

export const SubscribeTo = Type.Union([
  Type.Object({ run: RunId }, strict),
  Type.Object({ runs: RunFilter }, strict),
  Type.Object({ workers: Type.Object({}, strict) }, strict),
  Type.Object({ events: EventFilter }, strict),
])
export type SubscribeTo = Static<typeof SubscribeTo>

export const AuthFrame = Type.Object({ op: op('auth'), token: Type.String({ maxLength: 4_000 }) }, strict)
export const SubscribeFrame = Type.Object(
  {
    op: op('subscribe'),
    id: Id,
    to: SubscribeTo,
    /** Default: of one run all, of many `state`, of events `event`. */
    kinds: Type.Optional(Type.Array(LiveKind, { minItems: 1, uniqueItems: true })),
    /** A cursor as an event carried it, `start` or `tail`. Default `tail`. */
    after: Type.Optional(Cursor),
    /** Lines as important as this, or more. Default: all. */
    level: Type.Optional(LogLevel),
  },
  strict,
)
export type SubscribeFrame = Static<typeof SubscribeFrame>
export const UnsubscribeFrame = Type.Object({ op: op('unsubscribe'), id: Id, sub: Sub }, strict)
export const SignalFrame = Type.Object(
  { op: op('signal'), id: Id, run: RunId, signal: SignalName, ...SignalBody.properties },
  strict,
)
export type SignalFrame = Static<typeof SignalFrame>
export const StartFrame = Type.Object(
  { op: op('start'), id: Id, key: Type.Optional(IdempotencyKey), ...StartRun.properties },
  strict,
)
export type StartFrame = Static<typeof StartFrame>
export const PingFrame = Type.Object({ op: op('ping'), id: Id }, strict)

export const ClientFrame = Type.Union([
  AuthFrame,
  SubscribeFrame,
  UnsubscribeFrame,
  SignalFrame,
  StartFrame,
  PingFrame,
])
export type ClientFrame = Static<typeof ClientFrame>

/** Only a client that does not keep up gets this: the states between the one it was told last and this one. */
const overtook = { overtook: Type.Optional(Type.Array(PassedState, { minItems: 1 })) }

/** A flow run entered a state. */
export const RunStateChange = Type.Object(
  {
    state: StateView,
    /** The run as it was made: with its first state. */
    created: Type.Optional(FlowRun),
    /** It is tried again: task runs that did not complete are superseded. */
    again: Type.Optional(Type.Literal(true)),
    worker: Type.Optional(Type.String()),
    ...overtook,
  },
  strict,
)
export type RunStateChange = Static<typeof RunStateChange>

/** A task run was called, or entered a state; without `key`, all that had not ended did. */
export const TaskStateChange = Type.Object(
  {
    key: Type.Optional(Type.String()),
    state: StateView,
    created: Type.Optional(TaskRun),
    ...overtook,
  },
  strict,
)
export type TaskStateChange = Static<typeof TaskStateChange>

/** A worker came, told of itself, or went. The first one of a subscription has all that there are. */
export const WorkerChange = Type.Object(
  {
    all: Type.Optional(Type.Array(Worker)),
    worker: Type.Optional(Worker),
    /** The id of the one that went. */
    gone: Type.Optional(Type.String()),
  },
  strict,
)
export type WorkerChange = Static<typeof WorkerChange>

export const HelloFrame = Type.Object(
  { op: op('hello'), version: Type.String(), heartbeatMs: Milliseconds },
  strict,
)
export const SubscribedFrame = Type.Object(
  {
    op: op('subscribed'),
    id: Id,
    sub: Sub,
    cursor: Cursor,
    /** Of a run: everything up to the cursor. */
    snapshot: Type.Optional(RunSnapshot),
    hint: Type.Optional(Hint),
  },
  strict,
)
export type SubscribedFrame = Static<typeof SubscribedFrame>

const event = { op: op('event'), sub: Sub, cursor: Cursor, at: Time }
export const EventFrame = Type.Union([
  Type.Object({ ...event, kind: Type.Literal('state'), run: RunId, data: RunStateChange }, strict),
  Type.Object({ ...event, kind: Type.Literal('task'), run: RunId, data: TaskStateChange }, strict),
  Type.Object({ ...event, kind: Type.Literal('log'), run: RunId, data: LogLine }, strict),
  Type.Object({ ...event, kind: Type.Literal('artifact'), run: RunId, data: Artifact }, strict),
  Type.Object({ ...event, kind: Type.Literal('event'), run: RunId, data: RunEvent }, strict),
  Type.Object({ ...event, kind: Type.Literal('worker'), data: WorkerChange }, strict),
])
export type EventFrame = Static<typeof EventFrame>

export const GapFrame = Type.Object(
  {
    op: op('gap'),
    sub: Sub,
    from: Cursor,
    to: Cursor,
    reason: Type.Enum(['retention', 'slow-client']),
    snapshot: Type.Optional(RunSnapshot),
  },
  strict,
)
export type GapFrame = Static<typeof GapFrame>
export const EndFrame = Type.Object({ op: op('end'), sub: Sub, cursor: Cursor }, strict)

export const ReplyError = Type.Object(
  {
    code: Type.String(),
    message: Type.String(),
    errors: Type.Optional(Type.Array(Fault)),
    legalSignals: Type.Optional(Type.Array(Type.String())),
    retryAfterMs: Type.Optional(Milliseconds),
    /** The same frame may be answered otherwise in a moment, without anybody changing anything. */
    retryable: Type.Optional(Type.Literal(true)),
  },
  strict,
)
export type ReplyError = Static<typeof ReplyError>
export const ReplyFrame = Type.Union([
  Type.Object(
    {
      op: op('reply'),
      id: Id,
      ok: Type.Literal(true),
      /** Of a signal. */
      outcome: Type.Optional(SignalAnswer.properties.outcome),
      state: Type.Optional(StateName),
      rev: Type.Optional(Type.Integer()),
      /** Of a start: the run's id, and whether the key had it already. */
      run: Type.Optional(Text),
      existing: Type.Optional(Type.Boolean()),
    },
    strict,
  ),
  Type.Object({ op: op('reply'), id: Id, ok: Type.Literal(false), error: ReplyError }, strict),
])
export type ReplyFrame = Static<typeof ReplyFrame>
export const PongFrame = Type.Object({ op: op('pong'), id: Id }, strict)

export const ServerFrame = Type.Union([
  HelloFrame,
  SubscribedFrame,
  ...EventFrame.anyOf,
  GapFrame,
  EndFrame,
  ...ReplyFrame.anyOf,
  PongFrame,
])
export type ServerFrame = Static<typeof ServerFrame>
