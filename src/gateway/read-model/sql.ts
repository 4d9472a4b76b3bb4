/** SQLite behind types: what a statement takes and gives is said once, where it is written. */

import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'

export type Parameter = SQLInputValue
export type Row = { readonly [column: string]: SQLOutputValue }

export interface Query<R extends Row> {
  get(...parameters: Parameter[]): R | undefined
  all(...parameters: Parameter[]): R[]
}

/** The columns named in `R` are the caller's promise about its own SQL. */
export function query<R extends Row>(db: DatabaseSync, sql: string): Query<R> {
  return queryOf(db.prepare(sql))
}

export function command(db: DatabaseSync, sql: string): (...parameters: Parameter[]) => number {
  const statement = db.prepare(sql)
  return (...parameters) => Number(statement.run(...parameters).changes)
}

function queryOf<R extends Row>(statement: StatementSync): Query<R> {
  return {
    get: (...parameters) => statement.get(...parameters) as R | undefined,
    all: (...parameters) => statement.all(...parameters) as R[],
  }
}

/** How many statements with filters are kept prepared. */
const KEPT = 200

/** Statements that are put together from what a caller filters by, each prepared once. */
export class Statements {
  readonly #db: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  query<R extends Row>(sql: string): Query<R> {
    const known = this.#prepared.get(sql)
    if (known !== undefined) return queryOf(known)
    const statement = this.#db.prepare(sql)
    for (const oldest of this.#prepared.keys()) {
      if (this.#prepared.size < KEPT) break
      this.#prepared.delete(oldest)
    }
    this.#prepared.set(sql, statement)
    return queryOf(statement)
  }
}

/** Conditions that all have to hold, with what stands for their question marks. */
export class Conditions {
  readonly #parts: string[] = []
  readonly #parameters: Parameter[] = []

  and(sql: string, ...parameters: Parameter[]): this {
    this.#parts.push(sql)
    this.#parameters.push(...parameters)
    return this
  }

  /** Nothing when there are no values. */
  among(column: string, values: readonly string[] | undefined): this {
    if (values === undefined) return this
    const marks = values.map(() => '?').join(', ')
    return this.and(values.length === 1 ? `${column} = ?` : `${column} IN (${marks})`, ...values)
  }

  get where(): string {
    return this.#parts.length === 0 ? '' : `WHERE ${this.#parts.join(' AND ')}`
  }

  get parameters(): readonly Parameter[] {
    return this.#parameters
  }
}

/** A text as the full-text search takes it: looked for as it is, whatever it means there. */
export function phrase(text: string): string {
  return `"${text.replaceAll('\0', ' ').replaceAll('"', '""')}"`
}
