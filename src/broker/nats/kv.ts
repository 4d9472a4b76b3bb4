/**
 * Keys and values: a stream per bucket in the layout of NATS's own key-value stores, so that `nats kv get` and every other
 * tool read it. Written to directly, because the client's layer purges, and needs three round trips to create a key
 * that was deleted before.
 *
 * Invariants
 * (E1) The revision is the stream sequence; the stream keeps one message per key. Deletion writes a marker on top, which
 *      `create` builds on: a key's revision grows for ever. Without a time to live the marker stays, about 100 bytes a key.
 * (E2) Every write carries an id of its own, so that one whose answer was lost is sent again and found (`writes.ts`).
 * (E3) A refused write on a revision is looked at before it is called a conflict: newer servers also refuse while another
 *      write is merely under way, and what stands there may be this very write, whose answer was lost.
 */

import { CallboardError, type JsonValue } from '../../core/index.ts'
import { checkKey, checkPrefix, checkToken, encodeValue } from '../checks.ts'
import type { Bucket, BucketOptions, KeyValue, KvEntry, KvRevision } from '../port.ts'
import type { Stored } from './api.ts'
import { identityOf } from './cursors.ts'
import { Feed, type FeedItem } from './feed.ts'
import { type BucketHome, currentMessage, isMarker, type KvHome, parseValue } from './kv-home.ts'
import { BucketWatch } from './kv-watch.ts'
import type { Link } from './link.ts'
import { bucketStream, ensureStreams } from './streams.ts'
import { HEADER } from './wire.ts'
import type { Write } from './writes.ts'

const SHORTEST_TTL_MS = 100
const NONCE_BYTES = 12
const DELETED = 'DEL'

export function natsKv(home: KvHome): KeyValue {
  const opened = new Map<string, Promise<{ readonly bucket: Bucket; readonly ttlMs: number }>>()

  return {
    async bucket(name: string, options?: BucketOptions): Promise<Bucket> {
      home.link.assertRunning()
      checkToken('bucket', name)
      if (options) checkTtl(options.ttlMs)
      const known = await opened.get(name)
      if (known && (options === undefined || options.ttlMs === known.ttlMs)) return known.bucket
      const opening = openBucket(home, name, options)
      opened.set(name, opening)
      opening.catch(() => {
        if (opened.get(name) === opening) opened.delete(name)
      })
      return (await opening).bucket
    },
  }
}

/** @throws CB_E_SETTING_INVALID */
function checkTtl(ttlMs: number): void {
  if (ttlMs === 0 || (Number.isInteger(ttlMs) && ttlMs >= SHORTEST_TTL_MS)) return
  throw new CallboardError(
    'CB_E_SETTING_INVALID',
    `The time to live of a bucket is ${ttlMs} ms. Give 0 for ever, or a whole number of at least ${SHORTEST_TTL_MS}.`,
  )
}

/** @throws CB_E_STREAM_DRIFT and what `ensureStreams` throws */
async function openBucket(home: KvHome, name: string, options: BucketOptions | undefined) {
  const { api, names, replicas, quota } = home
  const bucket = names.kvBucket(name)
  const stream = `KV_${bucket}`
  const maxAge = options ? undefined : (await api.streamInfo(stream))?.config.max_age
  const ttlMs = options?.ttlMs ?? (maxAge ?? 0) / 1e6
  await ensureStreams(api, [bucketStream(bucket, ttlMs, replicas, quota)])
  return { ttlMs, bucket: natsBucket({ ...home, stream, root: `$KV.${bucket}.`, ttlMs }) }
}

function natsBucket(home: BucketHome): Bucket {
  const { link, writes, root } = home
  const watch = new BucketWatch(home)

  /** Resolves with the new revision, or undefined when the key is not at `expect` (any more). (E3) */
  async function write(key: string, body: string, expect: KvRevision, headers?: Write['headers']) {
    const id = nonce(link)
    const wanted: Write = { subject: root + key, body, id, expect, ...(headers ? { headers } : {}) }
    return writes.run(body.length, async () => {
      for (;;) {
        const written = await writes.settle(wanted)
        if (written.is === 'stored') return written.seq
        const there = await currentMessage(home, key, { certain: true })
        if (there?.header(HEADER.messageId) === id) return there.seq
        if ((there?.seq ?? 0) !== expect) return undefined
      }
    })
  }

  return {
    async get(key) {
      link.assertRunning()
      checkKey('key', key)
      const stored = await currentMessage(home, key)
      return stored && !isMarker(stored) ? entryOf(home, stored) : undefined
    },

    async *list(prefix = '') {
      link.assertRunning()
      checkPrefix(prefix)
      yield* listKeys(home, prefix)
    },

    async create(key: string, value: JsonValue) {
      link.assertRunning()
      checkKey('key', key)
      const body = encodeValue('value', value, home.limit())
      for (let expect = 0; ; ) {
        const revision = await write(key, body, expect)
        if (revision !== undefined) return revision
        const there = await currentMessage(home, key, { certain: true })
        if (there && !isMarker(there)) return undefined
        expect = there?.seq ?? 0
      }
    },

    async update(key: string, value: JsonValue, revision: KvRevision) {
      link.assertRunning()
      checkKey('key', key)
      const body = encodeValue('value', value, home.limit())
      return revision >= 1 ? write(key, body, revision) : undefined
    },

    async put(key: string, value: JsonValue) {
      link.assertRunning()
      checkKey('key', key)
      const body = encodeValue('value', value, home.limit())
      return writes.run(body.length, async () => {
        for (;;) {
          const written = await writes.settle({ subject: root + key, body, id: nonce(link) })
          if (written.is === 'stored') return written.seq
        }
      })
    },

    async delete(key: string, revision?: KvRevision) {
      link.assertRunning()
      checkKey('key', key)
      for (;;) {
        const there = await currentMessage(home, key, { certain: true })
        if (!there || isMarker(there)) return false
        if (revision !== undefined && there.seq !== revision) return false
        if ((await write(key, '', there.seq, { [HEADER.kvOperation]: DELETED })) !== undefined) return true
      }
    },

    async watch(prefix, handler) {
      link.assertRunning()
      checkPrefix(prefix)
      return watch.add(prefix, handler)
    },
  }
}

function nonce(link: Link): string {
  return Buffer.from(link.deps.random.bytes(NONCE_BYTES)).toString('base64url')
}

function entryOf(home: BucketHome, stored: Stored): KvEntry {
  return {
    key: stored.subject.slice(home.root.length),
    value: parseValue(home, stored.subject, stored.text),
    revision: stored.seq,
    at: stored.at,
  }
}

/**
 * A key that is written while we read moves past the end that we read to, so reading goes on until the end stays.
 * No key is told twice.
 */
async function* listKeys(home: BucketHome, prefix: string): AsyncGenerator<KvEntry, void, void> {
  const { link, api, stream, root } = home
  const filter = prefix === '' ? `${root}>` : `${root}${prefix}.>`
  let end = (await api.lastMessage(stream, filter))?.seq
  if (end === undefined) return
  const info = await api.streamInfo(stream)
  const feed = await Feed.open(link, api, {
    stream,
    identity: identityOf(info?.created ?? ''),
    filter,
    from: 1,
    heartbeatMs: 1_000,
  })
  const told = new Set<string>()
  try {
    for (let at = 0; at < end; ) {
      const items = await feed.take()
      for (const item of items) {
        const entry = liveEntryOf(home, item)
        if (!entry || told.has(entry.key)) continue
        told.add(entry.key)
        yield entry
      }
      at = items.at(-1)?.delivery.streamSequence ?? end
      if (at >= end) end = Math.max(end, (await api.lastMessage(stream, filter))?.seq ?? 0)
      if (items.length === 0) return
    }
  } finally {
    await feed.close()
  }
}

/** Undefined for a marker. */
function liveEntryOf(home: BucketHome, { message, delivery }: FeedItem): KvEntry | undefined {
  if (message.headers?.get(HEADER.kvOperation)) return undefined
  return {
    key: message.subject.slice(home.root.length),
    value: parseValue(home, message.subject, message.string()),
    revision: delivery.streamSequence,
    at: delivery.at,
  }
}
