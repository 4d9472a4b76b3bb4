/**
 * The concurrency limits that pools, work queues and deployments bring with them: held by a run from its claim to its
 * end. Their names are in the one space of all limits; nobody else's begins like these.
 */

import type { KvWatch } from '../broker/index.ts'
import { type Catalog, deploymentId, queueId } from './catalog.ts'
import type { Collection, Stamped } from './collection.ts'
import type { Deployment, WorkPool, WorkQueue } from './definitions.ts'

export interface CatalogLimit {
  readonly name: string
  /** Runs at the same time. */
  readonly slots: number
  /** What becomes of one more. */
  readonly strategy: 'enqueue' | 'cancelNew' | 'cancelRunning'
}

export function poolLimit({ name, limit }: WorkPool): CatalogLimit | undefined {
  return limit === undefined ? undefined : { name: `pool:${name}`, slots: limit, strategy: 'enqueue' }
}

export function queueLimit(queue: WorkQueue): CatalogLimit | undefined {
  const { limit } = queue
  return limit === undefined
    ? undefined
    : { name: `queue:${queueId(queue)}`, slots: limit, strategy: 'enqueue' }
}

export function deploymentLimit(deployment: Deployment): CatalogLimit | undefined {
  const { limit, limitStrategy = 'enqueue' } = deployment
  if (limit === undefined) return undefined
  return { name: `deployment:${deploymentId(deployment)}`, slots: limit, strategy: limitStrategy }
}

export interface LimitHandler {
  set(limit: CatalogLimit): void
  /** There is no such limit any more. */
  drop(name: string): void
}

/** The limits that there are now, then every change. Resolves when those that there are have been handled. */
export async function watchLimits(
  { deployments, pools, queues }: Pick<Catalog, 'deployments' | 'pools' | 'queues'>,
  handler: LimitHandler,
): Promise<Pick<KvWatch, 'stop'>> {
  const watches = await Promise.all([
    watchKind(pools, poolLimit, handler),
    watchKind(queues, queueLimit, handler),
    watchKind(deployments, deploymentLimit, handler),
  ])
  await Promise.all(watches.map(({ caughtUp }) => caughtUp))
  return {
    async stop() {
      await Promise.all(watches.map((watch) => watch.stop()))
    },
  }
}

function watchKind<T extends Stamped>(
  kind: Collection<T>,
  limitOf: (value: T) => CatalogLimit | undefined,
  { drop, set }: LimitHandler,
): Promise<KvWatch> {
  /** By key: what is gone does not say what it was. */
  const names = new Map<string, string>()
  return kind.watch((change) => {
    const { key } = change
    const limit = change.kind === 'put' ? limitOf(change.value) : undefined
    const before = names.get(key)
    if (limit !== undefined) {
      names.set(key, limit.name)
      set(limit)
    } else if (before !== undefined) {
      names.delete(key)
      drop(before)
    }
  })
}
