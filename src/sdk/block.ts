/**
 * Blocks: typed configuration that is saved once under a name and loaded by the runs that need it.
 *
 * Invariants
 * (B1) A secret field is a text in the catalogue and in the hands of whoever saves it; loaded it is a `Secret`, which no
 *      log line, message, result or dump shows. Nothing of a block goes into a run's log by itself.
 * (B2) What is loaded has passed the schema of today, not only that of the day it was saved.
 */

import { CallboardError, type JsonObject, Secret } from '../core/index.ts'
import { inCatalog } from './at-broker.ts'
import { type InputOf, type OutputOf, type StandardSchema, validate } from './schema.ts'

/** Which fields of a block stand for others: each holds the name of a saved block of that type. */
type Parts = Readonly<Record<string, BlockType<unknown>>>

/** What `load` gives: secret fields wrapped, parts loaded. */
export type LoadedBlock<Data, S extends PropertyKey, P> = {
  readonly [K in keyof Data]: K extends keyof P
    ? P[K] extends BlockType<infer Part>
      ? Part
      : never
    : K extends S
      ? Secret
      : Data[K]
}

export interface BlockOptions<Schema, S, P> {
  /** What blocks of this type are known by: `slack-webhook`. */
  readonly type: string
  /** Any Standard Schema of a record. */
  readonly schema: Schema
  /** Fields that are never shown; each holds a text. */
  readonly secrets?: readonly S[]
  /** Fields that hold the name of a block of another type, which is loaded with this one. */
  readonly parts?: P
}

/** A type of blocks. `Loaded` is what `load` gives. */
export interface BlockType<out Loaded, in Data = never> {
  readonly type: string
  /** @throws CB_E_PARAMETERS_INVALID by the schema; CB_E_CATALOG_EXISTS unless `overwrite` */
  save(name: string, data: Data, options?: { readonly overwrite?: boolean }): Promise<void>
  /** @throws CB_E_CATALOG_MISSING; CB_E_PARAMETERS_INVALID when what was saved does not fit the schema any more */
  load(name: string): Promise<Loaded>
  /** `false` when there was none. */
  delete(name: string): Promise<boolean>
}

/**
 * ```ts
 * const SlackWebhook = Block.define({ type: 'slack-webhook', schema: z.object({ url: z.url() }), secrets: ['url'] })
 * await SlackWebhook.save('alerts', { url: 'https://hooks.slack.com/…' })
 *
 * const { url } = await SlackWebhook.load('alerts')   // a Secret
 * await fetch(url.reveal(), { method: 'POST', body: JSON.stringify({ text: 'Please approve' }) })
 * ```
 */
export const Block = { define: defineBlock } as const

function defineBlock<
  Schema extends StandardSchema<unknown, unknown>,
  const S extends keyof OutputOf<Schema> & string = never,
  const P extends Parts = Record<never, never>,
>({
  type,
  schema,
  secrets = [],
  parts,
}: BlockOptions<Schema, S, P>): BlockType<LoadedBlock<OutputOf<Schema>, S, P>, InputOf<Schema>> {
  const valid = async (data: unknown, name: string): Promise<JsonObject> => {
    const checked = await validate(schema, data, `The values of the block '${type}/${name}'`)
    const isRecord = typeof checked === 'object' && checked !== null
    const fields = isRecord ? { ...checked } : {}
    for (const field of secrets) checkSecret(type, name, field, Reflect.get(fields, field))
    return fields
  }
  return {
    type,
    async save(name, data, { overwrite = false } = {}) {
      const fields = await valid(data, name)
      const draft = { type, name, data: JSON.parse(JSON.stringify(fields)), secrets: [...secrets] }
      await inCatalog(({ blocks }) => (overwrite ? blocks.put(draft) : blocks.create(draft)))
    },
    async load(name) {
      const saved = await inCatalog(({ blocks }) => blocks.get(`${type}/${name}`))
      const fields: Record<string, unknown> = await valid(saved.data, name) // (B2)
      for (const field of secrets) {
        const text = fields[field]
        if (typeof text === 'string') fields[field] = new Secret(text) // (B1)
      }
      for (const [field, part] of Object.entries(parts ?? {}))
        if (typeof fields[field] === 'string') fields[field] = await part.load(fields[field])
      return fields as LoadedBlock<OutputOf<Schema>, S, P>
    },
    delete: (name) => inCatalog(({ blocks }) => blocks.delete(`${type}/${name}`)),
  }
}

function checkSecret(type: string, name: string, field: string, value: unknown): void {
  if (value === undefined || typeof value === 'string') return
  throw new CallboardError(
    'CB_E_CATALOG_INVALID',
    `The secret field ${field} of the block '${type}/${name}' is not a text. Only texts can be kept secret.`,
  )
}
