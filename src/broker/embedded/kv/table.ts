/**
 * The table of all buckets. Everything here is synchronous; whoever calls a writing function is inside a transaction.
 *
 * Invariants
 * (K1) Every write of a key takes a new revision from one counter that never goes back: it is a fencing token.
 * (K2) A deletion is a row without a value; it stays for `KEEP_GONE_MS`, so that whoever reads changes sees it.
 * (K3) A key has expired when its bucket's time to live has passed since its last write. Nothing is written at that
 *      moment: whoever reads, judges; rows are removed later.
 */

import { CallboardError } from '../../../core/index.ts'
import type { KvRevision } from '../../port.ts'
import type { Store } from '../store/index.ts'

export type KvRow = {
  readonly revision: KvRevision
  readonly bucket: string
  readonly key: string
  readonly at: number
  /** JSON; null: deleted. */
  readonly value: string | null
}

export type LiveRow = KvRow & { readonly value: string }

/** How long a deletion can be read as a change. */
export const KEEP_GONE_MS = 600_000
const SWEEP_EVERY_MS = 60_000
const SWEEP_AT_ONCE = 1_000
const PAGE_ROWS = 256
/** The character after '.': keys under a prefix lie between `prefix.` and `prefix/`. */
const AFTER_DOT = '/'
/** After every key. */
const LAST = '\u007f'

const COLUMNS = 'revision, bucket, key, at, value'

/** (K3) */
export function isLive(row: KvRow | undefined, ttlMs: number, now: number): row is LiveRow {
  return row !== undefined && row.value !== null && (ttlMs === 0 || row.at + ttlMs > now)
}

export type KvTable = ReturnType<typeof kvTable>

export function kvTable(store: Store) {
  const bucketTtl = store.query<{ ttl: number }>('SELECT ttl FROM bucket WHERE name = ?')
  const makeBucket = store.command('INSERT INTO bucket (name, ttl) VALUES (?, ?)')
  const byKey = store.query<KvRow>(`SELECT ${COLUMNS} FROM kv WHERE bucket = ? AND key = ?`)
  const replace = store.command('INSERT OR REPLACE INTO kv (bucket, key, at, value) VALUES (?, ?, ?, ?)')
  const inBucket = store.query<KvRow>(
    `SELECT ${COLUMNS} FROM kv WHERE bucket = ? AND key > ? AND key < ? ORDER BY key LIMIT ${PAGE_ROWS}`,
  )
  const since = store.query<KvRow>(
    `SELECT ${COLUMNS} FROM kv WHERE revision > ? ORDER BY revision LIMIT ${PAGE_ROWS}`,
  )
  const newest = store.query<{ revision: number }>('SELECT revision FROM kv ORDER BY revision DESC LIMIT 1')
  const removeGone = store.command(
    'DELETE FROM kv WHERE revision IN (SELECT revision FROM kv WHERE value IS NULL AND at <= ? LIMIT ?)',
  )
  const removeExpired = store.command(
    'DELETE FROM kv WHERE revision IN (SELECT revision FROM kv WHERE bucket = ? AND at <= ? LIMIT ?)',
  )
  const nextSweep = new Map<string, number>()

  function sweep(bucket: string, ttlMs: number, now: number): void {
    if (now < (nextSweep.get(bucket) ?? 0)) return
    nextSweep.set(bucket, now + SWEEP_EVERY_MS)
    removeGone.run(now - KEEP_GONE_MS, SWEEP_AT_ONCE)
    if (ttlMs > 0) removeExpired.run(bucket, now - ttlMs - KEEP_GONE_MS, SWEEP_AT_ONCE)
  }

  return {
    /** The time to live a bucket was made with; undefined when there is none of this name. */
    ttlOf: (name: string): number | undefined => bucketTtl.get(name)?.ttl,

    /** Makes a bucket unless it is there. Its time to live. */
    openBucket(name: string, ttlMs: number): number {
      const there = bucketTtl.get(name)
      if (!there) makeBucket.run(name, ttlMs)
      return there?.ttl ?? ttlMs
    },

    get: (bucket: string, key: string): KvRow | undefined => byKey.get(bucket, key),

    /** Writes a key, or its deletion (null). */
    write(
      bucket: { readonly name: string; readonly ttlMs: number },
      key: string,
      value: string | null,
      now: number,
    ): KvRow {
      sweep(bucket.name, bucket.ttlMs, now)
      const revision = replace.insert(bucket.name, key, now, value)
      if (revision === undefined)
        throw new CallboardError(
          'CB_E_BUG',
          `Writing key '${key}' of bucket '${bucket.name}' changed nothing.`,
        )
      return { revision, bucket: bucket.name, key, at: now, value }
    },

    /** A page of the rows under a prefix, deleted and expired ones too, after the key `after`. Empty at the end. */
    page(bucket: string, prefix: string, after: string | undefined): readonly KvRow[] {
      const from = after ?? (prefix === '' ? '' : `${prefix}.`)
      return inBucket.all(bucket, from, prefix === '' ? LAST : `${prefix}${AFTER_DOT}`)
    },

    /** A page of the changes of all buckets after a revision. Empty at the end. */
    changes: (after: KvRevision): readonly KvRow[] => since.all(after),

    newest: (): KvRevision => newest.get()?.revision ?? 0,
  }
}
