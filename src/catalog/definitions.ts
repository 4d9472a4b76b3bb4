/**
 * What is defined once and used by many runs. Each kind is one schema: it checks what comes in, describes the API and
 * gives the type. Stored formats: a field may be added with a default, never renamed.
 */

import { type Static, Type } from 'typebox'

const strict = { additionalProperties: false } as const
const Text = Type.String({ minLength: 1, maxLength: 1_000 })
/** Names of pools and queues: readable, and safe in a URL and in a shell. */
const Name = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  maxLength: 64,
  description: 'Letters, digits, dot, dash and underscore; begins with a letter or digit.',
})
const Tags = Type.Array(Text, { uniqueItems: true, maxItems: 100 })
const Time = Type.Integer({ minimum: 0, description: 'Milliseconds since the epoch.' })
const Limit = Type.Integer({ minimum: 0, description: 'At the same time; 0 lets nothing begin.' })
const Environment = Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String())

export const INFRASTRUCTURES = ['inline', 'thread', 'process'] as const

/** Where the code of a run runs, and with what. Settings of a deployment beat those of its pool. */
export const Infrastructure = Type.Object(
  {
    type: Type.Optional(Type.Enum(INFRASTRUCTURES)),
    env: Type.Optional(Environment),
    /** Of the JavaScript heap. */
    memoryMb: Type.Optional(Type.Integer({ minimum: 16 })),
  },
  strict,
)
export type Infrastructure = Static<typeof Infrastructure>

/** Workers that are alike, as those who deploy see them. */
export const WorkPool = Type.Object(
  {
    name: Name,
    description: Type.Optional(Text),
    paused: Type.Boolean({ default: false }),
    /** Runs of all its queues at the same time. */
    limit: Type.Optional(Limit),
    infrastructure: Type.Optional(Infrastructure),
    createdAt: Time,
    updatedAt: Time,
  },
  strict,
)
export type WorkPool = Static<typeof WorkPool>

export const WorkQueue = Type.Object(
  {
    pool: Name,
    name: Name,
    description: Type.Optional(Text),
    /** 1 is served first; served strictly in this order by a worker of several queues. */
    priority: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
    limit: Type.Optional(Limit),
    paused: Type.Boolean({ default: false }),
    createdAt: Time,
    updatedAt: Time,
  },
  strict,
)
export type WorkQueue = Static<typeof WorkQueue>

/** A flow that others can start: where its code is, where it runs, with which parameters. */
export const Deployment = Type.Object(
  {
    /** Together with the flow's name it is known as `flow/name`. */
    name: Name,
    flow: Text,
    description: Type.Optional(Text),
    version: Type.Optional(Text),
    tags: Tags,
    /** Given to every run; those of the run itself beat them. */
    parameters: Type.Record(Type.String(), Type.Unknown()),
    /** JSON schema of the parameters, when the flow has one. Checked before a run is made. */
    parameterSchema: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    /** `file.ts:export`, relative to `path`. */
    entrypoint: Type.String({ minLength: 1, maxLength: 4_000 }),
    /** The folder the code is in, as the workers see it. */
    path: Type.String({ minLength: 1, maxLength: 4_000 }),
    pool: Name,
    queue: Name,
    infrastructure: Type.Optional(Infrastructure),
    /** Pauses its schedules. It can be run all the same. */
    paused: Type.Boolean({ default: false }),
    /** What its runs are called: a template, `weather-{lat}`. Default: two words. */
    runName: Type.Optional(Text),
    /** As the options of the flow say; they stand here because whoever makes a run has not its code. */
    retries: Type.Optional(Type.Integer({ minimum: 0 })),
    timeoutSeconds: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    onCrash: Type.Optional(Type.Enum(['recover', 'crash'])),
    /** Names of the concurrency limits that a run needs a slot of. */
    concurrency: Type.Optional(Type.Array(Text, { uniqueItems: true })),
    /** Runs of this deployment at the same time, and what becomes of one more. */
    limit: Type.Optional(Limit),
    limitStrategy: Type.Optional(Type.Enum(['enqueue', 'cancelNew', 'cancelRunning'])),
    /** How long a cancelled run may take to stop by itself. */
    graceSeconds: Type.Optional(Type.Number({ minimum: 0, maximum: 86_400 })),
    maxRecoveries: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000 })),
    createdAt: Time,
    updatedAt: Time,
  },
  strict,
)
export type Deployment = Static<typeof Deployment>

export const Variable = Type.Object(
  {
    name: Name,
    value: Type.Unknown(),
    tags: Tags,
    createdAt: Time,
    updatedAt: Time,
  },
  strict,
)
export type Variable = Static<typeof Variable>

/** Typed configuration. Fields that its type calls secret never leave the process that uses them. */
export const Block = Type.Object(
  {
    type: Name,
    name: Name,
    data: Type.Record(Type.String(), Type.Unknown()),
    /** Paths of the secret fields, `credentials.token`. */
    secrets: Type.Array(Text),
    createdAt: Time,
    updatedAt: Time,
  },
  strict,
)
export type Block = Static<typeof Block>

export const SCOPES = ['read', 'signal', 'run', 'admin'] as const

/** An API key, without the key: only its hash is kept. */
export const ApiKey = Type.Object(
  {
    name: Name,
    /** SHA-256 of the key, hexadecimal. */
    hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    scopes: Type.Array(Type.Enum(SCOPES), {
      minItems: 1,
      uniqueItems: true,
    }),
    /** It counts only for runs of this flow, with this tag, of this pool. */
    only: Type.Optional(
      Type.Object({ flow: Type.Optional(Text), tag: Type.Optional(Text), pool: Type.Optional(Name) }, strict),
    ),
    expiresAt: Type.Optional(Time),
    createdAt: Time,
    updatedAt: Time,
  },
  strict,
)
export type ApiKey = Static<typeof ApiKey>
