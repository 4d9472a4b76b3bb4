/**
 * The log's table. Everything here is synchronous; whoever calls a writing function is inside a transaction.
 *
 * Invariants
 * (T1) A row is inserted only on top of the revision its append names, judged and written by one statement:
 *      revisions of a subject have no gap, and nothing follows a tombstone.
 * (T2) `seq` grows with each row in the order of commits, so a reader who has seen `seq` has seen all before it.
 * (T3) A page is bounded in rows and bytes, and tells how far it looked.
 */

import { CallboardError, type JsonValue, messageOf, PARTITIONS, partitionOf } from '../../../core/index.ts'
import type { AppendOutcome, Cursor, Entry, FollowFilter, Rev } from '../../port.ts'
import type { Query, Store } from '../store/index.ts'
import { cursorAt } from './cursor.ts'

export type LogRow = {
  readonly seq: number
  readonly subject: string
  readonly rev: Rev
  readonly partition: number
  readonly tombstone: number
  readonly at: number
  readonly nonce: string
  readonly body: string
}

export interface Batch {
  readonly subject: string
  readonly expect: Rev
  readonly nonce: string
  readonly at: number
  /** The records as the text of one JSON list. */
  readonly body: string
}

export interface Page {
  readonly rows: readonly LogRow[]
  /** There is nothing else up to here. */
  readonly upTo: number
  /** It is full, or has looked far enough for once: there may be something right after it. */
  readonly more: boolean
}

/** Reads pages of the entries that a filter lets through. */
export type PageReader = (after: number) => Page

const PAGE_ROWS = 256
const PAGE_BYTES = 1024 * 1024
/** How far a page looks for the entries of some partitions. */
const WALK_ROWS = 20_000
/** How many old entries an archive deletes in one transaction. */
const DELETE_AT_ONCE = 5_000

const COLUMNS = 'seq, subject, rev, partition, tombstone, at, nonce, body'
const INSERT = 'INSERT INTO log (subject, rev, partition, tombstone, at, nonce, body)'

export type LogTable = ReturnType<typeof logTable>

export function logTable(store: Store) {
  const insertFirst = store.command(
    `${INSERT} SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (SELECT 1 FROM log WHERE subject = ?1)`,
  )
  const insertNext = store.command(
    `${INSERT} SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
      WHERE (?2 - 1, 0) IS (SELECT rev, tombstone FROM log WHERE subject = ?1 ORDER BY rev DESC LIMIT 1)`,
  )
  const head = store.query<Pick<LogRow, 'seq' | 'rev' | 'tombstone'>>(
    'SELECT seq, rev, tombstone FROM log WHERE subject = ? ORDER BY rev DESC LIMIT 1',
  )
  const nonceAt = store.query<Pick<LogRow, 'seq' | 'nonce'>>(
    'SELECT seq, nonce FROM log WHERE subject = ? AND rev = ?',
  )
  const newest = store.query<LogRow>(`SELECT ${COLUMNS} FROM log WHERE subject = ? ORDER BY rev DESC LIMIT 1`)
  const ofSubject = store.query<LogRow>(
    `SELECT ${COLUMNS} FROM log WHERE subject = ? AND rev >= ? ORDER BY rev`,
  )
  const all = store.query<LogRow>(`SELECT ${COLUMNS} FROM log WHERE seq > ?1 AND seq <= ?2 ORDER BY seq`)
  const lastSeq = store.query<{ seq: number }>('SELECT seq FROM log ORDER BY seq DESC LIMIT 1')
  const oldestRev = store.query<{ rev: number }>('SELECT rev FROM log WHERE subject = ? ORDER BY rev LIMIT 1')
  const deleteBelow = store.command('DELETE FROM log WHERE subject = ? AND rev < ?')

  const insert = (batch: Batch, tombstone: 0 | 1): LogRow | undefined => {
    const { subject, nonce, at, body } = batch
    const rev = batch.expect + 1
    const partition = partitionOf(subject)
    const statement = batch.expect === 0 ? insertFirst : insertNext
    const seq = statement.insert(subject, rev, partition, tombstone, at, nonce, body)
    return seq === undefined ? undefined : { seq, subject, rev, partition, tombstone, at, nonce, body }
  }

  /** What an append that was not taken is told: its own first answer when it was here before (P4), else the conflict. */
  const settled = (batch: Batch): AppendOutcome => {
    const rev = batch.expect + 1
    const there = nonceAt.get(batch.subject, rev)
    if (there?.nonce === batch.nonce) return { outcome: 'appended', rev, cursor: cursorOf(there.seq) }
    return { outcome: 'conflict', rev: head.get(batch.subject)?.rev ?? 0 }
  }

  const cursorOf = (seq: number): Cursor => cursorAt(store.id, seq)

  function page(query: Query<LogRow>, ...parameters: (string | number)[]): { rows: LogRow[]; more: boolean } {
    const rows: LogRow[] = []
    let bytes = 0
    for (const row of query.iterate(...parameters)) {
      rows.push(row)
      bytes += row.body.length
      if (rows.length === PAGE_ROWS || bytes >= PAGE_BYTES) return { rows, more: true }
    }
    return { rows, more: false }
  }

  /** The newest `seq`, 0 for an empty log. */
  const end = (): number => lastSeq.get()?.seq ?? 0

  return {
    end,
    cursorOf,

    /** The row that was inserted, or what to answer instead (T1). */
    append(batch: Batch): { readonly row: LogRow } | { readonly outcome: AppendOutcome } {
      const row = insert(batch, 0)
      return row ? { row } : { outcome: settled(batch) }
    },

    /** As `append`, with a tombstone. On an archived subject it answers with the tombstone that is there. */
    bury(batch: Batch): { readonly row: LogRow } | { readonly outcome: AppendOutcome } {
      const row = insert(batch, 1)
      if (row) return { row }
      const there = head.get(batch.subject)
      if (there?.tombstone !== 1) return { outcome: settled(batch) }
      return { outcome: { outcome: 'appended', rev: there.rev, cursor: cursorOf(there.seq) } }
    },

    /** Deletes some of what is older than the tombstone. `true` when nothing older is left. */
    deleteOlder(subject: string): boolean {
      const tombstone = head.get(subject)
      const oldest = oldestRev.get(subject)
      if (tombstone?.tombstone !== 1 || !oldest || oldest.rev === tombstone.rev) return true
      const below = Math.min(tombstone.rev, oldest.rev + DELETE_AT_ONCE)
      deleteBelow.run(subject, below)
      return below === tombstone.rev
    },

    last: (subject: string): LogRow | undefined => newest.get(subject),

    /** The newest revision of a subject, or undefined when it has none. */
    newestRev: (subject: string): Rev | undefined => head.get(subject)?.rev,

    /** The entries of a subject from a revision on. Of an archived one only the tombstone, also while older ones are still being deleted. */
    pageOfSubject(subject: string, from: Rev): readonly LogRow[] {
      const tombstoneFrom = () => {
        const row = newest.get(subject)
        return row?.tombstone === 1 ? [row].filter(({ rev }) => rev >= from) : undefined
      }
      const buried = tombstoneFrom()
      if (buried) return buried
      const { rows } = page(ofSubject, subject, from)
      // A gap at the beginning: another process archived it between the two look-ups.
      return rows[0] && rows[0].rev > from ? (tombstoneFrom() ?? rows) : rows
    },

    reader({ partitions }: FollowFilter): PageReader {
      const isAll = partitions === 'all' || partitions.size === PARTITIONS
      const query = isAll ? all : store.query<LogRow>(someSql(partitions))
      return (after) => {
        // Asked before the page is read: what is committed in between is not claimed to have been looked at.
        const known = end()
        const walked = isAll ? known : Math.min(known, after + WALK_ROWS)
        const { rows, more } = page(query, after, walked)
        const upTo = more ? (rows.at(-1)?.seq ?? after) : Math.max(after, walked)
        return { rows, upTo, more: more || upTo < known }
      }
    },

    /** @throws CB_E_STORE_DAMAGED */
    entryOf(row: LogRow): Entry {
      return {
        subject: row.subject,
        rev: row.rev,
        at: row.at,
        cursor: cursorOf(row.seq),
        nonce: row.nonce,
        records: parseBody(store.where, row), // by each reader: as text a row is a fraction of the size
        tombstone: row.tombstone === 1,
      }
    },
  }
}

/**
 * Entries of some partitions in the order of the log. Without an index: keeping one costs every commit a page for each
 * partition it touches, and whoever follows at the end of the log does not read at all.
 */
function someSql(partitions: ReadonlySet<number>): string {
  const wanted = [...partitions].map(Number).join(', ')
  return `SELECT ${COLUMNS} FROM log WHERE seq > ?1 AND seq <= ?2 AND +partition IN (${wanted}) ORDER BY seq`
}

function parseBody(where: string, row: LogRow): readonly JsonValue[] {
  try {
    return JSON.parse(row.body)
  } catch (cause) {
    throw new CallboardError(
      'CB_E_STORE_DAMAGED',
      `Entry ${row.rev} of '${row.subject}' in ${where} is not JSON (${messageOf(cause)}). Restore the store from a backup.`,
      { cause },
    )
  }
}
