/**
 * Work pools and their queues, together.
 *
 * Invariants
 * (P1) A pool has its queue `default` always: whoever names only the pool means that one.
 */

import { CallboardError, isCallboardError } from '../core/index.ts'
import { type Catalog, DEFAULT_POOL, DEFAULT_QUEUE, queueId } from './catalog.ts'
import type { Draft } from './collection.ts'
import type { WorkPool, WorkQueue } from './definitions.ts'

type Kinds = Pick<Catalog, 'pools' | 'queues'>

export type NewPool = Pick<WorkPool, 'name'> & Partial<Draft<WorkPool>>
export type NewQueue = Pick<WorkQueue, 'name' | 'pool'> & Partial<Draft<WorkQueue>>

/** A pool with its queue `default`. @throws CB_E_CATALOG_EXISTS, CB_E_CATALOG_INVALID */
export async function createPool({ pools, queues }: Kinds, pool: NewPool): Promise<WorkPool> {
  // A queue without a pool is nothing to anybody, a pool without its queue would be (P1).
  await unlessThere(queues.create({ priority: 100, paused: false, pool: pool.name, name: DEFAULT_QUEUE }))
  return pools.create({ paused: false, ...pool })
}

/** @throws CB_E_CATALOG_MISSING when there is no such pool; CB_E_CATALOG_EXISTS, CB_E_CATALOG_INVALID */
export async function createQueue({ pools, queues }: Kinds, queue: NewQueue): Promise<WorkQueue> {
  await pools.get(queue.pool)
  return queues.create({ priority: 100, paused: false, ...queue })
}

/** The pool `default`, which everybody may count on. `true` when it was made now. */
export async function ensureDefaultPool(kinds: Kinds): Promise<boolean> {
  if ((await kinds.pools.find(DEFAULT_POOL)) !== undefined) return false
  return (await unlessThere(createPool(kinds, { name: DEFAULT_POOL }))) !== undefined
}

/** With its queues. Runs that wait there wait until there is such a queue again. `false` when there was none. */
export async function deletePool({ pools, queues }: Kinds, name: string): Promise<boolean> {
  const isDeleted = await pools.delete(name)
  for (const queue of await queues.list()) if (queue.pool === name) await queues.delete(queueId(queue))
  return isDeleted
}

/** `false` when there was none. @throws CB_E_CATALOG_INVALID for the queue `default` (P1) */
export async function deleteQueue(
  { queues }: Kinds,
  queue: Pick<WorkQueue, 'name' | 'pool'>,
): Promise<boolean> {
  if (queue.name !== DEFAULT_QUEUE) return queues.delete(queueId(queue))
  throw new CallboardError(
    'CB_E_CATALOG_INVALID',
    `The work queue '${queueId(queue)}' cannot be deleted: every pool has its queue '${DEFAULT_QUEUE}'. Pause it, or delete the pool.`,
  )
}

async function unlessThere<T>(making: Promise<T>): Promise<T | undefined> {
  return making.catch((error: unknown) => {
    if (isCallboardError(error, 'CB_E_CATALOG_EXISTS')) return undefined
    throw error
  })
}
