/** Typed statements over Node's SQLite, and what its errors mean to us. */

import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { CallboardError, messageOf } from '../../../core/index.ts'
import { type LockHolder, lockHolder } from './lock-holder.ts'

export type SqlRow = { readonly [column: string]: SQLOutputValue }

/** A prepared SELECT. */
export interface Query<Row extends SqlRow> {
  get(...parameters: SQLInputValue[]): Row | undefined
  all(...parameters: SQLInputValue[]): Row[]
  iterate(...parameters: SQLInputValue[]): IterableIterator<Row>
}

/** A prepared statement that changes something. */
export interface Command {
  /** How many rows it changed. */
  run(...parameters: SQLInputValue[]): number
  /** Runs an INSERT; the row id of what it inserted, or undefined when it inserted nothing. */
  insert(...parameters: SQLInputValue[]): number | undefined
}

/** The columns named in `Row` are the caller's promise about its own SQL. */
export function query<Row extends SqlRow>(db: DatabaseSync, sql: string): Query<Row> {
  const statement = db.prepare(sql)
  return {
    get: (...parameters) => statement.get(...parameters) as Row | undefined,
    all: (...parameters) => statement.all(...parameters) as Row[],
    iterate: (...parameters) => statement.iterate(...parameters) as IterableIterator<Row>,
  }
}

export function command(db: DatabaseSync, sql: string): Command {
  const statement = db.prepare(sql)
  return {
    run: (...parameters) => Number(statement.run(...parameters).changes),
    insert(...parameters) {
      const done = statement.run(...parameters)
      return done.changes === 0 ? undefined : Number(done.lastInsertRowid)
    },
  }
}

/**
 * `busy`: another process holds the lock, try again. `full`: no room, nothing was written. `damaged`: the file
 * is not what it should be. `denied`: this user may not write. `io`: the disk failed. `defect`: our own mistake.
 */
export type SqliteTrouble = 'busy' | 'full' | 'damaged' | 'denied' | 'io' | 'defect'

const TROUBLE_BY_RESULT_CODE: ReadonlyMap<number, SqliteTrouble> = new Map([
  [5, 'busy'], // SQLITE_BUSY
  [6, 'busy'], // SQLITE_LOCKED
  [8, 'denied'], // SQLITE_READONLY
  [10, 'io'], // SQLITE_IOERR
  [11, 'damaged'], // SQLITE_CORRUPT
  [13, 'full'], // SQLITE_FULL
  [14, 'denied'], // SQLITE_CANTOPEN
  [26, 'damaged'], // SQLITE_NOTADB
])
/** No room to grow the shared-memory file: SQLite reports it as an I/O error. */
const SQLITE_IOERR_SHMSIZE = 4874

/** What an error thrown by a statement means; undefined when it did not come from SQLite. */
export function troubleOf(error: unknown): SqliteTrouble | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined
  if (error.errcode === SQLITE_IOERR_SHMSIZE) return 'full'
  return TROUBLE_BY_RESULT_CODE.get(error.errcode & 0xff) ?? 'defect'
}

/** The coded error for whatever a statement threw; an error that has a code already stays as it is. */
export function storeError(where: string, error: unknown): CallboardError {
  if (error instanceof CallboardError) return error
  const said = messageOf(error)
  const options = { cause: error, details: { store: where } }
  const trouble = troubleOf(error)
  const holder = trouble === 'busy' ? lockHolder(where) : undefined
  switch (trouble) {
    case 'busy':
      return new CallboardError(
        'CB_E_BROKER_UNAVAILABLE',
        `The store ${where} stayed locked by another process for too long (${said}). ${adviceFor(holder)}`,
        holder ? { cause: error, details: { store: where, pid: holder.pid } } : options,
      )
    case 'full':
      return new CallboardError(
        'CB_E_STORE_FULL',
        `The store ${where} has no room (${said}); nothing was written. Free space or raise max_bytes, then it goes on by itself.`,
        options,
      )
    case 'damaged':
      return new CallboardError(
        'CB_E_STORE_DAMAGED',
        `The store ${where} cannot be read (${said}). Restore it from a backup.`,
        options,
      )
    case 'denied':
      return new CallboardError(
        'CB_E_STORE_UNWRITABLE',
        `The store ${where} cannot be written (${said}). Give this user write permission for the folder and the files in it.`,
        options,
      )
    case 'io':
      return new CallboardError(
        'CB_E_BROKER_UNAVAILABLE',
        `The disk under the store ${where} failed (${said}). Look at the system log before trying again.`,
        options,
      )
    default:
      return new CallboardError(
        'CB_E_BUG',
        `The store ${where} met an error that should not happen: ${said}. Please report this.`,
        options,
      )
  }
}

function adviceFor(holder: LockHolder | undefined): string {
  if (holder === undefined)
    return 'Try again; if it persists, look for a process that hangs while it holds the store.'
  return holder.isStopped
    ? `Process ${holder.pid} was stopped in the middle of a write and holds it: let it go on (kill -CONT ${holder.pid}), or end it.`
    : `Process ${holder.pid} holds it. Try again; if it persists, look at what that process does.`
}
