/** What there is besides runs: flows, workers, limits, and definitions with their times as the wire has them. */

import { type Static, Type } from 'typebox'
import * as stored from '../catalog/index.ts'
import { Count, RunId, strict, TaskRunId, Text, Time } from './common.ts'
import { StateCounts } from './states.ts'

const stamps = { createdAt: Time, updatedAt: Time }
const STAMPS = ['createdAt', 'updatedAt'] as const

// ───────────────────────────────────────────────────────────────────────────── as they are given

const pool = Type.Omit(stored.WorkPool, STAMPS).properties
const queue = Type.Omit(stored.WorkQueue, STAMPS).properties
const deployment = Type.Omit(stored.Deployment, STAMPS).properties
const variable = Type.Omit(stored.Variable, STAMPS).properties
const block = Type.Omit(stored.Block, STAMPS).properties
const key = Type.Omit(stored.ApiKey, [...STAMPS, 'hash']).properties

export const WorkPoolInput = Type.Object({ ...pool, paused: Type.Optional(pool.paused) }, strict)
export type WorkPoolInput = Static<typeof WorkPoolInput>
export const WorkQueueInput = Type.Object(
  { ...queue, priority: Type.Optional(queue.priority), paused: Type.Optional(queue.paused) },
  strict,
)
export type WorkQueueInput = Static<typeof WorkQueueInput>
/** Pool and queue are `default` when they are left out. */
export const DeploymentInput = Type.Object(
  {
    ...deployment,
    tags: Type.Optional(deployment.tags),
    parameters: Type.Optional(deployment.parameters),
    pool: Type.Optional(deployment.pool),
    queue: Type.Optional(deployment.queue),
    paused: Type.Optional(deployment.paused),
  },
  strict,
)
export type DeploymentInput = Static<typeof DeploymentInput>
export const VariableInput = Type.Object({ ...variable, tags: Type.Optional(variable.tags) }, strict)
export type VariableInput = Static<typeof VariableInput>
export const BlockInput = Type.Object({ ...block, secrets: Type.Optional(block.secrets) }, strict)
export type BlockInput = Static<typeof BlockInput>
export const ApiKeyInput = Type.Object({ ...key, expiresAt: Type.Optional(Time) }, strict)
export type ApiKeyInput = Static<typeof ApiKeyInput>

// ───────────────────────────────────────────────────────────────────────────── as they are shown

export const WorkPool = Type.Object({ ...pool, ...stamps }, strict)
export type WorkPool = Static<typeof WorkPool>

export const WorkQueue = Type.Object(
  {
    ...queue,
    ...stamps,
    /** The broker's queue behind it. */
    brokerQueue: Type.String(),
    /** How many runs wait in it, unclaimed; only when one is asked for. */
    depth: Type.Optional(Count),
  },
  strict,
)
export type WorkQueue = Static<typeof WorkQueue>

export const Deployment = Type.Object({ id: Text, ...deployment, ...stamps }, strict)
export type Deployment = Static<typeof Deployment>

export const Variable = Type.Object({ ...variable, ...stamps }, strict)
export type Variable = Static<typeof Variable>

/** A block. In the place of each secret stands `***`. */
export const Block = Type.Object({ ...block, ...stamps }, strict)
export type Block = Static<typeof Block>

/** An API key, without the key. */
export const ApiKey = Type.Object({ ...key, expiresAt: Type.Optional(Time), ...stamps }, strict)
export type ApiKey = Static<typeof ApiKey>

/** The one time that a key is shown. */
export const NewApiKey = Type.Object({ key: Type.String(), apiKey: ApiKey }, strict)
export type NewApiKey = Static<typeof NewApiKey>

/** What a token for one run is to be good for. */
export const RunTokenInput = Type.Object(
  {
    /** Default: `read` alone. Only what the asker may do. */
    scopes: Type.Optional(
      Type.Array(Type.Enum(['read', 'signal']), { minItems: 1, maxItems: 2, uniqueItems: true }),
    ),
    /** Default one hour, at most seven days. */
    expiresInSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 604_800 })),
  },
  strict,
)
export type RunTokenInput = Static<typeof RunTokenInput>

/** Short-lived, for one run: for pages and links. Kept nowhere. */
export const RunToken = Type.Object({ token: Type.String(), run: RunId, expiresAt: Time }, strict)
export type RunToken = Static<typeof RunToken>

export const Flow = Type.Object(
  {
    name: Text,
    /** Its runs that are kept, by state. */
    runs: StateCounts,
    lastRunAt: Type.Optional(Time),
    /** Versions that its kept runs were of. */
    versions: Type.Array(Type.String()),
    deployments: Type.Array(Type.String()),
  },
  strict,
)
export type Flow = Static<typeof Flow>

export const Worker = Type.Object(
  {
    id: Text,
    /** The broker's queues that it takes runs from, the first one first. */
    queues: Type.Array(Type.String()),
    status: Type.Enum(['ready', 'draining']),
    /** How many runs it hosts at most, and now. */
    slots: Count,
    hosted: Count,
    /** What people call it, where it is and what it is; a script that hosts its own runs says nothing of this. */
    name: Type.Optional(Type.String()),
    host: Type.Optional(Type.String()),
    pid: Type.Optional(Type.Integer()),
    version: Type.Optional(Type.String()),
    pools: Type.Optional(Type.Array(Type.String())),
    /** The work queues it serves, `pool/queue`. */
    workQueues: Type.Optional(Type.Array(Type.String())),
    infrastructure: Type.Optional(Type.String()),
    capabilities: Type.Optional(Type.Array(Type.String())),
    startedAt: Time,
    /** When its lease was last renewed. */
    lastSeenAt: Time,
  },
  strict,
)
export type Worker = Static<typeof Worker>

export const LimitInput = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200 }),
    /** How much may be held at a time; with decay, the most that may gather. 0 lets nobody in. */
    slots: Count,
    /** What becomes of a wish that finds it full. Default `enqueue`. */
    strategy: Type.Optional(Type.Enum(['enqueue', 'cancelNew', 'cancelRunning'])),
    /** Slots that become free by themselves each second. Makes it a rate limit. */
    decayPerSecond: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    /** Default true. An inactive limit is as good as none. */
    active: Type.Optional(Type.Boolean()),
  },
  strict,
)
export type LimitInput = Static<typeof LimitInput>

export const ConcurrencyLimit = Type.Object(
  {
    name: Type.String(),
    slots: Count,
    strategy: Type.Enum(['enqueue', 'cancelNew', 'cancelRunning']),
    decayPerSecond: Type.Optional(Type.Number()),
    active: Type.Boolean(),
  },
  strict,
)
export type ConcurrencyLimit = Static<typeof ConcurrencyLimit>

/** What became free when a limit was reset. */
export const LimitReset = Type.Object(
  {
    name: Type.String(),
    /** Slots that were in use; of a rate limit, what had not come back yet, rounded up. */
    freed: Count,
    /** Those who had them, longest first; 100 at most. They go on, and count no more. */
    holders: Type.Array(Type.Object({ run: RunId, taskRun: Type.Optional(TaskRunId), slots: Count }, strict)),
  },
  strict,
)
export type LimitReset = Static<typeof LimitReset>

export const Setting = Type.Object(
  {
    name: Text,
    variable: Text,
    /** Absent for secrets, and when it is not set. */
    value: Type.Optional(Type.Unknown()),
    meaning: Type.String(),
  },
  strict,
)
export type Setting = Static<typeof Setting>

export const Version = Type.Object(
  { version: Type.String(), api: Type.Literal('v1'), node: Type.String() },
  strict,
)
export type Version = Static<typeof Version>

export const Health = Type.Object({ status: Type.Literal('ok') }, strict)
export type Health = Static<typeof Health>

export const Ready = Type.Object(
  {
    ready: Type.Boolean(),
    broker: Type.String(),
    /** Everything that was in the log when the gateway started has been read. */
    caughtUp: Type.Boolean(),
    reason: Type.Optional(Type.String()),
  },
  strict,
)
export type Ready = Static<typeof Ready>
