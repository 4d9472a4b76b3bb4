/**
 * Objects: a stream in the layout of NATS's own object stores (chunks, and a meta message per object), so that
 * `nats object get` reads it. Written to directly, because the client's layer rolls up and purges, which on servers in
 * the field also moves consumers past messages they have not seen.
 *
 * Invariants
 * (O1) Chunks go first, under a name nobody knows; the meta message makes them an object. It is written on top of the one
 *      before, so that of two puts one comes after the other.
 * (O2) What was replaced or given up is deleted afterwards, by sequence. Of the meta messages of a key the newest goes last.
 * (O3) A reader checks count and digest: what it hands out whole is one version, else it ends with an error.
 */

import { createHash, type Hash } from 'node:crypto'
import { CallboardError, messageOf } from '../../core/index.ts'
import { checkKey } from '../checks.ts'
import type { ObjectInfo, Objects } from '../port.ts'
import type { Api, Stored } from './api.ts'
import { deleteAll } from './deletions.ts'
import { readRange } from './feed.ts'
import type { Link } from './link.ts'
import type { Names } from './names.ts'
import type { Writes } from './writes.ts'

export interface ObjectsHome {
  readonly link: Link
  readonly api: Api
  readonly writes: Writes
  readonly names: Names
  /** Bytes of a message. */
  readonly maxPayload: () => number
  /** Of the stream (`cursors.ts`). */
  readonly identity: () => string
}

/** The meta message, in the words of NATS's object stores. */
interface Meta {
  readonly name: string
  readonly bucket: string
  /** The name of its chunks. */
  readonly nuid: string
  readonly size: number
  readonly chunks: number
  readonly digest: string
  readonly options: { readonly max_chunk_size: number }
  /** Where its chunks are, for us; others look for them by name. */
  readonly metadata: { readonly first_sequence: string; readonly last_sequence: string }
}

const CHUNK_BYTES = 128 * 1024
const ENVELOPE_BYTES = 1024
const NUID_BYTES = 16

export function natsObjects(home: ObjectsHome): Objects {
  const { link } = home
  return {
    async put(key, data) {
      link.assertRunning()
      checkKey('object', key)
      return putObject(home, key, data instanceof Uint8Array ? [data] : data)
    },
    async get(key) {
      link.assertRunning()
      checkKey('object', key)
      const meta = await metaOf(home, key)
      return meta && { key, bytes: meta.size, data: readChunks(home, key, meta) }
    },
    async delete(key) {
      link.assertRunning()
      checkKey('object', key)
      return deleteObject(home, key)
    },
  }
}

async function putObject(
  home: ObjectsHome,
  key: string,
  data: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<ObjectInfo> {
  const { link, names } = home
  const nuid = Buffer.from(link.deps.random.bytes(NUID_BYTES)).toString('hex')
  const chunkBytes = Math.min(CHUNK_BYTES, home.maxPayload() - ENVELOPE_BYTES)
  let chunks: Chunks
  try {
    chunks = await writeChunks(home, nuid, inChunks(data, chunkBytes))
  } catch (error) {
    await tidy(home, key, () => deleteChunks(home, nuid))
    throw error
  }
  // From here on the object may be visible: a failure leaves the chunks, for they may belong to it.
  const replaced = await publishMeta(home, {
    name: key,
    bucket: names.objectsBucket,
    nuid,
    size: chunks.size,
    chunks: chunks.count,
    digest: chunks.digest,
    options: { max_chunk_size: chunkBytes },
    metadata: { first_sequence: String(chunks.first), last_sequence: String(chunks.last) },
  })
  if (replaced) await tidy(home, key, () => deleteReplaced(home, replaced))
  return { key, bytes: chunks.size }
}

interface Chunks {
  readonly size: number
  readonly count: number
  /** Stream sequences; 0 when there is no chunk. */
  readonly first: number
  readonly last: number
  readonly digest: string
}

async function writeChunks(
  home: ObjectsHome,
  nuid: string,
  data: AsyncIterable<Uint8Array>,
): Promise<Chunks> {
  const { writes } = home
  const subject = chunkSubject(home, nuid)
  const hash = createHash('sha256')
  let [size, count, first, last] = [0, 0, 0, 0]
  for await (const body of data) {
    hash.update(body)
    const id = `${nuid}/${count}`
    const written = await writes.run(body.length, () => writes.settle({ subject, body, id }))
    if (written.is !== 'stored')
      throw new CallboardError(
        'CB_E_BUG',
        `A chunk of ${subject} was refused as outdated, though it expects nothing.`,
      )
    first ||= written.seq
    last = written.seq
    size += body.length
    count++
  }
  return { size, count, first, last, digest: digestOf(hash) }
}

/** (O1) Answers the meta message that it took the place of. */
async function publishMeta(home: ObjectsHome, meta: Meta): Promise<Stored | undefined> {
  const { api, writes, names } = home
  const subject = metaSubject(home, meta.name)
  const body = JSON.stringify(meta)
  return writes.run(body.length, async () => {
    let replaced: Stored | undefined
    for (let round = 0; ; round++) {
      const before = await api.lastMessageOfLeader(names.objectsStream, subject)
      // An earlier round was refused and landed all the same: it must not be taken for what we replace.
      if (before?.text === body) return replaced
      replaced = before
      const id = `${meta.nuid}/meta/${round}`
      const written = await writes.settle({ subject, body, id, expect: before?.seq ?? 0 })
      if (written.is === 'stored') return before
    }
  })
}

/** (O3) */
async function* readChunks(
  home: ObjectsHome,
  key: string,
  meta: Meta,
): AsyncGenerator<Uint8Array, void, void> {
  const hash = createHash('sha256')
  let count = 0
  for await (const chunk of chunksOf(home, meta)) {
    count++
    hash.update(chunk)
    yield chunk
  }
  if (count !== meta.chunks || digestOf(hash) !== meta.digest)
    throw new CallboardError(
      'CB_E_OBJECT_MISSING',
      `The object ${key} was deleted or replaced while it was read, or is damaged: ${count} of its ${meta.chunks} chunks came. What was read of it is not the whole.`,
    )
}

async function* chunksOf(home: ObjectsHome, meta: Meta): AsyncGenerator<Uint8Array, void, void> {
  const { link, api, names } = home
  if (meta.chunks === 0) return
  const subject = chunkSubject(home, meta.nuid)
  if (meta.chunks === 1) {
    const only = await api.lastMessage(names.objectsStream, subject)
    if (only) yield only.data
    return
  }
  const range = {
    stream: names.objectsStream,
    identity: home.identity(),
    filter: subject,
    from: Number(meta.metadata.first_sequence),
    to: Number(meta.metadata.last_sequence),
  }
  for await (const items of readRange(link, api, range)) for (const { message } of items) yield message.data
}

async function deleteObject(home: ObjectsHome, key: string): Promise<boolean> {
  const { api, names } = home
  const newest = await api.lastMessageOfLeader(names.objectsStream, metaSubject(home, key))
  if (!newest) return false
  const counts = await api.subjectCounts(names.objectsStream, newest.subject)
  if ((counts[newest.subject] ?? 0) > 1) await deleteMetasBefore(home, newest) // (O2)
  const deleted = await api.deleteMessage(names.objectsStream, newest.seq)
  await tidy(home, key, () => deleteChunks(home, parseMeta(newest).nuid))
  return deleted
}

async function deleteReplaced(home: ObjectsHome, replaced: Stored): Promise<void> {
  await deleteMetasBefore(home, replaced)
  await home.api.deleteMessage(home.names.objectsStream, replaced.seq)
  await deleteChunks(home, parseMeta(replaced).nuid)
}

async function deleteMetasBefore(home: ObjectsHome, { subject, seq }: Stored): Promise<void> {
  await deleteAll(home.link, home.api, {
    stream: home.names.objectsStream,
    identity: home.identity(),
    filter: subject,
    from: 1,
    to: seq - 1,
  })
}

async function deleteChunks(home: ObjectsHome, nuid: string): Promise<void> {
  const { link, api, names } = home
  const filter = chunkSubject(home, nuid)
  const last = await api.lastMessageOfLeader(names.objectsStream, filter)
  if (!last) return
  const range = { stream: names.objectsStream, identity: home.identity(), filter, from: 1, to: last.seq }
  await deleteAll(link, api, range)
}

/** What stays behind when this fails takes room and does no harm. */
async function tidy(home: ObjectsHome, key: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    home.link.deps.logger.warn(
      { key, reason: messageOf(error) },
      'chunks of an object that nobody needs stay behind',
    )
  }
}

async function metaOf(home: ObjectsHome, key: string): Promise<Meta | undefined> {
  const stored = await home.api.lastMessageOfLeader(home.names.objectsStream, metaSubject(home, key))
  return stored && parseMeta(stored)
}

/** @throws CB_E_STORE_DAMAGED */
function parseMeta(stored: Stored): Meta {
  try {
    return JSON.parse(stored.text)
  } catch (cause) {
    throw new CallboardError(
      'CB_E_STORE_DAMAGED',
      `The message at ${stored.subject} does not describe an object. Something else wrote there.`,
      { cause },
    )
  }
}

function chunkSubject({ names }: ObjectsHome, nuid: string): string {
  return `$O.${names.objectsBucket}.C.${nuid}`
}

function metaSubject({ names }: ObjectsHome, key: string): string {
  return `$O.${names.objectsBucket}.M.${urlSafe(Buffer.from(key).toString('base64'))}`
}

function digestOf(hash: Hash): string {
  return `SHA-256=${urlSafe(hash.digest('base64'))}`
}

/** NATS keeps the padding. */
function urlSafe(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_')
}

/** The same bytes in pieces of this size, the last one smaller; each is a copy. */
async function* inChunks(
  data: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  let chunk = Buffer.allocUnsafe(bytes)
  let filled = 0
  for await (const piece of data) {
    for (let at = 0; at < piece.length; ) {
      const taken = Math.min(bytes - filled, piece.length - at)
      chunk.set(piece.subarray(at, at + taken), filled)
      at += taken
      filled += taken
      if (filled < bytes) continue
      yield chunk
      chunk = Buffer.allocUnsafe(bytes)
      filled = 0
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled)
}
