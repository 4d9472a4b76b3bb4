/** The port's `KeyValue` for one broker object. */

import { CallboardError, type JsonValue } from '../../../core/index.ts'
import { checkKey, checkPrefix, checkToken, encodeValue } from '../../checks.ts'
import { type Bucket, type KeyValue, type KvEntry, type KvRevision, LIMITS } from '../../port.ts'
import type { Seat } from '../seat.ts'
import { isLive, type KvRow, type LiveRow } from './table.ts'
import { entryOf, startWatch, type WatchParts } from './watch.ts'

export function embeddedKv(seat: Seat, parts: WatchParts): KeyValue {
  const { table } = parts
  return {
    async bucket(name, options) {
      checkToken('bucket', name)
      const there = await seat.read(() => table.ttlOf(name))
      const ttlMs =
        there ?? (await seat.write(() => table.openBucket(name, options?.ttlMs ?? 0), { bytes: 0 }))
      if (options && options.ttlMs !== ttlMs)
        throw new CallboardError(
          'CB_E_STREAM_DRIFT',
          `Bucket '${name}' was made with a time to live of ${ttlMs} ms and is now opened with ${options.ttlMs} ms. Open it with ${ttlMs}, or use another name.`,
          { details: { bucket: name, is: ttlMs, wanted: options.ttlMs } },
        )
      return openBucket(seat, parts, { name, ttlMs })
    },
  }
}

function openBucket(
  seat: Seat,
  parts: WatchParts,
  bucket: { readonly name: string; readonly ttlMs: number },
): Bucket {
  const { table, feed, now } = parts
  const { name, ttlMs } = bucket

  const liveRow = (key: string): LiveRow | undefined => {
    const row = table.get(name, key)
    return isLive(row, ttlMs, now()) ? row : undefined
  }

  const encode = (key: string, value: JsonValue): string => {
    checkKey('key', key)
    return encodeValue(`value of key '${key}' in bucket '${name}'`, value, LIMITS.kvValue)
  }

  /** Writes `value` (null: deletes) when `allowed` says so of what is there; the new row, or undefined. */
  const writeIf = (
    key: string,
    value: string | null,
    allowed: (there: LiveRow | undefined) => boolean,
  ): Promise<KvRow | undefined> =>
    seat.write(
      () => {
        if (!allowed(liveRow(key))) return undefined
        const row = table.write(bucket, key, value, now())
        feed.gather(row)
        return row
      },
      { bytes: value?.length ?? 0 },
    )

  const isAt = (revision: KvRevision) => (there: LiveRow | undefined) => there?.revision === revision

  async function* entriesUnder(prefix: string): AsyncGenerator<KvEntry, void, void> {
    checkPrefix(prefix)
    let after: string | undefined
    for (;;) {
      const rows = await seat.read(() => table.page(name, prefix, after))
      for (const row of rows) if (isLive(row, ttlMs, now())) yield entryOf(row)
      after = rows.at(-1)?.key
      if (after === undefined) return
      await seat.turn()
    }
  }

  return {
    async get(key) {
      checkKey('key', key)
      const row = await seat.read(() => liveRow(key))
      return row && entryOf(row)
    },
    list: (prefix = '') => entriesUnder(prefix),
    async create(key, value) {
      const row = await writeIf(key, encode(key, value), (there) => there === undefined)
      return row?.revision
    },
    async update(key, value, revision) {
      const row = await writeIf(key, encode(key, value), isAt(revision))
      return row?.revision
    },
    async put(key, value) {
      const row = await writeIf(key, encode(key, value), () => true)
      if (row) return row.revision
      throw new CallboardError('CB_E_BUG', `A put of key '${key}' in bucket '${name}' was refused.`)
    },
    async delete(key, revision) {
      checkKey('key', key)
      const there = (row: LiveRow | undefined) => row !== undefined
      const row = await writeIf(key, null, revision === undefined ? there : isAt(revision))
      return row !== undefined
    },
    async watch(prefix, handler) {
      checkPrefix(prefix)
      return seat.read(() => startWatch(seat, parts, { bucket: name, ttlMs, prefix, handler }))
    },
  }
}
