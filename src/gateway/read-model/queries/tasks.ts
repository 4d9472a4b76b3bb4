/** Task runs: of one run or of all, and each with all that is known of it. */

import type { DatabaseSync } from 'node:sqlite'
import type { Page, StateView, TaskRun, TaskRunQuery } from '../../../api/index.ts'
import { Conditions, type Query, query, Statements } from '../sql.ts'
import { iso } from '../states.ts'
import { partsOfTaskRunId, type TaskIdentity } from '../views.ts'
import { afterPlace, limitOf, listOf, mapPage, pageUpTo } from './paging.ts'
import { statesOf } from './runs.ts'

type TaskColumns = {
  readonly no: number
  readonly made: string
  readonly state: string
  readonly superseded: number
  readonly start_time: number | null
  readonly end_time: number | null
  readonly total_ms: number
  readonly run_count: number
  readonly progress: string | null
}

const COLUMNS = 'no, made, state, superseded, start_time, end_time, total_ms, run_count, progress'

export class TaskQueries {
  readonly #statements: Statements
  readonly #one: Query<TaskColumns>
  readonly #newest: Query<TaskColumns>

  constructor(db: DatabaseSync) {
    this.#statements = new Statements(db)
    const ofRun = '(SELECT no FROM runs WHERE id = ?)'
    this.#one = query(db, `SELECT ${COLUMNS} FROM tasks WHERE run = ${ofRun} AND key = ?`)
    this.#newest = query(db, `SELECT ${COLUMNS} FROM tasks WHERE run = ${ofRun} ORDER BY no DESC LIMIT ?`)
  }

  get(id: string): TaskRun | undefined {
    const parts = partsOfTaskRunId(id)
    const row = parts === undefined ? undefined : this.#one.get(parts.run, parts.key)
    return row === undefined ? undefined : taskOf(row)
  }

  /** The ones of a run that were called last, in the order of calls. */
  newest(run: string, limit: number): TaskRun[] {
    return this.#newest.all(run, limit).reverse().map(taskOf)
  }

  /** In the order of calls, unless told otherwise. @throws CB_E_PAGE_CURSOR */
  list({ cursor, limit: asked, sort = 'created:asc', ...filter }: TaskRunQuery): Page<TaskRun> {
    const isDown = sort === 'created:desc'
    const limit = limitOf(asked === undefined ? {} : { limit: asked })
    const conditions = conditionsOf(filter)
    const after = afterPlace(cursor, sort, ['number'])
    if (after !== undefined) conditions.and(isDown ? 'no < ?' : 'no > ?', ...after)
    const found = this.#statements
      .query<TaskColumns>(
        `SELECT ${COLUMNS} FROM tasks ${conditions.where} ORDER BY no ${isDown ? 'DESC' : 'ASC'} LIMIT ?`,
      )
      .all(...conditions.parameters, limit + 1)
    return mapPage(
      pageUpTo(found, limit, ({ no }) => ({ order: sort, values: [no] })),
      taskOf,
    )
  }
}

function conditionsOf(filter: Omit<TaskRunQuery, 'cursor' | 'limit' | 'sort'>): Conditions {
  const { name, run, since, state, tag, task, until } = filter
  const conditions = new Conditions().among('task', listOf(task))
  if (run !== undefined) conditions.and('run = (SELECT no FROM runs WHERE id = ?)', run)
  const states = listOf(state)
  if (states !== undefined) statesOf(conditions, states)
  for (const one of listOf(tag) ?? []) conditions.and('no IN (SELECT task FROM task_tags WHERE tag = ?)', one)
  if (name !== undefined) conditions.and('name = ?', name)
  if (since !== undefined) conditions.and('created >= ?', Date.parse(since))
  if (until !== undefined) conditions.and('created < ?', Date.parse(until))
  return conditions
}

function taskOf(row: TaskColumns): TaskRun {
  const { end_time, made, progress, run_count, start_time, state, superseded, total_ms } = row
  return {
    ...(JSON.parse(made) as TaskIdentity),
    state: JSON.parse(state) as StateView,
    ...(start_time === null ? {} : { startTime: iso(start_time) }),
    ...(end_time === null ? {} : { endTime: iso(end_time) }),
    runCount: run_count,
    totalRunMs: total_ms,
    ...(progress === null ? {} : { progress: JSON.parse(progress) as Record<string, unknown> }),
    ...(superseded === 1 ? { superseded: true } : {}),
  }
}
