/** What happens while the broker cannot be reached, and after. */

import assert from 'node:assert/strict'
import type { BrokerStatus } from '../../broker/index.ts'
import { isCallboardError } from '../../core/index.ts'
import { claimAll, idsOf } from './queue.ts'
import { assertDense, fill, mustAppend, readAll, type Stage } from './stage.ts'
import { cases } from './suite.ts'

const cut = (t: Stage) => t.place.cut?.() ?? assert.fail(`this place cannot be cut, so say so in \`lacks\``)
const heal = (t: Stage) => t.place.heal?.() ?? assert.fail('a place that can be cut can be healed')
const restart = (t: Stage) =>
  t.place.restart?.() ?? assert.fail(`this place cannot restart, so say so in \`lacks\``)

/** Gives up soon, so that a case need not wait. */
const HASTY = { settleMs: 400, callTimeoutMs: 300 }

const unavailable = (error: unknown) => isCallboardError(error, 'CB_E_BROKER_UNAVAILABLE')

export const cutCases = cases(
  'broker',
  {
    '[scenario 5] an append that cannot be settled in time is unknown, and repeating it finds out': async (
      t,
    ) => {
      const broker = await t.connect(HASTY)
      const subject = t.subject()
      await mustAppend(broker, subject, 0)
      await cut(t)
      const options = { expect: 1, nonce: 'in-the-cut' }
      const first = await t.within(broker.log.append(subject, ['"once"'], options), 'the append to give up')
      assert.equal(first.outcome, 'unknown')
      await heal(t)
      const again = await t.eventually(async () => {
        const outcome = await broker.log.append(subject, ['"once"'], options)
        return outcome.outcome === 'unknown' ? undefined : outcome
      }, 'the repeated append')
      assert.equal(again.outcome, 'appended')
      const entries = await readAll(broker, subject)
      assert.deepEqual(
        entries.map((entry) => entry.records),
        [[{ rev: 1 }], ['once']],
      )
    },

    'appends in flight when the cable is cut settle by themselves once it is whole, each written once':
      async (t) => {
        const broker = await t.connect()
        const subjects = Array.from({ length: 30 }, () => t.subject())
        const appends = subjects.map((subject) => broker.log.append(subject, ['1'], { expect: 0 }))
        await cut(t)
        const during = subjects.map((subject) => broker.log.append(`${subject}-b`, ['1'], { expect: 0 }))
        await heal(t)
        for (const outcome of await t.within(Promise.all([...appends, ...during]), 'the appends to settle'))
          assert.equal(outcome.outcome, 'appended')
        for (const subject of subjects)
          for (const name of [subject, `${subject}-b`]) assert.equal((await readAll(broker, name)).length, 1)
      },

    'while cut, calls say that the broker is unavailable': async (t) => {
      const broker = await t.connect(HASTY)
      const bucket = await broker.kv.bucket('b')
      await cut(t)
      const calls: Readonly<Record<string, () => Promise<unknown>>> = {
        last: () => broker.log.last('s'),
        read: () => Array.fromAsync(broker.log.read('s')),
        end: () => broker.log.end(),
        enqueue: () => broker.queue.enqueue('q', 1, { id: 'i' }),
        get: () => bucket.get('k'),
        put: () => bucket.put('k', 1),
        object: () => broker.objects.get('o'),
      }
      for (const [name, call] of Object.entries(calls))
        await assert.rejects(t.within(call(), `${name} to give up`), unavailable, name)
      await heal(t)
      await t.eventually(async () => bucket.put('k', 2).catch(() => undefined), 'a put to go through')
      assert.equal((await bucket.get('k'))?.value, 2)
    },

    'the status tells of the loss and of the return': async (t) => {
      const broker = await t.connect()
      const told = t.gather<BrokerStatus>('changes of status')
      broker.onStatus((status) => told.add(status))
      await cut(t)
      await told.until((all) => all.includes('disconnected'), 'word of the loss')
      assert.equal(broker.status, 'disconnected')
      await heal(t)
      await told.until((all) => all.at(-1) === 'connected', 'word of the return')
      assert.equal(broker.status, 'connected')
    },

    'a follower goes on by itself, without gap or duplicate': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      const tail = await t.tail(broker, 'start')
      for (let round = 0; round < 3; round++) {
        await fill(broker, subject, 20, round * 40)
        const writing = fill(broker, subject, 20, round * 40 + 20)
        await cut(t)
        await heal(t)
        await t.within(writing, 'the appends around the cut')
      }
      await tail.count(120)
      assertDense(tail.items)
      assert.equal(tail.items.length, 120)
    },

    'a subscription and a watch go on by themselves': async (t) => {
      const broker = await t.connect()
      const bucket = await broker.kv.bucket('b')
      const heard = t.gather<unknown>('messages')
      const changes = t.gather<string>('changes')
      await broker.bus.subscribe('x', (message) => {
        heard.add(message.value)
        return undefined
      })
      await bucket.watch('', (change) => changes.add(change.kind === 'put' ? change.entry.key : change.key))
      await cut(t)
      await heal(t)
      await t.eventually(async () => {
        await broker.bus.publish('x', 1).catch(() => {})
        return heard.items.length > 0
      }, 'a message after the cut')
      await t.eventually(async () => bucket.put('after', 1).catch(() => undefined), 'a put after the cut')
      await changes.until((all) => all.includes('after'), 'the watch to tell of it')
    },

    'a claim that waits goes on by itself': async (t) => {
      const broker = await t.connect()
      const waiting = claimAll(broker, ['q'], 1)
      await cut(t)
      await heal(t)
      await t.eventually(
        async () => broker.queue.enqueue('q', 1, { id: 'after' }).catch(() => undefined),
        'an enqueue after the cut',
      )
      assert.deepEqual(idsOf(await t.within(waiting, 'the claim')), ['after'])
    },

    'an enqueue that failed in the cut, repeated, is there once': async (t) => {
      const broker = await t.connect(HASTY)
      const enqueuing = broker.queue.enqueue('q', 1, { id: 'once' }).catch(() => undefined)
      await cut(t)
      await t.within(enqueuing, 'the enqueue to give up')
      await heal(t)
      await t.eventually(
        async () => broker.queue.enqueue('q', 1, { id: 'once' }).catch(() => undefined),
        'the repeated enqueue',
      )
      await broker.queue.enqueue('q', 2, { id: 'last', priority: 3 })
      assert.deepEqual(idsOf(await claimAll(broker, ['q'], 2)), ['once', 'last'])
    },

    'stop during an outage comes to an end': async (t) => {
      const broker = await t.connect(HASTY)
      const tail = await t.tail(broker, 'start')
      const claim = broker.queue.claim(['q'], 1, new AbortController().signal)
      await cut(t)
      const append = broker.log.append(t.subject(), ['1'], { expect: 0 })
      await t.within(broker.stop(), 'stop')
      await t.within(Promise.allSettled([append, claim, tail.following.ended]), 'what was going on')
      assert.equal(broker.status, 'stopped')
      await heal(t)
    },
  },
  ['cut'],
)

export const restartCases = cases(
  'broker',
  {
    'everything is still there after the broker restarted': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      await fill(broker, subject, 20)
      const before = await readAll(broker, subject)
      const bucket = await broker.kv.bucket('b')
      const revision = await bucket.put('k', 'v')
      await broker.queue.enqueue('q', 1, { id: 'waits' })
      await broker.objects.put('o', new Uint8Array(200_000).fill(7))
      await restart(t)
      const after = await t.eventually(
        () => readAll(broker, subject).catch(() => undefined),
        'the log after the restart',
      )
      assert.deepEqual(after, before)
      await mustAppend(broker, subject, 20)
      assert.ok(((await bucket.update('k', 'w', revision)) ?? 0) > revision)
      assert.deepEqual(idsOf(await t.within(claimAll(broker, ['q'], 1), 'the item that waits')), ['waits'])
      assert.equal((await broker.objects.get('o'))?.bytes, 200_000)
    },

    '[scenario 33] writers and followers go on through a restart: nothing acknowledged is lost or doubled':
      async (t) => {
        const [writer, reader] = [await t.connect(), await t.connect()]
        const tail = await t.tail(reader, 'start')
        const subjects = Array.from({ length: 4 }, () => t.subject())
        const writing = Promise.all(subjects.map((subject) => fill(writer, subject, 60)))
        await tail.count(20)
        await restart(t)
        await t.within(writing, 'the writers')
        await tail.count(240)
        for (const subject of subjects) {
          assertDense(tail.items.filter((entry) => entry.subject === subject))
          assert.equal((await readAll(reader, subject)).length, 60)
        }
        assert.equal(tail.items.length, 240)
      },

    'a cursor from before a restart is a position after it': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      await fill(broker, subject, 10)
      const cursor = (await readAll(broker, subject))[4]?.cursor ?? assert.fail()
      await restart(t)
      const tail = await t.eventually(
        () => t.tail(broker, cursor).catch(() => undefined),
        'a following after the restart',
      )
      await fill(broker, subject, 2, 10)
      await tail.count(7)
      assertDense(tail.items, 6)
    },

    'an id is still known as a duplicate after a restart': async (t) => {
      const broker = await t.connect()
      await broker.queue.enqueue('q', 1, { id: 'same' })
      await restart(t)
      const again = await t.eventually(
        () => broker.queue.enqueue('q', 2, { id: 'same' }).catch(() => undefined),
        'an enqueue after the restart',
      )
      assert.deepEqual(again, { duplicate: true })
    },
  },
  ['restart'],
)
