/** What routes work with, and what most of them ask of a request. */

import type { FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { type Page, pageOf, type RunFilter } from '../../api/index.ts'
import type { Broker } from '../../broker/index.ts'
import type { Catalog } from '../../catalog/index.ts'
import { CallboardError, type Deps, type Settings } from '../../core/index.ts'
import { demandRun, demandUnbound, narrowed, type Principal } from '../access/index.ts'
import type { Asker, Commands } from '../commands.ts'
import type { Feed } from '../feed.ts'
import type { OwnWrites } from '../own-writes.ts'
import {
  afterPlace,
  PER_PAGE,
  pageUpTo,
  partsOfTaskRunId,
  type ReadModel,
  type VisibleRuns,
} from '../read-model/index.ts'
import type { Workers } from '../workers.ts'

export interface Context {
  readonly broker: Broker
  readonly deps: Deps
  readonly settings: Settings
  readonly catalog: Catalog
  readonly model: ReadModel
  readonly feed: Feed
  readonly writes: OwnWrites
  readonly workers: Workers
  readonly commands: Commands
}

/** Who asks. The doors have let them in, and know who they are. @throws CB_E_UNAUTHENTICATED */
export function principalOf({ principal }: Pick<FastifyRequest, 'principal'>): Principal {
  if (principal !== undefined) return principal
  throw new CallboardError(
    'CB_E_UNAUTHENTICATED',
    'Nobody knows who asks. Send "Authorization: Bearer <key>".',
  )
}

export function askerOf(request: Pick<FastifyRequest, 'ip' | 'principal'>): Asker {
  return { principal: principalOf(request), channel: 'api', address: request.ip }
}

/** Of the runs that a filter means, those that are theirs to see; undefined when there can be none. */
export function visible(principal: Principal, filter: RunFilter): VisibleRuns | undefined {
  const narrow = narrowed(principal, filter)
  const pool = principal.is === 'key' ? principal.only.pool : undefined
  return narrow === undefined || pool === undefined ? narrow : { ...narrow, pool }
}

/** That this run is theirs to see. @throws CB_E_RUN_MISSING */
export function demandSight(
  { model }: Pick<Context, 'model'>,
  request: Pick<FastifyRequest, 'principal'>,
  run: string,
): void {
  demandRun(principalOf(request), run, model.runs.identity(run))
}

/** For lists over all runs: of one run, or task run, that is theirs; or for somebody who may see all. */
export function demandSightOfAny(
  context: Pick<Context, 'model'>,
  request: Pick<FastifyRequest, 'principal'>,
  asked: { readonly run?: string | undefined; readonly task?: string | undefined },
): void {
  const run = asked.run ?? (asked.task === undefined ? undefined : partsOf(asked.task).run)
  if (run === undefined) demandUnbound(principalOf(request))
  else demandSight(context, request, run)
}

export function missing(what: string, id: string): CallboardError {
  return new CallboardError('CB_E_RUN_MISSING', `There is no ${what} ${id}, or it is archived. Check the id.`)
}

/** The run and the key of a task run's id. @throws CB_E_RUN_MISSING when it is none */
export function partsOf(id: string) {
  const parts = partsOfTaskRunId(id)
  if (parts === undefined) throw missing('task run', id)
  return parts
}

/** What a route is, for those who read about it; `tag` is the group. */
export function about(tag: string, summary: string, description?: string) {
  return { tags: [tag], summary, ...(description === undefined ? {} : { description }) }
}

export function answers<S extends TSchema>(schema: S) {
  return { 200: schema }
}

export function answersPage<S extends TSchema>(schema: S) {
  return { 200: pageOf(schema) }
}

export const Nothing = Type.Null({ description: 'Nothing.' })

/** A page of a list that is in memory, in the order of its ids. @throws CB_E_PAGE_CURSOR */
export function pageIn<T>(
  items: readonly T[],
  idOf: (item: T) => string,
  { cursor, limit = PER_PAGE }: { readonly cursor?: string; readonly limit?: number },
): Page<T> {
  const [after = ''] = afterPlace(cursor, BY_ID, ['string']) ?? []
  const rest = items.filter((item) => idOf(item) > String(after)).slice(0, limit + 1)
  return pageUpTo(rest, limit, (last) => ({ order: BY_ID, values: [idOf(last)] }))
}

const BY_ID = 'id'
