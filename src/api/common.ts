/** What every part of the wire has in common: ids, times, pages, problems. */

import { type Static, type TSchema, Type } from 'typebox'
import { TOKEN_PATTERN } from '../core/index.ts'

export const strict = { additionalProperties: false } as const

/** A text of one line or a few: names, tags, messages. */
export const Text = Type.String({ minLength: 1, maxLength: 1_000 })

/** The id of a flow run. */
export const RunId = Type.String({ pattern: TOKEN_PATTERN.source, description: 'The id of a flow run.' })

/** The id of a task run: its flow run's id, a dot, and what it is known by there (`fetch-0`). */
export const TaskRunId = Type.String({
  minLength: 3,
  maxLength: 1_200,
  description:
    'The id of a task run: the id of its flow run, a dot, and its identity there (`01ab….fetch-0`).',
})

/** The id of an artifact: its flow run's id, and where it stands in that run's log. */
export const ArtifactId = Type.String({
  pattern: `${TOKEN_PATTERN.source.slice(0, -1)}\\.[0-9]{1,15}\\.[0-9]{1,15}$`,
  description:
    'The id of an artifact, as a list gave it: the id of its flow run, and two numbers (`01ab….5.1`).',
})

export const Time = Type.String({
  format: 'date-time',
  maxLength: 40,
  description: 'ISO 8601, with the time zone.',
})

export const Milliseconds = Type.Integer({ minimum: 0, description: 'Milliseconds.' })
export const Count = Type.Integer({ minimum: 0 })

/** One or several of a kind; in a query the name is repeated. */
export function oneOrMore<S extends TSchema>(schema: S) {
  return Type.Union([schema, Type.Array(schema, { minItems: 1, maxItems: 100 })])
}

/** What a list is asked for besides its filter. */
export const Paging = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'How many, 200 at most.' }),
  ),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 2_000, description: 'As `next` of the page before gave it.' }),
  ),
} as const

/** A filter is taken as it stands, and may none the less not be what was meant. */
export const Hint = Type.String({
  description: 'What may have been meant, when the filter looks like a slip.',
})

/** A page of a list. */
export function pageOf<S extends TSchema>(schema: S) {
  return Type.Object(
    {
      items: Type.Array(schema),
      /** For the page after this one; absent on the last. */
      next: Type.Optional(Type.String()),
      hint: Type.Optional(Hint),
    },
    strict,
  )
}

/** A page of a list, as a type. */
export interface Page<T> {
  items: T[]
  next?: string
  hint?: string
}

/** What is wrong, and where. */
export const Fault = Type.Object(
  {
    path: Type.String({ description: 'Where: `parameters.city`; empty for the whole.' }),
    message: Type.String(),
  },
  strict,
)
export type Fault = Static<typeof Fault>

/** An error as a problem document (RFC 9457). */
export const Problem = Type.Object({
  type: Type.String({ description: 'A URI that stays the same for one kind of problem.' }),
  title: Type.String({ description: 'What the kind of problem is.' }),
  status: Type.Integer({ minimum: 400, maximum: 599 }),
  detail: Type.String({ description: 'What happened, to what, and what to do.' }),
  code: Type.String({ pattern: '^CB_E_[A-Z_]+$' }),
  errors: Type.Optional(Type.Array(Fault)),
  instance: Type.Optional(Type.String({ description: 'The request it belongs to.' })),
  retryAfterMs: Type.Optional(Milliseconds),
})
export type Problem = Static<typeof Problem>

/** Who sent something: for the audit trail. */
export const Sender = Type.Object(
  {
    channel: Type.String({ description: '`code`, `cli`, `api`, `socket`, `scheduler`, …' }),
    principal: Type.Optional(Type.String()),
    address: Type.Optional(Type.String()),
  },
  strict,
)
export type Sender = Static<typeof Sender>
