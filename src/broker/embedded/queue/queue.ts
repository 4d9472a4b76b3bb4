/** The port's `Queue` for one broker object. */

import { checkItemId, checkToken, encodeValue } from '../../checks.ts'
import { type Claimed, LIMITS, type Queue } from '../../port.ts'
import type { Seat } from '../seat.ts'
import type { Desk } from './desk.ts'
import type { ItemRow, QueueTable } from './table.ts'

/** More would make one transaction long without serving anybody sooner. */
const MOST_AT_ONCE = 1_000

export interface QueueParts {
  readonly table: QueueTable
  readonly desk: Desk
  /** The broker's time. */
  now(): number
}

type Claiming =
  | { is: 'waiting'; leaveLine(): void }
  /** The items are ours; the claimer is told in its next turn. */
  | { is: 'served'; items: readonly ItemRow[] }
  | { is: 'settled' }

export function embeddedQueue(seat: Seat, { table, desk, now }: QueueParts): Queue {
  const release = (row: ItemRow): Promise<void> =>
    seat.write(
      () => {
        if (table.release(row)) desk.ready(row.queue)
      },
      { bytes: 0, durable: false },
    )

  // An acknowledgement lost in a power cut brings the item again, which its claimer has to bear anyway.
  const ack = (row: ItemRow): Promise<void> =>
    seat.write(() => table.ack(row, now()), { bytes: 0, durable: false })

  const claimed = (row: ItemRow): Claimed => ({
    queue: row.queue,
    id: row.id,
    priority: row.priority,
    item: JSON.parse(row.item),
    delivery: row.delivery,
    ack: () => ack(row),
    release: () => release(row),
  })

  /** Waits in line; gives up, holding nothing, when the signal fires or the broker stops. */
  function standInLine(
    queues: readonly string[],
    max: number,
    signal: AbortSignal,
  ): Promise<readonly Claimed[]> {
    return new Promise((resolve, reject) => {
      let claiming: Claiming = { is: 'settled' }
      const settle = (): void => {
        claiming = { is: 'settled' }
        signal.removeEventListener('abort', giveUp)
        disown()
      }
      const giveUp = (): void => {
        if (claiming.is === 'waiting') claiming.leaveLine()
        const held = claiming.is === 'served' ? claiming.items : []
        settle()
        Promise.all(held.map(release)).then(() => resolve([]), reject)
      }
      const handOver = (items: readonly ItemRow[]): void => {
        if (claiming.is !== 'served') return
        settle()
        resolve(items.map(claimed))
      }
      const serve = (items: readonly ItemRow[]): void => {
        claiming = { is: 'served', items }
        seat.turn().then(() => handOver(items))
      }
      signal.addEventListener('abort', giveUp, { once: true })
      const disown = seat.own(giveUp)
      const claimer = { queues, max, claimTimeoutMs: seat.claimTimeoutMs, serve }
      claiming = { is: 'waiting', leaveLine: desk.wait(claimer) }
    })
  }

  return {
    async enqueue(queue, item, options) {
      checkToken('queue', queue)
      checkItemId(options.id)
      const text = encodeValue(`item '${options.id}' for queue '${queue}'`, item, LIMITS.queueItem)
      const isNew = await seat.write(
        () => {
          const inserted = table.enqueue(queue, options.id, options.priority ?? 1, text, now())
          if (inserted) desk.ready(queue)
          return inserted
        },
        { bytes: text.length },
      )
      return { duplicate: !isNew }
    },
    async claim(queues, max, signal) {
      for (const queue of queues) checkToken('queue', queue)
      if (signal.aborted || max < 1) return []
      return standInLine(queues, Math.min(max, MOST_AT_ONCE), signal)
    },
    async depth(queue) {
      checkToken('queue', queue)
      return seat.read(() => table.depth(queue, now()))
    },
  }
}
