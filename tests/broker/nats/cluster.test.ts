/** Three servers in a cluster: what is on one is found through another. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNatsCluster } from '../../support/nats-server.ts'
import {
  brokerAt,
  codeOf,
  fill,
  newSubject,
  type OpenBroker,
  rejection,
  revsOf,
  started,
  until,
} from './fixture.ts'

let cluster: Awaited<ReturnType<typeof startNatsCluster>>
let urls: readonly string[]
beforeAll(async () => {
  cluster = await startNatsCluster(3)
  urls = cluster.map((server) => server.url)
  // The servers elect a leader among themselves first; until then every start says that the broker is unavailable.
  await until(async () => {
    const broker = brokerAt(url(0))
    const failure = await broker.start().catch((error: unknown) => error)
    await broker.stop()
    if (failure) expect(codeOf(failure)).toBe('CB_E_BROKER_UNAVAILABLE')
    return !failure
  })
})
afterAll(() => cluster[Symbol.asyncDispose]())

const url = (node: number, options = '') =>
  `${urls[node]}?log_bytes=64M&work_bytes=16M&objects_bytes=16M${options}`

/** One connection to each node, kept there. */
async function onEachNode(): Promise<[OpenBroker, OpenBroker, OpenBroker]> {
  const [one, two, three] = await Promise.all([started(url(0)), started(url(1)), started(url(2))])
  return [one, two, three]
}

describe('across the nodes of a cluster', () => {
  test('a request reaches who listens on another node, and nobody home is said at once', async () => {
    const [one, two, three] = await onEachNode()
    await one.bus.subscribe('host.a', (message) => [message.value, 'from one'])
    for (const asker of [two, three]) {
      const outcome = await until(async () => {
        const answer = await asker.bus.request('host.a', 1)
        return answer.outcome === 'reply' && answer
      })
      expect(outcome).toEqual({ outcome: 'reply', value: [1, 'from one'] })
      expect(await asker.bus.request('host.b', 1, { timeoutMs: 60_000 })).toEqual({ outcome: 'nobody-home' })
    }
    for (const broker of [one, two, three]) await broker.stop()
  })

  test('appends, followings, claims, keys and objects work the same through every node', async () => {
    const brokers = await onEachNode()
    const [one, two, three] = brokers
    const subject = newSubject()
    await fill(one, subject, 5)
    await fill(two, subject, 5, 5)
    expect(await three.log.append(subject, ['1'], { expect: 3 })).toEqual({ outcome: 'conflict', rev: 10 })
    for (const broker of brokers) {
      expect(await revsOf(broker, subject)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      const seen: number[] = []
      const following = await broker.log.follow(
        { partitions: 'all' },
        'start',
        (batch) =>
          void seen.push(...batch.filter((entry) => entry.subject === subject).map((entry) => entry.rev)),
      )
      await following.caughtUp
      expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      await following.stop()
    }
    const waiting = three.queue.claim(['q'], 1, new AbortController().signal)
    await one.queue.enqueue('q', 'work', { id: newSubject() })
    const [claimed] = await waiting
    expect(claimed?.item).toBe('work')
    await claimed?.ack()
    const buckets = await Promise.all(brokers.map((broker) => broker.kv.bucket('b')))
    const created = await Promise.all(buckets.map((bucket) => bucket.create('lease', 1)))
    expect(created.filter((revision) => revision !== undefined)).toHaveLength(1)
    await two.objects.put('o', Buffer.alloc(400_000, 7))
    expect((await three.objects.get('o'))?.bytes).toBe(400_000)
    for (const broker of brokers) await broker.stop()
  })

  test('replicas are refused on servers where they lose the compare-and-set, and nothing is made', async () => {
    const error = await rejection(brokerAt(url(0, '&prefix=three&replicas=3')).start())
    expect(codeOf(error)).toBe('CB_E_BROKER_TOO_OLD')
    const probe = brokerAt(url(1, '&prefix=three'))
    await probe.start()
    expect(probe.capabilities.replicas).toBe(1)
    await probe.stop()
  })

  test('a bucket that is opened through every node at the same moment is there for each of them', async () => {
    const brokers = await onEachNode()
    const names = Array.from({ length: 12 }, (_, i) => `shared-${i}`)
    const winners = names.map(async (name) => {
      const buckets = await Promise.all(brokers.map((broker) => broker.kv.bucket(name, { ttlMs: 60_000 })))
      const created = await Promise.all(buckets.map((bucket, i) => bucket.create('lease', i)))
      return created.filter((revision) => revision !== undefined).length
    })
    expect(await Promise.all(winners)).toEqual(names.map(() => 1))
    for (const broker of brokers) await broker.stop()
  })

  test('room that no node has is refused as such', async () => {
    const error = await rejection(brokerAt(`${urls[1]}?prefix=vast&log_bytes=100G`).start())
    expect(codeOf(error)).toBe('CB_E_STORE_FULL')
    expect(error.message).toContain('log_bytes')
  })

  // Whichever of them leads the others, or has the stream that is asked for: each has its turn.
  test.each([0, 1, 2])(
    'every connection goes on when node %i is killed and comes back',
    async (node) => {
      const brokers = await onEachNode()
      const [killed, next, afterNext] = [0, 1, 2].map((step) => brokers[(node + step) % 3] ?? brokers[0])
      if (!killed || !next || !afterNext) throw new Error('no brokers')
      const subject = newSubject()
      await fill(next, subject, 3)
      const keys = await next.kv.bucket('keys')
      await keys.put(`node-${node}`, 'before')
      const waiting = next.queue.claim([`after-${node}`], 1, new AbortController().signal)
      const lost = Promise.withResolvers<void>()
      killed.onStatus((status) => status === 'disconnected' && lost.resolve())
      await cluster[node]?.kill()
      await lost.promise
      await cluster[node]?.start()

      const nonce = 'the-fourth'
      for (const broker of brokers) {
        const outcome = await until(async () => {
          const answer = await broker.log.append(subject, ['4'], { expect: 3, nonce })
          return answer.outcome !== 'unknown' && answer
        })
        expect(outcome).toMatchObject({ outcome: 'appended', rev: 4 })
      }
      // Reading more than one entry needs a consumer, and making one the cluster's leader, who may still be elected.
      expect(await settled(() => revsOf(killed, subject))).toEqual([1, 2, 3, 4])
      await settled(() => keys.put(`node-${node}`, 'after'))
      const sameKeys = await settled(() => killed.kv.bucket('keys'))
      expect((await settled(() => sameKeys.get(`node-${node}`)))?.value).toBe('after')
      await settled(() => afterNext.objects.put(`o-${node}`, Buffer.alloc(300_000, node)))
      expect(await settled(async () => (await killed.objects.get(`o-${node}`))?.bytes)).toBe(300_000)
      await settled(() => afterNext.queue.enqueue(`after-${node}`, node, { id: newSubject() }))
      const [claimed] = await waiting
      expect(claimed?.item).toBe(node)
      await claimed?.ack()
      for (const broker of brokers) await broker.stop()
    },
    60_000,
  )
})

/** Does it until the broker is there for it: an election may take longer than a call waits. */
async function settled<T>(work: () => Promise<T>): Promise<T> {
  const done = await until(async () => {
    try {
      return { value: await work() }
    } catch (error) {
      if (codeOf(error) !== 'CB_E_BROKER_UNAVAILABLE') throw error
      return undefined
    }
  })
  return done.value
}
