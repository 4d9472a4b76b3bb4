/** Flow runs: found, counted, and each with all that is known of it. */

import type { DatabaseSync } from 'node:sqlite'
import type { FlowContext } from '../../../actors/index.ts'
import type {
  Flow,
  FlowRun,
  FlowRunQuery,
  HistoryBucket,
  Page,
  RunFilter,
  StateCounts,
  StateName,
  StateType,
  StateView,
} from '../../../api/index.ts'
import type { Rev } from '../../../broker/index.ts'
import { queuePrefix } from '../../../catalog/index.ts'
import { Conditions, phrase, type Query, query, Statements } from '../sql.ts'
import { iso } from '../states.ts'
import { flowRunOf, type RunIdentity, takesNamed } from '../views.ts'
import { afterPlace, limitOf, listOf, mapPage, type Place, pageUpTo } from './paging.ts'

type RunColumns = {
  readonly no: number
  readonly id: string
  readonly rev: number
  readonly name: string
  readonly expected_start: number
  readonly made: string
  readonly parameters: string | null
  readonly state: string
  readonly context: string
  readonly tasks: string
  readonly progress: string | null
}

const COLUMNS = 'no, id, rev, name, expected_start, made, parameters, state, context, tasks, progress'

type Sort = NonNullable<FlowRunQuery['sort']>

/** What each order is by; ids are in the order in which runs were made. */
const ORDERS: Readonly<
  Record<Sort, { readonly by: 'id' | 'expected_start' | 'name'; readonly down: boolean }>
> = {
  'created:asc': { by: 'id', down: false },
  'created:desc': { by: 'id', down: true },
  'start:asc': { by: 'expected_start', down: false },
  'start:desc': { by: 'expected_start', down: true },
  'name:asc': { by: 'name', down: false },
}

/** Which runs are meant, within those that somebody may see. */
export type VisibleRuns = RunFilter & {
  /** Of this work pool. */
  readonly pool?: string
}

const KINDS = {
  id: ['string'],
  expected_start: ['number', 'string'],
  name: ['string', 'string'],
} as const

export class RunQueries {
  readonly #statements: Statements
  readonly #one: Query<RunColumns>
  readonly #head: Query<{ rev: number; state: string }>
  readonly #made: Query<{ made: string; expected_start: number }>
  readonly #waits: Query<{ signal: string }>

  constructor(db: DatabaseSync) {
    this.#statements = new Statements(db)
    this.#one = query(db, `SELECT ${COLUMNS} FROM runs WHERE id = ?`)
    this.#head = query(db, 'SELECT rev, state FROM runs WHERE id = ?')
    this.#made = query(db, 'SELECT made, expected_start FROM runs WHERE id = ?')
    this.#waits = query(db, 'SELECT DISTINCT signal FROM waits WHERE run = ? AND signal IS NOT NULL')
  }

  /** With the named signals that its code waits for. */
  get(id: string): FlowRun | undefined {
    const row = this.#one.get(id)
    if (row === undefined) return undefined
    const run = runOf(row)
    const context = JSON.parse(row.context) as FlowContext
    const awaited = takesNamed(run.state, context) ? this.#waits.all(row.no).map(({ signal }) => signal) : []
    return { ...run, legalSignals: [...run.legalSignals, ...awaited] }
  }

  head(id: string): { readonly rev: Rev; readonly state: StateName } | undefined {
    const row = this.#head.get(id)
    if (row === undefined) return undefined
    const { name, type } = JSON.parse(row.state) as StateView
    return { rev: row.rev, state: { name, type } }
  }

  /** What does not change about it while it lives. */
  identity(id: string): (RunIdentity & Pick<FlowRun, 'expectedStartTime'>) | undefined {
    const row = this.#made.get(id)
    if (row === undefined) return undefined
    return { ...(JSON.parse(row.made) as RunIdentity), expectedStartTime: iso(row.expected_start) }
  }

  /** @throws CB_E_PAGE_CURSOR */
  list({
    cursor,
    limit: asked,
    sort = 'created:desc',
    ...filter
  }: FlowRunQuery & VisibleRuns): Page<FlowRun> {
    const { by, down } = ORDERS[sort]
    const limit = limitOf(asked === undefined ? {} : { limit: asked })
    const conditions = conditionsOf(filter)
    const after = afterPlace(cursor, sort, KINDS[by])
    const than = down ? '<' : '>'
    if (after !== undefined)
      conditions.and(by === 'id' ? `id ${than} ?` : `(${by}, id) ${than} (?, ?)`, ...after)
    const direction = down ? 'DESC' : 'ASC'
    const order = by === 'id' ? `id ${direction}` : `${by} ${direction}, id ${direction}`
    const found = this.#statements
      .query<RunColumns>(`SELECT ${COLUMNS} FROM runs ${conditions.where} ORDER BY ${order} LIMIT ?`)
      .all(...conditions.parameters, limit + 1)
    const placeOf = (row: RunColumns): Place => ({
      order: sort,
      values: by === 'id' ? [row.id] : [row[by], row.id],
    })
    return mapPage(pageUpTo(found, limit, placeOf), runOf)
  }

  /** Ids of runs, oldest first. */
  ids(filter: VisibleRuns, limit: number, after = ''): string[] {
    const conditions = conditionsOf(filter).and('id > ?', after)
    return this.#statements
      .query<{ id: string }>(`SELECT id FROM runs ${conditions.where} ORDER BY id LIMIT ?`)
      .all(...conditions.parameters, limit)
      .map(({ id }) => id)
  }

  count(filter: VisibleRuns): number {
    const conditions = conditionsOf(filter)
    const sql = `SELECT count(*) AS n FROM runs ${conditions.where}`
    return this.#statements.query<{ n: number }>(sql).get(...conditions.parameters)?.n ?? 0
  }

  /** How the database goes about finding them: a line per step. */
  plan(filter: VisibleRuns): string[] {
    const conditions = conditionsOf(filter)
    return this.#statements
      .query<{ detail: string }>(`EXPLAIN QUERY PLAN SELECT id FROM runs ${conditions.where}`)
      .all(...conditions.parameters)
      .map(({ detail }) => detail)
  }

  /** How many there are, by type of state. */
  counts(filter: VisibleRuns): StateCounts {
    const conditions = conditionsOf(filter)
    const rows = this.#statements
      .query<{ state_type: StateType; n: number }>(
        `SELECT state_type, count(*) AS n FROM runs ${conditions.where} GROUP BY state_type`,
      )
      .all(...conditions.parameters)
    return Object.fromEntries(rows.map(({ n, state_type }) => [state_type, n]))
  }

  /** Runs by when they were to start, in spans of `stepMs` from `from` to `to`. Spans without a run are left out. */
  history(filter: VisibleRuns, from: number, to: number, stepMs: number): HistoryBucket[] {
    const conditions = conditionsOf(filter).and('expected_start >= ?', from).and('expected_start < ?', to)
    const rows = this.#statements
      .query<{ bucket: number; state_type: StateType; n: number }>(
        `SELECT CAST((expected_start - ?) / ? AS INTEGER) AS bucket, state_type, count(*) AS n
         FROM runs ${conditions.where} GROUP BY bucket, state_type ORDER BY bucket`,
      )
      .all(from, stepMs, ...conditions.parameters)
    return [...Map.groupBy(rows, ({ bucket }) => bucket)].map(([bucket, found]) => ({
      from: iso(from + bucket * stepMs),
      to: iso(Math.min(to, from + (bucket + 1) * stepMs)),
      states: Object.fromEntries(found.map(({ n, state_type }) => [state_type, n])),
    }))
  }

  /** Every flow of which a run is kept. Looks from name to name in the index, however many runs there are. */
  flowNames(): string[] {
    const names: string[] = []
    const next = this.#statements.query<{ flow: string | null }>(
      'SELECT min(flow) AS flow FROM runs WHERE flow > ?',
    )
    for (let flow = next.get('')?.flow ?? null; flow !== null; flow = next.get(flow)?.flow ?? null)
      names.push(flow)
    return names
  }

  flow(name: string): Omit<Flow, 'deployments'> {
    const counts = this.#statements
      .query<{ state_type: StateType; n: number }>(
        'SELECT state_type, count(*) AS n FROM runs WHERE flow = ? GROUP BY state_type',
      )
      .all(name)
    const newest = this.#statements
      .query<{ made: string }>('SELECT made FROM runs WHERE flow = ? ORDER BY id DESC LIMIT 100')
      .all(name)
      .map(({ made }) => JSON.parse(made) as RunIdentity)
    const versions = new Set(newest.flatMap(({ flowVersion }) => flowVersion ?? []))
    const lastRunAt = newest[0]?.createdAt
    return {
      name,
      runs: Object.fromEntries(counts.map(({ n, state_type }) => [state_type, n])),
      ...(lastRunAt === undefined ? {} : { lastRunAt }),
      versions: [...versions],
    }
  }
}

function runOf(row: RunColumns): FlowRun {
  const { context, made, parameters, progress, rev, state, tasks } = row
  return flowRunOf(
    {
      ...(JSON.parse(made) as RunIdentity),
      ...(parameters === null ? {} : { parameters: JSON.parse(parameters) as unknown }),
    },
    {
      rev,
      state: JSON.parse(state) as StateView,
      context: JSON.parse(context) as FlowContext,
      taskRuns: JSON.parse(tasks) as StateCounts,
      ...(progress === null ? {} : { progress: JSON.parse(progress) as Record<string, unknown> }),
    },
  )
}

function ofPool(conditions: Conditions, pool: string): void {
  const prefix = queuePrefix(pool)
  conditions.and('queue > ? AND queue < ?', prefix, `${prefix}\u{10ffff}`)
}

/** A trigram needs three characters; shorter parts are looked for one by one. */
const TRIGRAM = 3

function conditionsOf(filter: VisibleRuns): Conditions {
  const { deployment, flow, id, name, parent, pool, queue, root, since, state, tag, until, worker } = filter
  const conditions = new Conditions()
    .among('id', listOf(id))
    .among('flow', listOf(flow))
    .among('deployment', listOf(deployment))
    .among('queue', listOf(queue))
    .among('worker', listOf(worker))
    .among('root', listOf(root))
  const states = listOf(state)
  if (states !== undefined) statesOf(conditions, states)
  for (const one of listOf(tag) ?? []) conditions.and('no IN (SELECT run FROM run_tags WHERE tag = ?)', one)
  if (pool !== undefined) ofPool(conditions, pool)
  if (parent === 'none') conditions.and('parent IS NULL')
  else if (parent !== undefined) conditions.and('parent = ?', parent)
  if (since !== undefined) conditions.and('expected_start >= ?', Date.parse(since))
  if (until !== undefined) conditions.and('expected_start < ?', Date.parse(until))
  if (name !== undefined) nameHas(conditions, name)
  return conditions
}

const TYPES: ReadonlySet<string> = new Set<StateType>([
  'SCHEDULED',
  'PENDING',
  'RUNNING',
  'PAUSED',
  'CANCELLING',
  'COMPLETED',
  'FAILED',
  'CRASHED',
  'CANCELLED',
])

/** Types and names, either of them. */
export function statesOf(conditions: Conditions, states: readonly string[]): Conditions {
  const types = states.filter((state) => TYPES.has(state))
  const names = states.filter((state) => !TYPES.has(state))
  if (names.length === 0) return conditions.among('state_type', types)
  if (types.length === 0) return conditions.among('state_name', names)
  const marks = (values: readonly string[]) => values.map(() => '?').join(', ')
  return conditions.and(
    `(state_type IN (${marks(types)}) OR state_name IN (${marks(names)}))`,
    ...types,
    ...names,
  )
}

function nameHas(conditions: Conditions, part: string): void {
  if (part.length >= TRIGRAM)
    conditions.and('no IN (SELECT rowid FROM run_names WHERE run_names MATCH ?)', phrase(part))
  else conditions.and(`name LIKE ? ESCAPE '\\'`, `%${part.replaceAll(/[\\%_]/g, '\\$&')}%`)
}
