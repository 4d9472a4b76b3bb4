/**
 * What the gateway knows of all runs, in tables of its own: made from the log, behind it by moments, and disposable.
 *
 * Invariants
 * (M1) Rows and the cursor they are as of are written in one transaction: after a crash it goes on exactly there. What
 *      was applied is read at once; it is kept with the next `commit`, so that a commit is nothing anybody waits for.
 * (M2) It is fed by one ordered following of the whole log, by whoever owns it; it reads no log itself.
 * (M3) Everything in it can be made again from the log, and is, when the tables are of another version or broker, or
 *      the broker does not know the cursor any more.
 * (M4) What was taken is there for whoever reads, and costs nothing until then: whoever reads first brings it in, else the
 *      next `commit` does. What cannot be brought in is told of by that `commit`; readers see what was there before.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { Cursor, Entry, Rev } from '../../broker/index.ts'
import type { Logger } from '../../core/index.ts'
import { Projector } from './projector.ts'
import { ArtifactQueries, EventQueries, LineQueries, RunQueries, TaskQueries } from './queries/index.ts'

import { command } from './sql.ts'
import { getMeta, openStore, wipe } from './store.ts'

export interface ReadModelOptions {
  /** A folder, or `:memory:`. */
  readonly place: string
  /** The broker's URL, without secrets. */
  readonly broker: string
  readonly logger: Logger
}

export interface ReadModelFigures {
  readonly place: string
  /** Records applied since it was opened. */
  readonly records: number
  /** Entries left out because they could not be read. */
  readonly unreadable: number
}

/** (M4) More than this are brought in at once: nobody who reads should pay for all of them. */
const MOST_TAKEN = 256

export class ReadModel {
  readonly #db: DatabaseSync
  readonly #place: string
  readonly #logger: Logger
  #parts: Parts
  #cursor: Cursor | undefined
  #isClosed = false
  #taken: Entry[] = []
  /** The newest revisions in `#taken`. */
  readonly #heads = new Map<string, Rev>()
  /** Why what was taken could not be brought in. */
  #failure: { readonly error: unknown } | undefined

  /** @throws CB_E_STORE_UNWRITABLE */
  constructor({ broker, logger, place }: ReadModelOptions) {
    const store = openStore(place, broker, logger)
    this.#db = store.db
    this.#place = store.place
    this.#logger = logger
    this.#parts = partsOf(store.db, logger)
    this.#cursor = this.#keptCursor()
  }

  /** The entry that it has come to; undefined when it has seen none. */
  get cursor(): Cursor | undefined {
    this.#bringIn()
    return this.#cursor
  }

  get runs(): RunQueries {
    this.#bringIn()
    return this.#parts.runs
  }

  get tasks(): TaskQueries {
    this.#bringIn()
    return this.#parts.tasks
  }

  get lines(): LineQueries {
    this.#bringIn()
    return this.#parts.lines
  }

  get events(): EventQueries {
    this.#bringIn()
    return this.#parts.events
  }

  get artifacts(): ArtifactQueries {
    this.#bringIn()
    return this.#parts.artifacts
  }

  get figures(): ReadModelFigures {
    const { records, unreadable } = this.#parts.projector
    return { place: this.#place, records, unreadable }
  }

  /** Whether a run or a task run is in a state of this name. */
  hasState(name: string): boolean {
    const { runs, tasks } = this
    return (
      runs.ids({ state: [name] }, 1).length > 0 || tasks.list({ state: [name], limit: 1 }).items.length > 0
    )
  }

  /** The newest revision of a run that it has; undefined for none. Nothing is brought in for it. */
  newestRev(run: string): Rev | undefined {
    return this.#heads.get(run) ?? this.#parts.runs.head(run)?.rev
  }

  /** The next entries of the log, in its order. (M4) */
  take(entries: readonly Entry[]): void {
    if (this.#failure !== undefined) return
    for (const entry of entries) {
      this.#taken.push(entry)
      this.#heads.set(entry.subject, entry.rev)
    }
    if (this.#taken.length >= MOST_TAKEN) this.#bringIn()
  }

  /** The next entries of the log, in its order. All of them are in the tables when this returns, or none. (M1) */
  apply(entries: readonly Entry[]): void {
    this.take(entries)
    this.#bringIn()
    this.#complain()
  }

  #bringIn(): void {
    if (this.#taken.length === 0) return
    const entries = this.#taken
    this.#taken = []
    this.#heads.clear()
    try {
      this.#applyAll(entries)
    } catch (error) {
      this.#failure = { error }
    }
  }

  #complain(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
  }

  #applyAll(entries: readonly Entry[]): void {
    const last = entries.at(-1)
    if (last === undefined) return
    const { projector, savepoint } = this.#parts
    if (!this.#db.isTransaction) this.#db.exec('BEGIN')
    savepoint.begin()
    try {
      for (const entry of entries) projector.apply(entry)
      projector.finish()
      savepoint.end()
    } catch (error) {
      projector.forget()
      if (this.#db.isTransaction) savepoint.giveUp()
      else this.#cursor = this.#keptCursor()
      throw error
    }
    this.#cursor = last.cursor
  }

  /** Keeps what was taken. What cannot be kept is gone, and the cursor is as before it. (M1) (M4) */
  commit(): void {
    this.#bringIn()
    this.#complain()
    if (!this.#db.isTransaction) return
    try {
      if (this.#cursor !== undefined) this.#parts.setCursor(this.#cursor)
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      this.#cursor = this.#keptCursor()
      throw error
    }
  }

  /** Forgets everything, so that it can be made again from the start of the log. (M3) */
  reset(): void {
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
    this.#taken = []
    this.#heads.clear()
    this.#failure = undefined
    wipe(this.#db)
    this.#parts = partsOf(this.#db, this.#logger)
    this.#cursor = undefined
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      this.commit()
    } catch (error) {
      this.#logger.warn({ error }, 'the newest of the read model could not be kept; it is read again')
    }
    this.#db.close()
  }

  #keptCursor(): Cursor | undefined {
    return getMeta(this.#db, 'cursor') as Cursor | undefined
  }
}

type Parts = ReturnType<typeof partsOf>

function partsOf(db: DatabaseSync, logger: Logger) {
  return {
    projector: new Projector(db, logger),
    savepoint: savepointOf(db),
    setCursor: command(db, `INSERT OR REPLACE INTO meta (name, value) VALUES ('cursor', ?)`),
    runs: new RunQueries(db),
    tasks: new TaskQueries(db),
    lines: new LineQueries(db),
    events: new EventQueries(db),
    artifacts: new ArtifactQueries(db),
  }
}

/** Around a part of a transaction. */
function savepointOf(db: DatabaseSync) {
  const begin = command(db, 'SAVEPOINT entries')
  const end = command(db, 'RELEASE entries')
  const back = command(db, 'ROLLBACK TO entries')
  return {
    begin,
    end,
    giveUp() {
      back()
      end()
    },
  }
}
