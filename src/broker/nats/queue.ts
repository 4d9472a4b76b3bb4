/**
 * The queues: one work-queue stream, and for each queue and priority a durable pull consumer that all claimers of
 * the cluster share. It is made by whoever claims first.
 *
 * The item is the message's body, its id stands in the message id together with the queue's name, so that the same
 * id in two queues is two items.
 */

import type { JsonValue } from '../../core/index.ts'
import { checkItemId, checkToken, encodeValue } from '../checks.ts'
import type { Claimed, EnqueueOptions, Priority, Queue } from '../port.ts'
import type { Api } from './api.ts'
import { Claims } from './claims.ts'
import { messageIdOf } from './held.ts'
import type { Link } from './link.ts'
import type { Names } from './names.ts'
import { drift } from './streams.ts'
import { type ConsumerConfig, nanos } from './wire.ts'
import type { Writes } from './writes.ts'

const PRIORITIES: readonly Priority[] = [0, 1, 2, 3]
const DEFAULT_PRIORITY: Priority = 1
/** Workers that may wait at one consumer at a time. */
const MOST_WAITING = 4_096

export interface QueueHome {
  readonly link: Link
  readonly api: Api
  readonly writes: Writes
  readonly names: Names
  readonly claimTimeoutMs: number
  /** Bytes of an item. */
  readonly limit: () => number
}

export function natsQueue(home: QueueHome): Queue {
  const { link, api, writes, names } = home
  const claims = new Claims(link, names.workStream, home.claimTimeoutMs)

  return {
    async enqueue(queue: string, item: JsonValue, { id, priority = DEFAULT_PRIORITY }: EnqueueOptions) {
      link.assertRunning()
      checkToken('queue', queue)
      checkItemId(id)
      const body = encodeValue('queue item', item, home.limit())
      const subject = names.workSubject(queue, priority)
      const write = { subject, body, id: messageIdOf(queue, id) }
      const written = await writes.run(body.length, () => writes.settle(write))
      return { duplicate: written.is === 'stored' && written.duplicate }
    },

    async claim(queues: readonly string[], max: number, signal: AbortSignal): Promise<readonly Claimed[]> {
      link.assertRunning()
      for (const queue of queues) checkToken('queue', queue)
      if (signal.aborted || max < 1 || queues.length === 0) return []
      const lanes = queues.flatMap((queue) =>
        PRIORITIES.map((priority) => {
          const ensure = () => ensureConsumer(home, queue, priority)
          return claims.lane(queue, priority, names.workConsumer(queue, priority), ensure)
        }),
      )
      return claims.claim(lanes, max, signal)
    },

    async depth(queue: string): Promise<number> {
      link.assertRunning()
      checkToken('queue', queue)
      const counts = await api.subjectCounts(names.workStream, names.workFilter(queue))
      const stored = Object.values(counts).reduce((sum, count) => sum + count, 0)
      if (stored === 0) return 0
      const consumers = await Promise.all(
        PRIORITIES.map((priority) => api.consumerInfo(names.workStream, names.workConsumer(queue, priority))),
      )
      const held = consumers.reduce((sum, info) => sum + (info?.num_ack_pending ?? 0), 0)
      return Math.min(stored, Math.max(0, stored - held + claims.releasedHere(queue)))
    },
  }
}

/** Many workers do this at the same time; the same configuration twice is one consumer. @throws CB_E_STREAM_DRIFT */
async function ensureConsumer(home: QueueHome, queue: string, priority: Priority): Promise<void> {
  const { api, names } = home
  const name = names.workConsumer(queue, priority)
  const wanted: ConsumerConfig = {
    durable_name: name,
    ack_policy: 'explicit',
    ack_wait: nanos(home.claimTimeoutMs),
    deliver_policy: 'all',
    replay_policy: 'instant',
    filter_subject: names.workSubject(queue, priority),
    max_deliver: -1,
    max_ack_pending: -1,
    max_waiting: MOST_WAITING,
  }
  // Creating what exists with another configuration would change it for everybody, without a word.
  const there = await api.consumerInfo(names.workStream, name)
  const { config } = there ?? (await api.createConsumer(names.workStream, wanted))
  for (const [field, value] of Object.entries(wanted) as [keyof ConsumerConfig, unknown][])
    if (config[field] !== value)
      throw drift(`${names.workStream} consumer ${name}`, field, value, config[field])
}
