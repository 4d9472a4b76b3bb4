/**
 * The format of the store: its tables, and how a database file is recognised as one of ours and of which version.
 *
 * Invariants
 * (F1) `application_id` marks a database as ours, `user_version` names its format. Both are written in the
 *      transaction that makes the tables: a database has all of them or none.
 * (F2) A newer format is refused without touching the file; that is why its header can be read by itself.
 * (F3) The newest row of `log` is never deleted (an archive writes its tombstone before it deletes), so `seq`
 *      never comes back although it is not AUTOINCREMENT. Rows of `kv` and `queue` are deleted: those are.
 */

import type { DatabaseSync } from 'node:sqlite'
import { CallboardError } from '../../../core/index.ts'
import { command, query } from './sqlite.ts'

/** The format this version writes and reads. */
export const FORMAT = 1
/** "CBRD" in ASCII. */
const APPLICATION_ID = 0x43425244

const TABLES = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  CREATE TABLE log (
    seq INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    rev INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    tombstone INTEGER NOT NULL,
    at INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    body TEXT NOT NULL
  );
  CREATE UNIQUE INDEX log_by_subject ON log (subject, rev);

  -- state: 0 ready, 1 claimed until \`until\`, 2 done and remembered for duplicates until \`until\`
  CREATE TABLE queue (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    until INTEGER NOT NULL,
    item TEXT NOT NULL
  );
  CREATE UNIQUE INDEX queue_by_id ON queue (queue, id);
  CREATE INDEX queue_ready ON queue (queue, priority, seq) WHERE state = 0;
  CREATE INDEX queue_claimed ON queue (until) WHERE state = 1;
  CREATE INDEX queue_done ON queue (until) WHERE state = 2;

  CREATE TABLE bucket (name TEXT PRIMARY KEY, ttl INTEGER NOT NULL) WITHOUT ROWID;
  -- value NULL: deleted; the row stays a while so that watchers in other processes learn of it
  CREATE TABLE kv (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    value TEXT
  );
  CREATE UNIQUE INDEX kv_by_key ON kv (bucket, key);
  CREATE INDEX kv_by_age ON kv (bucket, at);
  CREATE INDEX kv_deleted ON kv (at) WHERE value IS NULL;
`

/** What a database turned out to be. */
export type Found =
  | { readonly is: 'empty' }
  | { readonly is: 'ours'; readonly format: number }
  | { readonly is: 'foreign' }

/** What the database behind an open connection is. Read it inside the transaction that acts on it. */
export function identify(db: DatabaseSync): Found {
  const mark = query<{ application_id: number }>(db, 'PRAGMA application_id').get()?.application_id
  const format = query<{ user_version: number }>(db, 'PRAGMA user_version').get()?.user_version ?? 0
  if (mark === APPLICATION_ID) return { is: 'ours', format }
  const tables = query<{ count: number }>(db, 'SELECT count(*) AS count FROM sqlite_schema').get()?.count
  return mark === 0 && format === 0 && tables === 0 ? { is: 'empty' } : { is: 'foreign' }
}

/** Makes the tables (F1). Call it inside a transaction. */
export function createTables(db: DatabaseSync, storeId: string): void {
  db.exec(TABLES)
  command(db, "INSERT INTO meta (name, value) VALUES ('id', ?)").run(storeId)
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}`)
}

/** The store's own id: random, made with it, so that a cursor of another store is recognised. */
export function readStoreId(db: DatabaseSync, where: string): string {
  const row = query<{ value: string }>(db, "SELECT value FROM meta WHERE name = 'id'").get()
  if (row) return row.value
  throw new CallboardError(
    'CB_E_STORE_DAMAGED',
    `The store ${where} has lost its id. Restore it from a backup.`,
  )
}

const SQLITE_MAGIC = 'SQLite format 3\0'
const USER_VERSION_OFFSET = 60
const APPLICATION_ID_OFFSET = 68
/** A SQLite file begins with this many bytes of header. */
export const HEADER_BYTES = 100

/** What the first bytes of a database file say, without opening it (F2). `damaged`: it is no database at all. */
export function identifyHeader(header: Buffer): Found | { readonly is: 'damaged' } {
  if (header.length === 0) return { is: 'empty' }
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 16) !== SQLITE_MAGIC)
    return { is: 'damaged' }
  const format = header.readUInt32BE(USER_VERSION_OFFSET)
  const mark = header.readUInt32BE(APPLICATION_ID_OFFSET)
  if (mark === APPLICATION_ID) return { is: 'ours', format }
  // The tables may still be in the write-ahead file: only an open connection can tell.
  return mark === 0 && format === 0 ? { is: 'empty' } : { is: 'foreign' }
}

/** @throws CB_E_STORE_TOO_NEW, CB_E_STORE_FOREIGN */
export function refuseUnless(
  found: Found,
  where: string,
): asserts found is Exclude<Found, { is: 'foreign' }> {
  if (found.is === 'foreign')
    throw new CallboardError(
      'CB_E_STORE_FOREIGN',
      `${where} is a SQLite database of another program. Give an empty folder, or one that Callboard made.`,
    )
  if (found.is === 'ours' && found.format > FORMAT)
    throw new CallboardError(
      'CB_E_STORE_TOO_NEW',
      `The store ${where} has format ${found.format}; this version of Callboard reads up to ${FORMAT}. Upgrade Callboard; nothing was touched.`,
      { details: { found: found.format, supported: FORMAT } },
    )
}
