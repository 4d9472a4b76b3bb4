/** Log lines: of one run in its order, or of all in the order of the log; found by their words. */

import type { DatabaseSync } from 'node:sqlite'
import type { LogLine, LogQuery, Page, RunLogQuery } from '../../../api/index.ts'
import { LEVELS, PLACES } from '../projector.ts'
import { Conditions, phrase, Statements } from '../sql.ts'
import { iso } from '../states.ts'
import { afterPlace, limitOf, mapPage, pageUpTo } from './paging.ts'

type LineColumns = {
  readonly no: number
  readonly run: string
  readonly pos: number
  readonly task: string | null
  readonly at: number
  readonly level: number
  readonly message: string
}

const FROM = `SELECT lines.no, runs.id AS run, lines.pos, lines.task, lines.at, lines.level, lines.message
  FROM lines JOIN runs ON runs.no = lines.run`

export class LineQueries {
  readonly #statements: Statements

  constructor(db: DatabaseSync) {
    this.#statements = new Statements(db)
  }

  /** Lines of any run, newest first unless told otherwise. @throws CB_E_PAGE_CURSOR */
  list({ cursor, limit, sort = 'desc', ...filter }: LogQuery): Page<LogLine> {
    const conditions = conditionsOf(filter)
    if (filter.run !== undefined) conditions.and('lines.run = (SELECT no FROM runs WHERE id = ?)', filter.run)
    if (filter.since !== undefined) conditions.and('lines.at >= ?', Date.parse(filter.since))
    if (filter.until !== undefined) conditions.and('lines.at < ?', Date.parse(filter.until))
    return this.#page(conditions, 'no', { cursor, limit, sort })
  }

  /** Lines of one run, oldest first unless told otherwise. @throws CB_E_PAGE_CURSOR */
  ofRun(run: string, { after, cursor, limit, sort = 'asc', ...filter }: RunLogQuery): Page<LogLine> {
    const conditions = conditionsOf(filter).and('lines.run = (SELECT no FROM runs WHERE id = ?)', run)
    if (after !== undefined) conditions.and('lines.pos > ?', positionOf(after))
    return this.#page(conditions, 'pos', { cursor, limit, sort })
  }

  #page(
    conditions: Conditions,
    by: 'no' | 'pos',
    paging: {
      readonly cursor: string | undefined
      readonly limit: number | undefined
      readonly sort: 'asc' | 'desc'
    },
  ): Page<LogLine> {
    const isDown = paging.sort === 'desc'
    const order = `${by}:${paging.sort}`
    const limit = limitOf(paging.limit === undefined ? {} : { limit: paging.limit })
    const after = afterPlace(paging.cursor, order, ['number'])
    if (after !== undefined) conditions.and(`lines.${by} ${isDown ? '<' : '>'} ?`, ...after)
    const sql = `${FROM} ${conditions.where} ORDER BY lines.${by} ${isDown ? 'DESC' : 'ASC'} LIMIT ?`
    const found = this.#statements.query<LineColumns>(sql).all(...conditions.parameters, limit + 1)
    return mapPage(
      pageUpTo(found, limit, (row) => ({ order, values: [row[by]] })),
      lineOf,
    )
  }
}

function conditionsOf({ level, q, task }: Pick<LogQuery, 'level' | 'q' | 'task'>): Conditions {
  const conditions = new Conditions()
  // As a number in the text: only so does SQLite see that the index of important lines will do.
  if (level !== undefined) conditions.and(`lines.level >= ${LEVELS.indexOf(level)}`)
  if (task !== undefined) conditions.and('lines.task = ?', task)
  if (q !== undefined)
    conditions.and('lines.no IN (SELECT rowid FROM line_words WHERE line_words MATCH ?)', wordsOf(q))
  return conditions
}

/** Every word as a text of its own, so that nothing in it is taken for an operator; `"…"` keeps its order. */
function wordsOf(q: string): string {
  const parts = q.match(/"[^"]*"|[^\s"]+/g) ?? []
  const words = parts.map((part) => phrase(part.replaceAll('"', '')))
  return words.length === 0 ? phrase('') : words.join(' ')
}

function positionOf(id: string): number {
  const [rev = '0', line = '0'] = id.split('.')
  return Number(rev) * PLACES + Number(line)
}

function lineOf({ at, level, message, pos, run, task }: LineColumns): LogLine {
  return {
    id: `${Math.floor(pos / PLACES)}.${pos % PLACES}`,
    run,
    ...(task === null ? {} : { task }),
    timestamp: iso(at),
    level: LEVELS[level] ?? 'info',
    message,
  }
}
