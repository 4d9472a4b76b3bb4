/** Claims: waiting, sharing, giving back, coming again. */

import assert from 'node:assert/strict'
import type { Broker, BrokerOptions, Claimed } from '../../broker/index.ts'
import { claimAll, idsOf } from './queue.ts'
import { cases } from './suite.ts'

const forever = () => new AbortController().signal
const SHORT: BrokerOptions = { claimTimeoutMs: 600 }
/** For cases that must do something between an expiry and the next. */
const LONGER: BrokerOptions = { claimTimeoutMs: 2_000 }

export const claimCases = cases('queue', {
  'a claim gives what there is, and at most what was asked for': async (t) => {
    const broker = await t.connect()
    for (let i = 0; i < 10; i++) await broker.queue.enqueue('q', i, { id: `i${i}` })
    for (const max of [1, 3, 4]) {
      const got = await broker.queue.claim(['q'], max, forever())
      assert.ok(got.length >= 1 && got.length <= max, `${got.length} of at most ${max}`)
      for (const claimed of got) await claimed.ack()
    }
    const rest = await broker.queue.claim(['q'], 100, forever())
    assert.ok(rest.length >= 1, 'it waited for more than there was')
  },

  'a claim on an empty queue waits and gets what comes': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    for (let round = 0; round < 10; round++) {
      const waiting = one.queue.claim(['q'], 3, forever())
      await two.queue.enqueue('q', round, { id: `round-${round}` })
      const [claimed] = await t.within(waiting, 'the claim that waits')
      assert.deepEqual([claimed?.id, claimed?.delivery], [`round-${round}`, 1])
      await claimed?.ack()
    }
  },

  'a claim on several queues is woken by any of them': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    for (const queue of ['a', 'b', 'c']) {
      const waiting = one.queue.claim(['a', 'b', 'c'], 1, forever())
      await two.queue.enqueue(queue, null, { id: queue, priority: 3 })
      assert.deepEqual(idsOf(await t.within(waiting, 'the claim that waits')), [queue])
    }
  },

  'claims that wait for different queues each get their own': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const waiting = ['a', 'b', 'c', 'd'].map((queue, i) =>
      (i % 2 ? one : two).queue.claim([queue], 1, forever()),
    )
    for (const queue of ['d', 'b', 'a', 'c']) await one.queue.enqueue(queue, null, { id: `for-${queue}` })
    const got = await t.within(Promise.all(waiting), 'the four claims')
    assert.deepEqual(got.map(idsOf), [['for-a'], ['for-b'], ['for-c'], ['for-d']])
  },

  'several claims that wait on one queue share what comes': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const waiting = Array.from({ length: 6 }, (_, i) => (i % 2 ? one : two).queue.claim(['q'], 1, forever()))
    for (let i = 0; i < 6; i++) await one.queue.enqueue('q', i, { id: `i${i}` })
    const got = await t.within(Promise.all(waiting), 'the six claims')
    assert.deepEqual(got.flatMap(idsOf).sort(), ['i0', 'i1', 'i2', 'i3', 'i4', 'i5'])
  },

  'a claim whose signal fires gives nothing and holds nothing': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const abort = new AbortController()
    const waiting = one.queue.claim(['q'], 5, abort.signal)
    abort.abort()
    assert.deepEqual(await t.within(waiting, 'the aborted claim'), [])
    await two.queue.enqueue('q', 1, { id: 'after' })
    const [claimed] = await t.within(two.queue.claim(['q'], 5, forever()), 'the claim after')
    assert.deepEqual([claimed?.id, claimed?.delivery], ['after', 1])
  },

  'a claim whose signal had fired before gives nothing, whatever waits': async (t) => {
    const broker = await t.connect()
    await broker.queue.enqueue('q', 1, { id: 'there' })
    assert.deepEqual(await broker.queue.claim(['q'], 5, AbortSignal.abort()), [])
    const [claimed] = await claimAll(broker, ['q'], 1)
    assert.equal(claimed?.delivery, 1)
  },

  'an abort after the claim was answered takes nothing away': async (t) => {
    const broker = await t.connect()
    const abort = new AbortController()
    await broker.queue.enqueue('q', 1, { id: 'mine' })
    const [claimed] = await broker.queue.claim(['q'], 1, abort.signal)
    abort.abort()
    await claimed?.ack()
    await broker.queue.enqueue('q', 2, { id: 'next' })
    assert.deepEqual(idsOf(await claimAll(broker, ['q'], 1)), ['next'])
  },

  'an item that comes as a claim is aborted is claimed, or there for the next': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    for (let round = 0; round < 30; round++) {
      const id = `round-${round}`
      const abort = new AbortController()
      const waiting = one.queue.claim(['q'], 1, abort.signal)
      const enqueued = two.queue.enqueue('q', round, { id })
      if (round % 2) await enqueued
      abort.abort()
      const [first] = await t.within(waiting, 'the aborted claim')
      await enqueued
      const [claimed] = first ? [first] : await t.within(two.queue.claim(['q'], 1, forever()), `item ${id}`)
      assert.equal(claimed?.id, id)
      await claimed?.ack()
    }
  },

  'two claimers never hold the same item': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    for (let i = 0; i < 200; i++) await one.queue.enqueue('q', i, { id: `i${i}` })
    const held = t.gather<Claimed>('items held')
    const abort = new AbortController()
    const take = async (broker: Broker) => {
      for (;;) {
        const got = await broker.queue.claim(['q'], 7, abort.signal)
        if (got.length === 0) return
        held.add(...got)
      }
    }
    const taking = [take(one), take(two)]
    await held.count(200)
    abort.abort()
    await t.within(Promise.all(taking), 'the claimers to leave')
    assert.equal(held.items.length, 200)
    assert.equal(new Set(idsOf(held.items)).size, 200)
    assert.ok(held.items.every((claimed) => claimed.delivery === 1))
  },

  'sixteen claimers on four connections do a thousand items exactly once': async (t) => {
    const connections = await Promise.all([t.connect(), t.connect(), t.connect(), t.connect()])
    const done = t.gather<string>('items done')
    const abort = new AbortController()
    const work = async (worker: number) => {
      const { queue } = connections[worker % 4] ?? assert.fail()
      for (;;) {
        const got = await queue.claim(['urgent', 'q'], 1 + (worker % 5), abort.signal)
        if (got.length === 0) return
        for (const claimed of got) {
          await claimed.ack()
          done.add(claimed.id)
        }
      }
    }
    const workers = Array.from({ length: 16 }, (_, worker) => work(worker))
    await Promise.all(
      Array.from({ length: 1_000 }, (_, i) =>
        (connections[i % 4] ?? assert.fail()).queue.enqueue(i % 10 ? 'q' : 'urgent', i, { id: `i${i}` }),
      ),
    )
    await done.count(1_000)
    abort.abort()
    await t.within(Promise.all(workers), 'the workers to leave')
    assert.equal(done.items.length, 1_000)
    assert.equal(new Set(done.items).size, 1_000)
  },

  'an item given back is there for another at once': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    await one.queue.enqueue('q', 1, { id: 'back' })
    const [held] = await claimAll(one, ['q'], 1)
    const waiting = two.queue.claim(['q'], 1, forever())
    await held?.release()
    const [again] = await t.within(waiting, 'the item given back')
    assert.deepEqual([again?.id, again?.delivery, again?.item], ['back', 2, 1])
  },

  'each delivery is counted': async (t) => {
    const broker = await t.connect()
    await broker.queue.enqueue('q', 1, { id: 'again' })
    for (let delivery = 1; delivery <= 5; delivery++) {
      const [held] = await t.within(claimAll(broker, ['q'], 1), `delivery ${delivery}`)
      assert.equal(held?.delivery, delivery)
      await held?.release()
    }
  },

  'an item given back keeps its place before younger ones': async (t) => {
    const broker = await t.connect()
    for (const id of ['a', 'b', 'c']) await broker.queue.enqueue('q', id, { id })
    const [held] = await claimAll(broker, ['q'], 1)
    await held?.release()
    assert.deepEqual(idsOf(await claimAll(broker, ['q'], 3, 1)), ['a', 'b', 'c'])
  },

  'an item neither acknowledged nor given back comes again': async (t) => {
    const [one, two] = [await t.connect(SHORT), await t.connect(SHORT)]
    await one.queue.enqueue('q', 'x', { id: 'left' })
    const [held] = await claimAll(one, ['q'], 1)
    assert.equal(held?.delivery, 1)
    const [second] = await t.within(two.queue.claim(['q'], 1, forever()), 'the item to come again')
    assert.deepEqual([second?.id, second?.delivery, second?.item], ['left', 2, 'x'])
    const [third] = await t.within(one.queue.claim(['q'], 1, forever()), 'the item to come a third time')
    assert.equal(third?.delivery, 3)
    await third?.ack()
  },

  'an acknowledged item never comes again': async (t) => {
    const broker = await t.connect(SHORT)
    for (const id of ['done', 'left']) await broker.queue.enqueue('q', id, { id })
    const held = await claimAll(broker, ['q'], 2)
    await held.find((claimed) => claimed.id === 'done')?.ack()
    // Both were claimed at once, so when the one left behind comes again twice, the other would have too.
    for (const delivery of [2, 3]) {
      const again = await t.within(broker.queue.claim(['q'], 5, forever()), 'the item left behind')
      assert.deepEqual(
        again.map(({ id, delivery: n }) => [id, n]),
        [['left', delivery]],
      )
    }
  },

  'acknowledging twice is fine': async (t) => {
    const broker = await t.connect()
    await broker.queue.enqueue('q', 1, { id: 'a' })
    const [held] = await claimAll(broker, ['q'], 1)
    await held?.ack()
    await held?.ack()
    await held?.release()
    await broker.queue.enqueue('q', 2, { id: 'b' })
    assert.deepEqual(idsOf(await claimAll(broker, ['q'], 1)), ['b'])
  },

  'an acknowledgement after the claim has expired harms nobody': async (t) => {
    const [one, two] = [await t.connect(SHORT), await t.connect(SHORT)]
    await one.queue.enqueue('q', 1, { id: 'late' })
    const [first] = await claimAll(one, ['q'], 1)
    const [second] = await t.within(two.queue.claim(['q'], 1, forever()), 'the item to come again')
    await first?.ack()
    await second?.ack()
    await one.queue.enqueue('q', 2, { id: 'next' })
    assert.deepEqual(idsOf(await t.within(two.queue.claim(['q'], 5, forever()), 'the next item')), ['next'])
  },

  'giving back after the claim has expired takes nothing from the new holder': async (t) => {
    const [one, two] = [await t.connect(LONGER), await t.connect(LONGER)]
    await one.queue.enqueue('q', 1, { id: 'held', priority: 0 })
    const [first] = await claimAll(one, ['q'], 1)
    const [second] = await t.within(two.queue.claim(['q'], 1, forever()), 'the item to come again')
    assert.equal(second?.delivery, 2)
    await first?.release()
    await one.queue.enqueue('q', 2, { id: 'witness', priority: 3 })
    const next = await t.within(one.queue.claim(['q'], 5, forever()), 'the witness')
    assert.deepEqual(idsOf(next), ['witness'])
    await second?.ack()
  },

  'what a connection held when it stopped comes to another': async (t) => {
    const [one, two] = [await t.connect(SHORT), await t.connect(SHORT)]
    for (const id of ['a', 'b']) await one.queue.enqueue('q', id, { id })
    await claimAll(one, ['q'], 2)
    await one.stop()
    const again = await t.within(claimAll(two, ['q'], 2), 'what was held')
    assert.deepEqual(idsOf(again).sort(), ['a', 'b'])
    assert.ok(again.every((claimed) => claimed.delivery >= 2))
  },

  'stopping ends a claim that waits, and what comes later goes to others': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const waiting = one.queue.claim(['q'], 1, forever())
    await one.stop()
    assert.deepEqual(await t.within(waiting, 'the claim of the stopped connection'), [])
    await two.queue.enqueue('q', 1, { id: 'later' })
    const [claimed] = await t.within(two.queue.claim(['q'], 1, forever()), 'the item')
    assert.deepEqual([claimed?.id, claimed?.delivery], ['later', 1])
  },

  'releasing many at once gives each to exactly one': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    for (let i = 0; i < 50; i++) await one.queue.enqueue('q', i, { id: `i${i}` })
    const held = await claimAll(one, ['q'], 50)
    const waiting = claimAll(two, ['q'], 50, 5)
    await Promise.all(held.map((claimed) => claimed.release()))
    const again = await t.within(waiting, 'all that was given back')
    assert.equal(new Set(idsOf(again)).size, 50)
    assert.ok(again.every((claimed) => claimed.delivery === 2))
  },
})
