/**
 * The table of all queues. Everything here is synchronous; whoever calls a writing function is inside a transaction.
 *
 * Invariants
 * (Q1) An item is ready, claimed until a time, or done. Done items stay for a while to recognise duplicates.
 * (Q2) A claim counts `delivery` up: (seq, delivery) names one claim for ever, so a late `ack` or `release` of an
 *      older claim finds nothing to do.
 * (Q3) An item keeps its place: given back or expired it is as old as it was.
 */

import type { Priority } from '../../port.ts'
import type { Store } from '../store/index.ts'

export type ItemRow = {
  readonly seq: number
  readonly queue: string
  readonly id: string
  readonly priority: Priority
  readonly delivery: number
  readonly item: string
}

/** How long an item's id is remembered after it was enqueued, and again after it was acknowledged. */
const DEDUP_MS = 120_000
const SWEEP_EVERY_MS = 1_000
const SWEEP_AT_ONCE = 1_000

export type QueueTable = ReturnType<typeof queueTable>

export function queueTable(store: Store) {
  const insert = store.command(
    `INSERT INTO queue (queue, id, priority, state, delivery, until, item) VALUES (?, ?, ?, 0, 0, 0, ?)
      ON CONFLICT (queue, id) DO NOTHING`,
  )
  const readyIn = store.query<ItemRow>(
    `SELECT seq, queue, id, priority, delivery + 1 AS delivery, item FROM queue
      WHERE queue = ? AND state = 0 ORDER BY priority, seq LIMIT ?`,
  )
  const claim = store.command('UPDATE queue SET state = 1, delivery = delivery + 1, until = ? WHERE seq = ?')
  const finish = store.command(
    "UPDATE queue SET state = 2, until = ?, item = '' WHERE seq = ? AND delivery = ? AND state < 2",
  )
  const giveBack = store.command('UPDATE queue SET state = 0 WHERE seq = ? AND delivery = ? AND state = 1')
  const anyExpired = store.query<{ seq: number }>(
    'SELECT seq FROM queue WHERE state = 1 AND until <= ? LIMIT 1',
  )
  const expire = store.command('UPDATE queue SET state = 0 WHERE state = 1 AND until <= ?')
  const firstUntil = store.query<{ until: number }>(
    'SELECT until FROM queue WHERE state = 1 ORDER BY until LIMIT 1',
  )
  const anyReady = store.query<{ seq: number }>('SELECT seq FROM queue WHERE queue = ? AND state = 0 LIMIT 1')
  const countReady = store.query<{ count: number }>(
    'SELECT count(*) AS count FROM queue WHERE queue = ? AND state = 0',
  )
  const countExpired = store.query<{ count: number }>(
    'SELECT count(*) AS count FROM queue WHERE state = 1 AND until <= ? AND queue = ?',
  )
  const sweep = store.command(
    'DELETE FROM queue WHERE seq IN (SELECT seq FROM queue WHERE state = 2 AND until <= ? LIMIT ?)',
  )
  let nextSweep = 0

  return {
    /** `false` when an item with this id is there already, or was not long ago. */
    enqueue(queue: string, id: string, priority: Priority, item: string, now: number): boolean {
      if (now >= nextSweep) {
        sweep.run(now, SWEEP_AT_ONCE)
        nextSweep = now + SWEEP_EVERY_MS
      }
      return insert.run(queue, id, priority, item) === 1
    },

    /** Makes the items of expired claims ready again; `true` when there were any. */
    expire: (now: number): boolean => expire.run(now) > 0,

    /** Claims up to `max` items of one queue in their order. */
    take(queue: string, max: number, until: number): readonly ItemRow[] {
      const rows = readyIn.all(queue, max)
      for (const row of rows) claim.run(until, row.seq)
      return rows
    },

    ack: (row: ItemRow, now: number): void => void finish.run(now + DEDUP_MS, row.seq, row.delivery),

    /** `false` when the claim had ended already. */
    release: (row: ItemRow): boolean => giveBack.run(row.seq, row.delivery) === 1,

    /** Is there an item to claim, or one whose claim has expired? */
    hasAny(queues: Iterable<string>, now: number): boolean {
      if (anyExpired.get(now)) return true
      for (const queue of queues) if (anyReady.get(queue)) return true
      return false
    },

    /** When the next claim expires; undefined when nothing is claimed. */
    nextExpiry: (): number | undefined => firstUntil.get()?.until,

    depth: (queue: string, now: number): number =>
      (countReady.get(queue)?.count ?? 0) + (countExpired.get(now, queue)?.count ?? 0),
  }
}
