/**
 * The database of one gateway: opened, or made anew when it is not what this version, with this broker, would have made.
 * Its file is taken for as long as the gateway lives; a second gateway in the same folder takes the next one.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CallboardError, type Logger, messageOf } from '../../core/index.ts'
import { createTables, SCHEMA_VERSION } from './schema.ts'
import { command, query } from './sql.ts'

/** In the process's memory, and gone with it. */
export const IN_MEMORY = ':memory:'

/** How many gateways may keep their read models in one folder. */
const FILES = 16
const CACHE_KIB = 64 * 1024

export interface Store {
  readonly db: DatabaseSync
  /** Where it is, for people. */
  readonly place: string
}

/**
 * @param place a folder, or `:memory:`
 * @param broker what the rows are of: those of another broker are thrown away
 * @throws CB_E_STORE_UNWRITABLE
 */
export function openStore(place: string, broker: string, logger: Logger): Store {
  if (place === IN_MEMORY) return { db: prepared(new DatabaseSync(IN_MEMORY), broker, logger), place }
  try {
    mkdirSync(place, { recursive: true })
  } catch (cause) {
    throw unwritable(place, cause)
  }
  for (let number = 1; number <= FILES; number++) {
    const file = join(place, number === 1 ? 'read-model.sqlite' : `read-model-${number}.sqlite`)
    const db = take(file, broker, logger)
    if (db !== undefined) return { db, place: file }
  }
  throw unwritable(place, `all ${FILES} read models in it are in use`)
}

/** Undefined when another process has it. */
function take(file: string, broker: string, logger: Logger): DatabaseSync | undefined {
  for (const isLast of [false, true]) {
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(file)
      return prepared(db, broker, logger)
    } catch (error) {
      db?.close()
      if (isLocked(error)) return undefined
      if (isLast) throw unwritable(file, error)
      logger.warn({ file, error }, 'the read model cannot be opened; it is made anew')
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true })
    }
  }
  return undefined
}

function prepared(db: DatabaseSync, broker: string, logger: Logger): DatabaseSync {
  db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 8000;
    PRAGMA temp_store = MEMORY; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA foreign_keys = OFF;`)
  db.exec('BEGIN IMMEDIATE; COMMIT;')
  const { user_version: version = 0 } = query<{ user_version: number }>(db, 'PRAGMA user_version').get() ?? {}
  if (version === 0) createTables(db)
  else if (version !== SCHEMA_VERSION || getMeta(db, 'broker') !== broker) {
    logger.info({ version, broker }, 'the read model is of another version or broker; it is made anew')
    wipe(db)
  }
  setMeta(db, 'broker', broker)
  return db
}

/** Everything goes, and the tables are made anew. */
export function wipe(db: DatabaseSync): void {
  const broker = hasTables(db) ? getMeta(db, 'broker') : undefined
  const tables = query<{ name: string }>(
    db,
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
     ORDER BY name IN ('run_names', 'line_words') DESC`,
  )
  for (const { name } of tables.all()) db.exec(`DROP TABLE IF EXISTS "${name}"`)
  createTables(db)
  if (broker !== undefined) setMeta(db, 'broker', broker)
}

function hasTables(db: DatabaseSync): boolean {
  return query(db, `SELECT 1 FROM sqlite_schema WHERE name = 'meta'`).get() !== undefined
}

export function getMeta(db: DatabaseSync, name: string): string | undefined {
  return query<{ value: string }>(db, 'SELECT value FROM meta WHERE name = ?').get(name)?.value
}

function setMeta(db: DatabaseSync, name: string, value: string): void {
  command(db, 'INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)')(name, value)
}

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6

function isLocked(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false
  return [SQLITE_BUSY, SQLITE_LOCKED].includes(error.errcode & 0xff)
}

function unwritable(place: string, cause: unknown): CallboardError {
  return new CallboardError(
    'CB_E_STORE_UNWRITABLE',
    `The read model of the gateway cannot be kept in ${place} (${messageOf(cause)}). Give this user write permission there, or name another folder with serverStore, or ':memory:'.`,
    { cause },
  )
}
