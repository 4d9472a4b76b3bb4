/**
 * The opened database: one connection of one process.
 *
 * Invariants
 * (S1) All writing happens between `begin` and `commit` or `rollback`, in one turn of the event loop: no two
 *      transactions of a process overlap.
 * (S2) `begin` takes the write lock at once, so what a transaction has read stays true until it commits.
 * (S3) A commit that is not durable is not synced to the disk by itself. The write-ahead file is in order:
 *      whatever durable comes later takes it along, so after a power cut a prefix is there, never a hole.
 */

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CallboardError, type Deps, mintId } from '../../../core/index.ts'
import { FILES } from './folder.ts'
import { whenFree } from './patience.ts'
import { createTables, type Found, identify, readStoreId, refuseUnless } from './schema.ts'
import { type Command, command, type Query, query, type SqlRow, storeError } from './sqlite.ts'

/** `full`: a commit is on the disk when it returns. `normal`: it is in the kernel's hands. */
export type Synchronous = 'full' | 'normal'

export interface StoreOptions {
  readonly synchronous: Synchronous
  /** The database never grows beyond this many bytes; undefined for as far as the disk goes. */
  readonly maxBytes: number | undefined
}

export interface Store {
  /** The database's path, or `memory`: for messages. */
  readonly where: string
  readonly id: string
  query<Row extends SqlRow>(sql: string): Query<Row>
  command(sql: string): Command
  /** Takes the write lock. Throws SQLite's own errors. */
  begin(durable: boolean): void
  commit(): void
  /** Undoes the open transaction; nothing when SQLite has done that already. */
  rollback(): void
  /** True when another connection has committed since the last call. */
  changedByOthers(): boolean
  close(): void
}

/** How long a statement may block this process while another one holds the lock. Longer waits are asynchronous. */
const BLOCKING_WAIT_MS = 4
/** How long opening may wait for a process that makes or recovers the store. */
const OPENING_TIMEOUT_MS = 10_000
const CACHE_KIB = 16 * 1024
/** A write-ahead file that a burst has made larger is cut to this when it starts over. */
const LARGEST_IDLE_WAL = 64 * 1024 * 1024

/**
 * Opens the store in a folder that `prepareFolder` has looked at; makes it when it is not there.
 *
 * @throws CB_E_STORE_DAMAGED, CB_E_STORE_TOO_NEW, CB_E_STORE_FOREIGN, CB_E_STORE_FULL, CB_E_STORE_UNWRITABLE
 */
export async function openFolderStore(
  dir: string,
  options: StoreOptions,
  deps: Pick<Deps, 'clock' | 'random'>,
): Promise<Store> {
  const where = join(dir, FILES.database)
  let db: DatabaseSync | undefined
  try {
    const opened = new DatabaseSync(where, { timeout: BLOCKING_WAIT_MS })
    db = opened
    const patiently = <T>(work: () => T) => whenFree(deps, where, OPENING_TIMEOUT_MS, work)
    const found = await patiently(() => look(opened))
    refuseUnless(found, where)
    await patiently(() => writeAhead(opened, where))
    opened.exec(`
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA journal_size_limit = ${LARGEST_IDLE_WAL};
      PRAGMA temp_store = MEMORY;
      PRAGMA trusted_schema = OFF;
    `)
    limitSize(opened, options.maxBytes)
    if (found.is === 'empty') await patiently(() => makeTables(opened, where, deps))
    return storeOf(opened, where, options.synchronous)
  } catch (error) {
    db?.close()
    throw storeError(where, error)
  }
}

/** A store that lives in this process's memory and nowhere else. */
export function openMemoryStore(deps: Pick<Deps, 'clock' | 'random'>): Store {
  const db = new DatabaseSync(':memory:')
  makeTables(db, 'memory', deps)
  return storeOf(db, 'memory', 'normal')
}

/** Of one moment: between two looks another process may have made the tables. */
function look(db: DatabaseSync): Found {
  db.exec('BEGIN')
  try {
    return identify(db)
  } finally {
    if (db.isTransaction) db.exec('ROLLBACK')
  }
}

/** Of several processes that come to an empty folder at once, the one with the write lock makes the tables. */
function makeTables(db: DatabaseSync, where: string, deps: Pick<Deps, 'clock' | 'random'>): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    const found = identify(db)
    refuseUnless(found, where)
    if (found.is === 'empty') createTables(db, mintId(deps))
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function writeAhead(db: DatabaseSync, where: string): void {
  const mode = query<{ journal_mode: string }>(db, 'PRAGMA journal_mode = WAL').get()?.journal_mode
  if (mode !== 'wal')
    throw new CallboardError(
      'CB_E_STORE_UNWRITABLE',
      `The file system under ${where} cannot hold a write-ahead file (SQLite stayed in mode '${mode}'). Use a folder on a local disk.`,
    )
}

function limitSize(db: DatabaseSync, maxBytes: number | undefined): void {
  if (maxBytes === undefined) return
  const pageSize = query<{ page_size: number }>(db, 'PRAGMA page_size').get()?.page_size ?? 4096
  db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageSize))}`)
}

function storeOf(db: DatabaseSync, where: string, synchronous: Synchronous): Store {
  const id = readStoreId(db, where)
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')
  const version = query<{ data_version: number }>(db, 'PRAGMA data_version')
  let seenVersion = version.get()?.data_version
  let syncing: Synchronous | undefined
  return {
    where,
    id,
    query: (sql) => query(db, sql),
    command: (sql) => command(db, sql),
    begin(durable) {
      const wanted = durable ? synchronous : 'normal'
      if (wanted !== syncing) {
        db.exec(`PRAGMA synchronous = ${wanted}`)
        syncing = wanted
      }
      begin.run()
    },
    commit: () => void commit.run(),
    rollback() {
      if (db.isTransaction) rollback.run()
    },
    changedByOthers() {
      const now = version.get()?.data_version
      const changed = now !== seenVersion
      seenVersion = now
      return changed
    },
    close: () => db.close(),
  }
}
