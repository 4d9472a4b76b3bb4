/** What the conformance suite cannot see of the queues: the line at the desk, expiry to the millisecond, forgetting. */

import { describe, expect, test } from 'vitest'
import { memoryBroker, memoryPlace } from '../../../src/broker/embedded/index.ts'
import {
  type Claimer,
  claimDesk,
  type ItemRow,
  queueTable,
} from '../../../src/broker/embedded/queue/index.ts'
import { committer, openMemoryStore } from '../../../src/broker/embedded/store/index.ts'
import type { Broker } from '../../../src/broker/index.ts'
import { CallboardError, systemDeps, virtualClock } from '../../../src/core/index.ts'
import { atEnd, recordingLogger } from './support.ts'

const never = new AbortController().signal

/** A broker in memory on a clock that stands still until it is driven. */
async function still(claimTimeoutMs = 30_000) {
  const clock = virtualClock()
  const deps = { ...systemDeps(), clock }
  const broker = memoryBroker(memoryPlace({ clock }), deps, { claimTimeoutMs })
  await clock.drive(broker.start())
  atEnd(() => clock.drive(broker.stop()))
  const enqueue = (broker: Broker, ...ids: readonly string[]) =>
    clock.drive(Promise.all(ids.map((id) => broker.queue.enqueue('q', id, { id }))))
  return { clock, broker, enqueue }
}

describe('claimers of one process', () => {
  test('are served in the order in which they came, each with what it asked for', async () => {
    const { clock, broker, enqueue } = await still()
    const claims = [2, 1, 3].map((max) => broker.queue.claim(['q'], max, never))
    const last = broker.queue.claim(['q'], 9, never)
    await enqueue(broker, 'a', 'b', 'c', 'd', 'e', 'f')
    const items = await clock.drive(Promise.all(claims))
    expect(items.map((held) => held.map(({ id }) => id))).toEqual([['a', 'b'], ['c'], ['d', 'e', 'f']])
    await enqueue(broker, 'g')
    expect((await clock.drive(last)).map(({ id }) => id)).toEqual(['g'])
  })

  test('do not get what one ahead of them, waiting for another queue, has no use for', async () => {
    const { clock, broker, enqueue } = await still()
    const elsewhere = broker.queue.claim(['other'], 1, never)
    const here = broker.queue.claim(['q'], 1, never)
    await enqueue(broker, 'a')
    expect((await clock.drive(here)).map(({ id }) => id)).toEqual(['a'])
    await clock.drive(broker.queue.enqueue('other', 1, { id: 'b' }))
    expect((await clock.drive(elsewhere)).map(({ id }) => id)).toEqual(['b'])
  })

  test('hold nothing when they give up between being served and being told', async () => {
    const { clock, broker } = await still()
    const gone = new AbortController()
    const first = broker.queue.claim(['q'], 1, gone.signal)
    await clock.settle()
    const enqueued = broker.queue.enqueue('q', 1, { id: 'a' })
    // One step commits and serves; the claimer would be told in the next.
    await clock.step()
    gone.abort()
    expect(await clock.drive(first)).toEqual([])
    await clock.drive(enqueued)
    const [item] = await clock.drive(broker.queue.claim(['q'], 1, never))
    expect([item?.id, item?.delivery]).toEqual(['a', 2])
  })
})

describe('a claim', () => {
  test('expires at its time and not before, for whoever waits', async () => {
    const { clock, broker, enqueue } = await still(1_000)
    await enqueue(broker, 'a')
    const [held] = await clock.drive(broker.queue.claim(['q'], 1, never))
    let again: string | undefined
    const waiting = broker.queue.claim(['q'], 1, never).then(([item]) => {
      again = item?.id
      return item
    })
    await clock.advance(999)
    expect(again).toBeUndefined()
    await clock.advance(1)
    expect(again).toBe('a')
    await clock.drive(held?.ack() ?? Promise.reject())
    await clock.drive((await waiting)?.release() ?? Promise.reject())
    const [third] = await clock.drive(broker.queue.claim(['q'], 1, never))
    expect(third?.delivery).toBe(3)
  })

  test('that is acknowledged late, but before anybody else got the item, is done', async () => {
    const { clock, broker, enqueue } = await still(1_000)
    await enqueue(broker, 'a')
    const [held] = await clock.drive(broker.queue.claim(['q'], 1, never))
    await clock.advance(5_000)
    await clock.drive(held?.ack() ?? Promise.reject())
    expect(await clock.drive(broker.queue.depth('q'))).toBe(0)
  })

  test('that was lost with its broker comes back when it expires', async () => {
    const clock = virtualClock()
    const place = memoryPlace({ clock })
    const deps = { ...systemDeps(), clock }
    const [one, two] = [1, 2].map(() => memoryBroker(place, deps, { claimTimeoutMs: 1_000 }))
    if (!one || !two) throw new Error('two brokers')
    await clock.drive(Promise.all([one.start(), two.start()]))
    await clock.drive(one.queue.enqueue('q', 1, { id: 'a' }))
    await clock.drive(one.queue.claim(['q'], 1, never))
    await clock.drive(one.stop())
    const waiting = two.queue.claim(['q'], 1, never)
    await clock.advance(1_000)
    expect((await clock.drive(waiting))[0]?.delivery).toBe(2)
    await clock.drive(two.stop())
  })
})

test('the id of an acknowledged item is known for two minutes and then forgotten', async () => {
  const { clock, broker, enqueue } = await still()
  await enqueue(broker, 'a')
  const [item] = await clock.drive(broker.queue.claim(['q'], 1, never))
  await clock.drive(item?.ack() ?? Promise.reject())
  await clock.advance(119_000)
  expect(await enqueue(broker, 'a')).toEqual([{ duplicate: true }])
  await clock.advance(2_000)
  expect(await enqueue(broker, 'a')).toEqual([{ duplicate: false }])
})

test('claiming that failed is tried again after a moment, with a line in the log', async () => {
  const clock = virtualClock()
  const logger = recordingLogger()
  const deps = { ...systemDeps(logger), clock }
  const store = openMemoryStore(deps)
  const table = queueTable(store)
  let failures = 1
  const desk = claimDesk({
    table,
    deps,
    now: clock.now,
    committer: () => ({
      write(work, options) {
        if (failures-- > 0) return Promise.reject(new CallboardError('CB_E_STORE_FULL', 'no room'))
        return writer.write(work, options)
      },
    }),
  })
  const writer = committer(store, deps, { participants: [desk], announce() {} })
  table.enqueue('q', 'a', 1, '1', clock.now())
  let served: readonly ItemRow[] = []
  const claimer: Claimer = {
    queues: ['q'],
    max: 1,
    claimTimeoutMs: 1_000,
    serve(items) {
      served = items
    },
  }
  desk.wait(claimer)
  await clock.advance(999)
  expect(served).toEqual([])
  expect(logger.lines).toEqual(['claiming from the queues failed; trying again in a moment'])
  await clock.advance(1)
  expect(served.map(({ id }) => id)).toEqual(['a'])
  desk.stop()
})
