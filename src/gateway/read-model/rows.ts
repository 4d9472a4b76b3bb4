/** The rows of one transaction: read when first needed, changed in memory, written once at its end. */

import type { DatabaseSync } from 'node:sqlite'
import type { FlowContext, InputRequest, WaitRecord } from '../../actors/index.ts'
import type { StateCounts, StateName, StateType, StateView } from '../../api/index.ts'
import { command, query } from './sql.ts'
import type { RunIdentity, TaskIdentity } from './views.ts'

export interface RunRow {
  readonly no: number
  /** What it was made with, as long as it is not written. */
  made: NewRunRow | undefined
  readonly id: string
  rev: number
  state: StateView
  context: FlowContext
  readonly tasks: Map<StateType, number>
  progress: string | null
}

export interface TaskRow {
  /** Undefined until it is written. */
  readonly no: number | undefined
  readonly run: RunRow
  readonly key: string
  made: TaskIdentity
  createdAt: number
  state: StateView
  isSuperseded: boolean
  startTime: number | null
  endTime: number | null
  runningSince: number | null
  totalMs: number
  runCount: number
  progress: string | null
}

export interface NewRunRow {
  readonly made: RunIdentity
  readonly parameters: string | null
  readonly rev: number
  readonly state: StateView
  readonly context: FlowContext
}

type StoredRun = {
  readonly no: number
  readonly rev: number
  readonly state: string
  readonly context: string
  readonly tasks: string
  readonly progress: string | null
}

type StoredTask = {
  readonly no: number
  readonly key: string
  readonly made: string
  readonly created: number
  readonly state: string
  readonly superseded: number
  readonly start_time: number | null
  readonly end_time: number | null
  readonly running_since: number | null
  readonly total_ms: number
  readonly run_count: number
  readonly progress: string | null
}

const TASK_COLUMNS =
  'no, key, made, created, state, superseded, start_time, end_time, running_since, total_ms, run_count, progress'

export class Rows {
  readonly #sql: ReturnType<typeof statements>
  readonly #runs = new Map<string, RunRow | undefined>()
  readonly #tasks = new Map<number, Map<string, TaskRow>>()
  /** In this transaction: there is no other writer. */
  #lastRun: number | undefined
  #lastTask: number | undefined

  constructor(db: DatabaseSync) {
    this.#sql = statements(db)
  }

  run(id: string): RunRow | undefined {
    if (this.#runs.has(id)) return this.#runs.get(id)
    const row = runOf(id, this.#sql.run.get(id))
    this.#runs.set(id, row)
    return row
  }

  /** Written at the end: mostly it has moved on by then. */
  addRun(made: NewRunRow): RunRow {
    const { id } = made.made
    const { context, rev, state } = made
    this.#lastRun ??= this.#sql.lastRun.get()?.no ?? 0
    const run: RunRow = {
      no: ++this.#lastRun,
      made,
      id,
      rev,
      state,
      context,
      tasks: new Map(),
      progress: null,
    }
    this.#runs.set(id, run)
    return run
  }

  task(run: RunRow, key: string): TaskRow | undefined {
    const known = this.#tasksOf(run)
    const kept = known.get(key)
    if (kept !== undefined) return kept
    const stored = this.#sql.task.get(run.no, key)
    if (stored === undefined) return undefined
    const row = taskOf(run, stored)
    known.set(key, row)
    return row
  }

  putTask(row: TaskRow): void {
    this.#tasksOf(row.run).set(row.key, row)
  }

  /** Task runs of the present attempt that have not ended. */
  openTasks(run: RunRow): TaskRow[] {
    this.#writeTasks(run)
    const known = this.#tasksOf(run)
    return this.#sql.openTasks.all(run.no).map((stored) => {
      const row = taskOf(run, stored)
      known.set(row.key, row)
      return row
    })
  }

  /** Those that did not complete belong to an attempt that is over. */
  supersede(run: RunRow): void {
    this.#writeTasks(run)
    this.#tasks.delete(run.no)
    this.#sql.supersede(run.no)
    run.tasks.clear()
    for (const { state_type, n } of this.#sql.countTasks.all(run.no)) run.tasks.set(state_type, n)
  }

  awaits(run: RunRow, { id, input, signal }: WaitRecord): void {
    this.#sql.addWait(run.no, id, signal ?? null, input === undefined ? null : JSON.stringify(input))
  }

  /** What a wait of the run asks for. */
  inputOf(run: RunRow, wait: string): InputRequest | undefined {
    const input = this.#sql.input.get(run.no, wait)?.input ?? null
    return input === null ? undefined : (JSON.parse(input) as InputRequest)
  }

  awaitsNoMore(run: RunRow, wait?: string): void {
    if (wait === undefined) this.#sql.dropWaits(run.no)
    else this.#sql.dropWait(run.no, wait)
  }

  /** The run and all that is of it. */
  remove(id: string): void {
    const run = this.run(id)
    this.#runs.set(id, undefined)
    if (run === undefined) return
    this.#writeTasks(run)
    this.#tasks.delete(run.no)
    for (const drop of this.#sql.drops) drop(run.no)
  }

  /** Everything that was changed, at the end of the transaction. */
  write(): void {
    for (const run of this.#runs.values()) {
      if (run === undefined) continue
      this.#writeTasks(run)
      if (run.made === undefined) this.#setRun(run)
      else this.#insertRun(run, run.made)
    }
    this.forget()
  }

  #insertRun(run: RunRow, { made, parameters }: NewRunRow): void {
    const { deployment = null, flow, id, name, parent, queue, root = null, tags } = made
    const sql = this.#sql
    sql.addRun(
      ...[run.no, id, flow, name, deployment, parent?.run ?? null, root, queue],
      ...[JSON.stringify(made), parameters],
      ...columnsOf(run),
    )
    sql.addName(run.no, name)
    for (const tag of new Set(tags)) sql.addTag(tag, run.no)
  }

  #setRun(run: RunRow): void {
    this.#sql.setRun(...columnsOf(run), run.no)
  }

  /** What was read or changed counts no more. */
  forget(): void {
    this.#lastRun = undefined
    this.#lastTask = undefined
    this.#runs.clear()
    this.#tasks.clear()
  }

  #tasksOf(run: RunRow): Map<string, TaskRow> {
    const known = this.#tasks.get(run.no) ?? new Map<string, TaskRow>()
    this.#tasks.set(run.no, known)
    return known
  }

  #writeTasks(run: RunRow): void {
    const rows = this.#tasksOf(run)
    for (const row of rows.values()) {
      if (row.no === undefined) this.#addTask(row)
      else this.#setTask(row.no, row)
    }
    rows.clear()
  }

  #addTask({ key, made, run, ...row }: TaskRow): void {
    const { state } = row
    this.#lastTask ??= this.#sql.lastTask.get()?.no ?? 0
    const no = ++this.#lastTask
    this.#sql.addTask(
      ...[no, run.no, key, made.task, made.name, row.createdAt, JSON.stringify(made)],
      ...[state.type, state.name, row.isSuperseded ? 1 : 0, row.startTime, row.endTime, row.runningSince],
      ...[row.totalMs, row.runCount, JSON.stringify(state), row.progress],
    )
    for (const tag of made.tags) this.#sql.addTaskTag(tag, no)
  }

  #setTask(no: number, row: TaskRow): void {
    const { state } = row
    this.#sql.setTask(
      ...[row.createdAt, JSON.stringify(row.made)],
      ...[state.type, state.name, row.isSuperseded ? 1 : 0, row.startTime, row.endTime, row.runningSince],
      ...[row.totalMs, row.runCount, JSON.stringify(state), row.progress, no],
    )
  }
}

function runOf(id: string, stored: StoredRun | undefined): RunRow | undefined {
  if (stored === undefined) return undefined
  const { no, progress, rev } = stored
  const counts = JSON.parse(stored.tasks) as StateCounts
  const state = JSON.parse(stored.state) as StateView
  const context = JSON.parse(stored.context) as FlowContext
  return {
    no,
    made: undefined,
    id,
    rev,
    progress,
    state,
    context,
    tasks: new Map(Object.entries(counts) as [StateType, number][]),
  }
}

/** What changes, in the order in which both statements name it. */
function columnsOf({ context, progress, rev, state, tasks }: RunRow) {
  return [
    ...[rev, context.worker, state.type, state.name, context.expectedStart],
    ...[JSON.stringify(state), JSON.stringify(context), JSON.stringify(Object.fromEntries(tasks)), progress],
  ]
}

function taskOf(run: RunRow, stored: StoredTask): TaskRow {
  return {
    no: stored.no,
    run,
    key: stored.key,
    made: JSON.parse(stored.made) as TaskIdentity,
    createdAt: stored.created,
    state: JSON.parse(stored.state) as StateView,
    isSuperseded: stored.superseded === 1,
    startTime: stored.start_time,
    endTime: stored.end_time,
    runningSince: stored.running_since,
    totalMs: stored.total_ms,
    runCount: stored.run_count,
    progress: stored.progress,
  }
}

/** One more, or one less, of a state among the task runs of a run. */
export function count(run: RunRow, { type }: StateName, by: 1 | -1): void {
  const counted = (run.tasks.get(type) ?? 0) + by
  if (counted <= 0) run.tasks.delete(type)
  else run.tasks.set(type, counted)
}

function statements(db: DatabaseSync) {
  return {
    run: query<StoredRun>(db, 'SELECT no, rev, state, context, tasks, progress FROM runs WHERE id = ?'),
    lastRun: query<{ no: number | null }>(db, 'SELECT max(no) AS no FROM runs'),
    lastTask: query<{ no: number | null }>(db, 'SELECT max(no) AS no FROM tasks'),
    addRun: command(
      db,
      `INSERT INTO runs (no, id, flow, name, deployment, parent, root, queue, made, parameters, rev, worker,
         state_type, state_name, expected_start, state, context, tasks, progress)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    addName: command(db, 'INSERT INTO run_names (rowid, name) VALUES (?, ?)'),
    addTag: command(db, 'INSERT INTO run_tags (tag, run) VALUES (?, ?)'),
    setRun: command(
      db,
      `UPDATE runs SET rev = ?, worker = ?, state_type = ?, state_name = ?, expected_start = ?, state = ?,
         context = ?, tasks = ?, progress = ? WHERE no = ?`,
    ),
    task: query<StoredTask>(db, `SELECT ${TASK_COLUMNS} FROM tasks WHERE run = ? AND key = ?`),
    openTasks: query<StoredTask>(
      db,
      `SELECT ${TASK_COLUMNS} FROM tasks WHERE run = ? AND superseded = 0 AND state_name <> 'NotReady'
         AND state_type IN ('SCHEDULED', 'PENDING', 'RUNNING', 'PAUSED', 'CANCELLING') ORDER BY no`,
    ),
    addTask: command(
      db,
      `INSERT INTO tasks (no, run, key, task, name, created, made, state_type, state_name, superseded, start_time,
         end_time, running_since, total_ms, run_count, state, progress)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    setTask: command(
      db,
      `UPDATE tasks SET created = ?, made = ?, state_type = ?, state_name = ?, superseded = ?, start_time = ?,
         end_time = ?, running_since = ?, total_ms = ?, run_count = ?, state = ?, progress = ? WHERE no = ?`,
    ),
    addTaskTag: command(db, 'INSERT OR IGNORE INTO task_tags (tag, task) VALUES (?, ?)'),
    supersede: command(
      db,
      `UPDATE tasks SET superseded = 1
       WHERE run = ? AND NOT (state_type = 'COMPLETED' AND state_name <> 'RolledBack')`,
    ),
    countTasks: query<{ state_type: StateType; n: number }>(
      db,
      'SELECT state_type, count(*) AS n FROM tasks WHERE run = ? AND superseded = 0 GROUP BY state_type',
    ),
    addWait: command(db, 'INSERT OR REPLACE INTO waits (run, id, signal, input) VALUES (?, ?, ?, ?)'),
    input: query<{ input: string | null }>(db, 'SELECT input FROM waits WHERE run = ? AND id = ?'),
    dropWait: command(db, 'DELETE FROM waits WHERE run = ? AND id = ?'),
    dropWaits: command(db, 'DELETE FROM waits WHERE run = ?'),
    /** In this order: what refers to a row goes before it. */
    drops: [
      `INSERT INTO line_words (line_words, rowid, message) SELECT 'delete', no, message FROM lines WHERE run = ?`,
      'DELETE FROM lines WHERE run = ?',
      'DELETE FROM events WHERE run = ?',
      'DELETE FROM artifacts WHERE run = ?',
      'DELETE FROM waits WHERE run = ?',
      'DELETE FROM task_tags WHERE task IN (SELECT no FROM tasks WHERE run = ?)',
      'DELETE FROM tasks WHERE run = ?',
      'DELETE FROM run_tags WHERE run = ?',
      'DELETE FROM run_names WHERE rowid = ?',
      'DELETE FROM runs WHERE no = ?',
    ].map((sql) => command(db, sql)),
  }
}
