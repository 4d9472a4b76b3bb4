/** Artifacts: what the code of runs left for people. */

import type { DatabaseSync } from 'node:sqlite'
import type { Artifact, ArtifactQuery, Page } from '../../../api/index.ts'
import { Conditions, Statements } from '../sql.ts'
import { partsOfTaskRunId } from '../views.ts'
import { afterPlace, limitOf, listOf, mapPage, type Place, pageUpTo } from './paging.ts'

type Found = { readonly no: number; readonly view: string }

const OF_RUN = 'run = (SELECT no FROM runs WHERE id = ?)'
const EACH = 'artifacts'
const LATEST = 'latest artifacts'

export class ArtifactQueries {
  readonly #statements: Statements

  constructor(db: DatabaseSync) {
    this.#statements = new Statements(db)
  }

  /** Newest first. @throws CB_E_PAGE_CURSOR */
  list({ cursor, latest = false, limit: asked, ...filter }: ArtifactQuery): Page<Artifact> {
    const limit = limitOf(asked === undefined ? {} : { limit: asked })
    const page = latest ? this.#latest(filter, cursor, limit) : this.#each(filter, cursor, limit)
    return mapPage(page, viewOf)
  }

  get(id: string): Artifact | undefined {
    const run = id.slice(0, id.indexOf('.'))
    const [found] = this.#find(new Conditions().and(OF_RUN, run).and('id = ?', id), 1)
    return found && viewOf(found)
  }

  #each(filter: Filter, cursor: string | undefined, limit: number): Page<Found> {
    const conditions = conditionsOf(filter)
    const after = afterPlace(cursor, EACH, ['number'])
    if (after !== undefined) conditions.and('no < ?', ...after)
    return pageUpTo(
      this.#find(conditions, limit + 1),
      limit,
      ({ no }): Place => ({ order: EACH, values: [no] }),
    )
  }

  /** The cursor holds besides as of when a key's newest is meant: else one that came since would take its key away. */
  #latest(filter: Filter, cursor: string | undefined, limit: number): Page<Found> {
    const [after, asOf] = afterPlace(cursor, LATEST, ['number', 'number']) ?? []
    const among = conditionsOf(filter).and('key IS NOT NULL')
    if (asOf !== undefined) among.and('no <= ?', asOf)
    const newest = `no IN (SELECT max(no) FROM artifacts ${among.where} GROUP BY key)`
    const conditions = new Conditions().and(newest, ...among.parameters)
    if (after !== undefined) conditions.and('no < ?', after)
    const found = this.#find(conditions, limit + 1)
    const since = Number(asOf ?? found[0]?.no)
    return pageUpTo(found, limit, ({ no }): Place => ({ order: LATEST, values: [no, since] }))
  }

  #find({ parameters, where }: Conditions, most: number): Found[] {
    return this.#statements
      .query<Found>(`SELECT no, view FROM artifacts ${where} ORDER BY no DESC LIMIT ?`)
      .all(...parameters, most)
  }
}

type Filter = Omit<ArtifactQuery, 'cursor' | 'latest' | 'limit'>

function conditionsOf({ flow, key, kind, run, task }: Filter): Conditions {
  const conditions = new Conditions().among('key', listOf(key)).among('kind', listOf(kind))
  if (run !== undefined) conditions.and(OF_RUN, run)
  if (task !== undefined) ofTask(conditions, task)
  if (flow !== undefined) conditions.and('run IN (SELECT no FROM runs WHERE flow = ?)', flow)
  return conditions
}

/** A run has few artifacts: those of one of its task runs are looked for among them. */
function ofTask(conditions: Conditions, id: string): void {
  const { key, run } = partsOfTaskRunId(id) ?? { key: '', run: '' }
  conditions.and(OF_RUN, run).and(`json_extract(view, '$.task') = ?`, key)
}

function viewOf({ view }: Found): Artifact {
  return JSON.parse(view) as Artifact
}
