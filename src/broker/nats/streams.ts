/**
 * The streams: how each must be, and making sure that it is.
 *
 * Invariants
 * (Z1) Old servers drop options they do not know without a word, so what was created is read back and compared field
 *      by field. A difference stops the start, naming the field; nothing here changes it, except a quota that the
 *      person who opened the broker asked for.
 * (Z2) Everything that is there is checked before anything is made. A stream is never deleted: when a later one cannot
 *      be made, an earlier one stays, empty and right, and the next start goes on from there.
 * (Z3) No purge, no rollup; on the run log no `max_age`: all of them lose entries on servers in the field.
 */

import { CallboardError, isCallboardError } from '../../core/index.ts'
import { type Api, JetStreamError } from './api.ts'
import type { CallOptions } from './link.ts'
import { API, nanos, type StreamConfig, type StreamInfo } from './wire.ts'

export interface StreamWish {
  readonly config: Omit<StreamConfig, 'max_bytes'>
  /** The quota that was asked for; undefined: any will do, and a new stream gets the first of these that fits. */
  readonly quota: number | undefined
  readonly quotaPresets: readonly number[]
  /** A preset fits only when the server has as much room again, for the other streams. */
  readonly leavesHalf: boolean
}

/** The layout of everything at the server. A reader refuses what a newer one wrote. */
const LAYOUT = 1
const DEDUP_WINDOW_MS = 120_000
const OWNER_PATTERN = /^callboard\/(\d+) /
const MIB = 1024 ** 2
const GIB = 1024 * MIB

interface Shape {
  readonly name: string
  readonly what: string
  readonly subjects: readonly string[]
  readonly replicas: number
}

const COMMON = {
  storage: 'file',
  discard: 'new',
  max_msgs: -1,
  max_msg_size: -1,
  max_consumers: -1,
  allow_direct: true,
  allow_rollup_hdrs: false,
  deny_delete: false,
  deny_purge: true,
  no_ack: false,
  sealed: false,
} as const

function configOf({ name, what, subjects, replicas }: Shape): Omit<StreamConfig, 'max_bytes'> {
  return {
    ...COMMON,
    name,
    description: `callboard/${LAYOUT} ${what}`,
    subjects,
    num_replicas: replicas,
    retention: 'limits',
    max_age: 0,
    max_msgs_per_subject: -1,
    duplicate_window: nanos(DEDUP_WINDOW_MS),
  }
}

export function logStream(
  name: string,
  subject: string,
  replicas: number,
  quota: number | undefined,
): StreamWish {
  const config = configOf({ name, what: 'run log', subjects: [subject], replicas })
  return { config, quota, quotaPresets: [4 * GIB, GIB, 256 * MIB, 64 * MIB], leavesHalf: true }
}

export function workStream(
  name: string,
  subject: string,
  replicas: number,
  quota: number | undefined,
): StreamWish {
  const config = configOf({ name, what: 'queues', subjects: [subject], replicas })
  return {
    config: { ...config, retention: 'workqueue' },
    quota,
    quotaPresets: [256 * MIB, 64 * MIB, 16 * MIB],
    leavesHalf: false,
  }
}

export function objectsStream(
  name: string,
  bucket: string,
  replicas: number,
  quota: number | undefined,
): StreamWish {
  const subjects = [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`]
  const config = configOf({ name, what: 'objects', subjects, replicas })
  return { config, quota, quotaPresets: [2 * GIB, 512 * MIB, 128 * MIB, 32 * MIB], leavesHalf: false }
}

export function bucketStream(
  bucket: string,
  ttlMs: number,
  replicas: number,
  quota: number | undefined,
): StreamWish {
  const config = configOf({ name: `KV_${bucket}`, what: 'keys', subjects: [`$KV.${bucket}.>`], replicas })
  const window = ttlMs > 0 ? Math.min(ttlMs, DEDUP_WINDOW_MS) : DEDUP_WINDOW_MS
  return {
    config: { ...config, max_msgs_per_subject: 1, max_age: nanos(ttlMs), duplicate_window: nanos(window) },
    quota,
    quotaPresets: [256 * MIB, 64 * MIB, 16 * MIB, 4 * MIB],
    leavesHalf: false,
  }
}

/** Makes sure that the streams are there and right; answers them in the same order. (Z1) (Z2) */
export async function ensureStreams(
  api: Api,
  wishes: readonly StreamWish[],
  options?: CallOptions,
): Promise<readonly StreamInfo[]> {
  const found = await Promise.all(wishes.map((wish) => api.streamInfo(wish.config.name, options)))
  wishes.forEach((wish, i) => {
    const info = found[i]
    if (info) assertAsWished(wish, info)
  })
  const infos: StreamInfo[] = []
  for (const [i, wish] of wishes.entries())
    infos.push(await withQuota(api, wish, found[i] ?? (await make(api, wish, options)), options))
  return infos
}

async function make(api: Api, wish: StreamWish, options?: CallOptions): Promise<StreamInfo> {
  const { name } = wish.config
  const quotas = wish.quota === undefined ? wish.quotaPresets : [wish.quota]
  for (const quota of quotas) {
    try {
      await createWithRoom(api, wish, quota, options)
    } catch (error) {
      if (isLackOfRoom(error) && quota !== quotas.at(-1)) continue
      // Somebody else made it between our look and now, with another quota.
      if (!(await isMadeByAnother(api, error, name, options))) throw creationFailure(error, name, quota)
    }
    break
  }
  const info = await api.madeStreamInfo(name, options)
  assertAsWished(wish, info)
  return info
}

/** A server that is asked twice at once may find the subjects taken before it finds the name taken. */
async function isMadeByAnother(
  api: Api,
  error: unknown,
  name: string,
  options?: CallOptions,
): Promise<boolean> {
  if (isApiError(error, API.streamNameInUse)) return true
  return isApiError(error, API.subjectsOverlap) && (await api.streamInfo(name, options)) !== undefined
}

async function createWithRoom(
  api: Api,
  wish: StreamWish,
  quota: number,
  options?: CallOptions,
): Promise<void> {
  const { config } = wish
  if (wish.quota !== undefined || !wish.leavesHalf) {
    await api.createStream({ ...config, max_bytes: quota }, options)
    return
  }
  await api.createStream({ ...config, max_bytes: 2 * quota }, options)
  await api.updateStream({ ...config, max_bytes: quota }, options)
}

async function withQuota(
  api: Api,
  wish: StreamWish,
  info: StreamInfo,
  options?: CallOptions,
): Promise<StreamInfo> {
  if (wish.quota === undefined || info.config.max_bytes === wish.quota) return info
  try {
    // What people added that does not concern us, such as placement, stays.
    await api.updateStream({ ...info.config, ...wish.config, max_bytes: wish.quota }, options)
  } catch (error) {
    throw creationFailure(error, wish.config.name, wish.quota)
  }
  const changed = await api.madeStreamInfo(wish.config.name, options)
  if (changed.config.max_bytes !== wish.quota)
    throw drift(wish.config.name, 'max_bytes', wish.quota, changed.config.max_bytes)
  return changed
}

/** @throws CB_E_STORE_FOREIGN, CB_E_STORE_TOO_NEW, CB_E_STREAM_DRIFT */
function assertAsWished(wish: StreamWish, info: StreamInfo): void {
  const { name } = wish.config
  const layout = OWNER_PATTERN.exec(info.config.description ?? '')?.[1]
  if (layout === undefined)
    throw new CallboardError(
      'CB_E_STORE_FOREIGN',
      `There is a stream ${name} at the NATS server that Callboard did not make. Give another prefix in the broker URL, for instance ?prefix=cb2.`,
    )
  if (Number(layout) > LAYOUT)
    throw new CallboardError(
      'CB_E_STORE_TOO_NEW',
      `The stream ${name} has layout ${layout}; this version of Callboard knows layout ${LAYOUT}. Upgrade this process; nothing was touched.`,
    )
  const fields = Object.entries(wish.config) as [keyof typeof wish.config, unknown][]
  for (const [field, wanted] of fields) {
    const actual = info.config[field] ?? absentValue(wanted)
    if (JSON.stringify(actual) !== JSON.stringify(wanted)) throw drift(name, field, wanted, actual)
  }
  if ((info.config.max_bytes ?? -1) <= 0) throw drift(name, 'max_bytes', 'a quota', info.config.max_bytes)
}

/** The server leaves out what is false or zero. */
function absentValue(wanted: unknown): unknown {
  if (typeof wanted === 'boolean') return false
  return typeof wanted === 'number' ? 0 : undefined
}

export function drift(name: string, field: string, wanted: unknown, found: unknown): CallboardError {
  return new CallboardError(
    'CB_E_STREAM_DRIFT',
    `${name} at the NATS server has ${field} = ${JSON.stringify(found)}, but Callboard needs ${JSON.stringify(wanted)}. Change it there, or give another prefix in the broker URL.`,
    { details: { name, field, wanted, found } },
  )
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamError && error.apiCode === code
}

function isLackOfRoom(error: unknown): boolean {
  return error instanceof JetStreamError && error.lacksRoom
}

function creationFailure(error: unknown, name: string, quota: number): unknown {
  if (isLackOfRoom(error))
    return new CallboardError(
      'CB_E_STORE_FULL',
      `The NATS server has no room to set ${quota / MIB} MiB aside for the stream ${name}. Raise its max_file_store or the account's limit, or give smaller quotas (log_bytes, work_bytes, objects_bytes, kv_bytes) in the broker URL.`,
      { cause: error },
    )
  if (isCallboardError(error, 'CB_E_BROKER_AUTH'))
    return new CallboardError(
      'CB_E_BROKER_AUTH',
      `The stream ${name} is not there, or has another quota, and this NATS user may not make or change it. Start once with the admin role of docs/how-to/nats-permissions.md.`,
      { cause: error },
    )
  return error
}
