/**
 * Bringing a run into being: its first entry, on revision 0 of its own log. With an idempotency key, the key is bound to
 * the id before, so that however often, from wherever, the same key comes, there is one run.
 */

import { createHash } from 'node:crypto'
import type { Broker, Cursor } from '../broker/index.ts'
import { CallboardError, type Deps, isJsonObject, mintId, partitionOf } from '../core/index.ts'
import { appendOnce } from './append.ts'
import { encodeEntry } from './codec.ts'
import { effectsOf, enqueueRun } from './effects.ts'
import type { FlowPolicy, Sender, ValueRef } from './events.ts'
import { type CreatedRecord, RECORD_VERSION } from './records.ts'
import { createdRecord } from './rules.ts'
import { asJson } from './shape.ts'
import { fitsInline, storeValue } from './values.ts'

/** The bucket that binds idempotency keys to runs. */
export const IDEMPOTENCY_BUCKET = 'idempotency'
/** How long a key is remembered: as long as terminal runs are kept. */
const IDEMPOTENCY_MS = 30 * 24 * 3_600_000

export interface NewRun {
  readonly flow: string
  readonly flowVersion?: string
  readonly name: string
  readonly parameters: ValueRef
  readonly policy: FlowPolicy
  readonly by: Sender
  readonly tags?: readonly string[]
  /** When it is to start, ms since the epoch. Default: now. */
  readonly scheduledTime?: number
  /** Of this flow: another run with the same key is the same run, for 30 days. */
  readonly idempotencyKey?: string
  readonly deployment?: string
  /** The run that calls this one, and the key it knows it by. */
  readonly parent?: { readonly run: string; readonly key: string }
  /** The run at the top: the new one is minted into its partition. */
  readonly root?: string
  /** Minted by the caller before; by default here. */
  readonly id?: string
}

export type CreatedRun =
  | { readonly run: string; readonly existing: false; readonly created: CreatedRecord }
  /** It was there already. */
  | { readonly run: string; readonly existing: true }

/**
 * Makes a run, and puts it into its queue when it is due.
 *
 * @throws CB_E_PAYLOAD_TOO_LARGE, and what the broker throws; nothing is half made
 */
export async function createRun(broker: Broker, deps: Deps, input: NewRun): Promise<CreatedRun> {
  const { run, isBound } = await identify(broker, deps, input)
  // Otherwise the append says whether it exists, and has cost nothing that stays.
  const mayLeaveWaste = input.idempotencyKey !== undefined || !fitsInline(input.parameters)
  if (isBound && mayLeaveWaste && (await broker.log.last(run)) !== undefined) return { run, existing: true }
  const record = await recordOf(broker, deps, run, input)
  const texts = encodeEntry(FIRST_HEAD, [record])
  const appended = appendOnce(broker, { subject: run, records: texts, expect: 0, nonce: mintId(deps) })
  // In the same commit, where there is such a thing. An item whose run is not there, or was, is passed by.
  const enqueued = broker.capabilities.ordered ? enqueue(broker, deps, run, record, texts) : undefined
  const written = await appended
  if (written.outcome === 'conflict') {
    await enqueued
    return { run, existing: true }
  }
  await (enqueued ?? enqueue(broker, deps, run, record, texts, written.cursor))
  return { run, existing: false, created: record }
}

const FIRST_HEAD = { k: 'head', v: RECORD_VERSION, snap: 0 } as const
/** A longer first entry is not copied into the queue. */
const MOST_COPIED = 8 * 1024

/** The record that a new run begins with. */
export async function recordOf(
  broker: Pick<Broker, 'objects'>,
  deps: Deps,
  run: string,
  input: NewRun,
): Promise<CreatedRecord> {
  const now = deps.clock.now()
  const { id: _, ...created } = input
  return createdRecord({
    ...created,
    at: now,
    scheduledTime: input.scheduledTime ?? now,
    tags: input.tags ?? [],
    parameters: await storeValue(broker.objects, deps, run, input.parameters),
  })
}

/** The id of a new run; `isBound` when its key may have been bound to it by somebody else. */
export async function identify(
  broker: Broker,
  deps: Deps,
  { flow, id, idempotencyKey, root }: NewRun,
): Promise<{ readonly run: string; readonly isBound: boolean }> {
  const run = id ?? mintId(deps, root === undefined ? undefined : partitionOf(root))
  if (idempotencyKey === undefined) return { run, isBound: id !== undefined }
  const bucket = await broker.kv.bucket(IDEMPOTENCY_BUCKET, { ttlMs: IDEMPOTENCY_MS })
  const key = createHash('sha256').update(`${flow}\n${idempotencyKey}`).digest('hex')
  for (;;) {
    if ((await bucket.create(key, { run })) !== undefined) return { run, isBound: false }
    const bound = await bucket.get(key)
    if (bound === undefined) continue // it ran out between the two
    if (isJsonObject(bound.value) && typeof bound.value.run === 'string')
      return { run: bound.value.run, isBound: true }
    throw new CallboardError(
      'CB_E_STORE_DAMAGED',
      `The idempotency key ${JSON.stringify(idempotencyKey)} of flow ${flow} is bound to no run. Delete the key ${key} from the bucket '${IDEMPOTENCY_BUCKET}'.`,
    )
  }
}

async function enqueue(
  broker: Broker,
  deps: Deps,
  run: string,
  record: CreatedRecord,
  texts: readonly string[],
  at?: Cursor,
): Promise<void> {
  const isShort = texts.reduce((sum, text) => sum + text.length, 0) <= MOST_COPIED
  const copy = isShort ? { first: [FIRST_HEAD, asJson(record)] } : {}
  const item = { run, ...copy, ...(isShort && at !== undefined ? { at } : {}) }
  for (const { id, effect } of effectsOf(run, 1, [record], 1)) {
    if (effect.do !== 'enqueue') continue
    await enqueueRun(broker.queue, item, effect.target, id).catch((error) => {
      deps.logger.debug({ run, error }, 'a run could not be enqueued at once; the scheduler does it')
    })
  }
}
