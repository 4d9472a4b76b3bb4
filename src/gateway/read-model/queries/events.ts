/** What happened: states that runs and task runs were in, events of the code. */

import type { DatabaseSync } from 'node:sqlite'
import type { EventQuery, Page, PastState, RunEvent, Sender, StateView } from '../../../api/index.ts'
import { idOf } from '../events.ts'
import { EVENT_KINDS, PLACES } from '../projector.ts'
import { Conditions, Statements } from '../sql.ts'
import { iso } from '../states.ts'
import { partsOfTaskRunId } from '../views.ts'
import { afterPlace, limitOf, listOf, mapPage, pageUpTo } from './paging.ts'

type EventColumns = {
  readonly no: number
  readonly run: string
  readonly task: string | null
  readonly pos: number
  readonly at: number
  readonly event: string
  readonly data: string
  readonly sender: string | null
}

const FROM = `SELECT events.no, runs.id AS run, events.task, events.pos, events.at, events.event, events.data,
  events.sender FROM events JOIN runs ON runs.no = events.run`
const OF_RUN = 'events.run = (SELECT no FROM runs WHERE id = ?)'

interface Paging {
  readonly cursor: string | undefined
  readonly limit: number | undefined
  readonly sort: 'asc' | 'desc'
}

export class EventQueries {
  readonly #statements: Statements

  constructor(db: DatabaseSync) {
    this.#statements = new Statements(db)
  }

  /** Of everything, newest first unless told otherwise. @throws CB_E_PAGE_CURSOR */
  list({ cursor, limit, sort = 'desc', ...filter }: EventQuery): Page<RunEvent> {
    const { event, flow, run, since, task, until } = filter
    const conditions = new Conditions()
    if (run !== undefined) conditions.and(OF_RUN, run)
    if (task !== undefined) ofTask(conditions, task)
    if (flow !== undefined) conditions.and('runs.flow = ?', flow)
    if (since !== undefined) conditions.and('events.at >= ?', Date.parse(since))
    if (until !== undefined) conditions.and('events.at < ?', Date.parse(until))
    const names = listOf(event)
    if (names !== undefined) named(conditions, names)
    return mapPage(this.#page(conditions, { cursor, limit, sort }), eventOf)
  }

  /** The states that a run was in, oldest first. @throws CB_E_PAGE_CURSOR */
  statesOfRun(run: string, paging: Omit<Paging, 'sort'>): Page<PastState> {
    const conditions = new Conditions().and(OF_RUN, run).and(`events.kind = ${EVENT_KINDS.run}`)
    return mapPage(this.#page(conditions, { ...paging, sort: 'asc' }), pastState)
  }

  /** The states that a task run was in, oldest first. @throws CB_E_PAGE_CURSOR */
  statesOfTask(task: string, paging: Omit<Paging, 'sort'>): Page<PastState> {
    const conditions = ofTask(new Conditions(), task).and(`events.kind = ${EVENT_KINDS.task}`)
    return mapPage(this.#page(conditions, { ...paging, sort: 'asc' }), pastState)
  }

  #page(conditions: Conditions, { cursor, limit: asked, sort }: Paging): Page<EventColumns> {
    const isDown = sort === 'desc'
    const limit = limitOf(asked === undefined ? {} : { limit: asked })
    const after = afterPlace(cursor, sort, ['number'])
    if (after !== undefined) conditions.and(`events.no ${isDown ? '<' : '>'} ?`, ...after)
    const sql = `${FROM} ${conditions.where} ORDER BY events.no ${isDown ? 'DESC' : 'ASC'} LIMIT ?`
    const found = this.#statements.query<EventColumns>(sql).all(...conditions.parameters, limit + 1)
    return pageUpTo(found, limit, ({ no }) => ({ order: sort, values: [no] }))
  }
}

function ofTask(conditions: Conditions, id: string): Conditions {
  const { key, run } = partsOfTaskRunId(id) ?? { key: '', run: '' }
  return conditions.and(OF_RUN, run).and('events.task = ?', key)
}

/** With `*` at its end, whatever begins so. */
function named(conditions: Conditions, names: readonly string[]): void {
  const parts = names.map((name) =>
    name.endsWith('*') ? '(events.event >= ? AND events.event < ?)' : 'events.event = ?',
  )
  const values = names.flatMap((name) => {
    const stem = name.slice(0, -1)
    return name.endsWith('*') ? [stem, `${stem}\u{10ffff}`] : [name]
  })
  conditions.and(`(${parts.join(' OR ')})`, ...values)
}

function eventOf(row: EventColumns): RunEvent {
  const { at, data, event, run, sender, task } = row
  return {
    id: idIn(row),
    event,
    run,
    ...(task === null ? {} : { task }),
    timestamp: iso(at),
    ...byIn(sender),
    data: JSON.parse(data) as Record<string, unknown>,
  }
}

function pastState(row: EventColumns): PastState {
  const { data, sender, task } = row
  return {
    id: idIn(row),
    ...(task === null ? {} : { task }),
    state: JSON.parse(data) as StateView,
    ...byIn(sender),
  }
}

function idIn({ pos, run }: EventColumns): string {
  return idOf(run, Math.floor(pos / PLACES), pos % PLACES)
}

function byIn(sender: string | null): { readonly by?: Sender } {
  return sender === null ? {} : { by: JSON.parse(sender) as Sender }
}
