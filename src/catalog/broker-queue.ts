/**
 * Which queue at the broker is behind a work queue: `pool__name`, one token, readable where the names allow it.
 *
 * Invariants
 * (Q1) Two work queues never share one: what stands for a pool has no `__` and no `_` at its end, so that the first `__`
 *      is where it ends.
 * (Q2) Hence a queue begins with the prefix of a pool exactly when it is of that pool. Who may see a run is judged by it.
 * (Q3) It is a token of the broker for any names: each half has room for 31 of the 64 characters.
 */

import { createHash } from 'node:crypto'
import type { WorkQueue } from './definitions.ts'

const SEAM = '__'
const LONGEST_HALF = 31
/** Words joined by single underscores. */
const PLAIN = /^[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*$/
const HASHED = 'x_'
/** `tasks__<name>` are the queues of tasks that are served. */
const TAKEN = 'tasks'

/** The broker's queue behind a work queue. */
export function brokerQueue({ pool, name }: Pick<WorkQueue, 'pool' | 'name'>): string {
  return `${queuePrefix(pool)}${half(name)}`
}

/** What the queues of this pool begin with, and no others. (Q2) */
export function queuePrefix(pool: string): string {
  return `${pool === TAKEN ? hashed(pool) : half(pool)}${SEAM}`
}

function half(name: string): string {
  const isPlain = name.length <= LONGEST_HALF && PLAIN.test(name) && !name.startsWith(HASHED)
  return isPlain ? name : hashed(name)
}

function hashed(name: string): string {
  const digest = createHash('sha256').update(name).digest('hex')
  return `${HASHED}${digest}`.slice(0, LONGEST_HALF)
}
