/** Queues: order, deduplication, what is accepted. */

import assert from 'node:assert/strict'
import type { Broker, Claimed, Priority } from '../../broker/index.ts'
import { NOT_TOKENS, SHAPES, stringOfBytes, wideStringOfBytes } from './samples.ts'
import { assertRefused } from './stage.ts'
import { cases } from './suite.ts'

const forever = () => new AbortController().signal

/** Claims until `count` items have come, in the order they came. They stay held. */
export async function claimAll(
  broker: Broker,
  queues: readonly string[],
  count: number,
  max = count,
): Promise<Claimed[]> {
  const held: Claimed[] = []
  while (held.length < count)
    held.push(...(await broker.queue.claim(queues, Math.min(max, count - held.length), forever())))
  return held
}

export const idsOf = (items: readonly Claimed[]) => items.map((item) => item.id)

export const queueCases = cases('queue', {
  'what was enqueued is claimed, as it was': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const answer = await one.queue.enqueue('work', { run: 'abc' }, { id: 'first', priority: 2 })
    assert.deepEqual(answer, { duplicate: false })
    const [claimed, ...more] = await two.queue.claim(['work'], 5, forever())
    assert.deepEqual(more, [])
    assert.ok(claimed)
    const { queue, id, priority, item, delivery } = claimed
    assert.deepEqual(
      { queue, id, priority, item, delivery },
      { queue: 'work', id: 'first', priority: 2, item: { run: 'abc' }, delivery: 1 },
    )
    await claimed.ack()
  },

  'every JSON shape comes back as it was': async (t) => {
    const broker = await t.connect()
    for (const [i, shape] of SHAPES.entries()) await broker.queue.enqueue('q', shape, { id: `shape-${i}` })
    const held = await claimAll(broker, ['q'], SHAPES.length)
    assert.deepEqual(
      held.map((claimed) => claimed.item),
      SHAPES,
    )
  },

  'items of one priority are served in the order they came': async (t) => {
    const broker = await t.connect()
    const ids = Array.from({ length: 60 }, (_, i) => `i-${i}`)
    for (const id of ids) await broker.queue.enqueue('q', id, { id })
    assert.deepEqual(idsOf(await claimAll(broker, ['q'], 60, 7)), ids)
  },

  'priorities are strict: 0 before 1 before 2 before 3': async (t) => {
    const broker = await t.connect()
    const backwards: Priority[] = [3, 2, 1, 0, 3, 2, 1, 0]
    for (const [i, priority] of backwards.entries())
      await broker.queue.enqueue('q', i, { id: `p${priority}-${i}`, priority })
    assert.deepEqual(idsOf(await claimAll(broker, ['q'], 8, 3)), [
      'p0-3',
      'p0-7',
      'p1-2',
      'p1-6',
      'p2-1',
      'p2-5',
      'p3-0',
      'p3-4',
    ])
  },

  'the priority is 1 unless another is given': async (t) => {
    const broker = await t.connect()
    await broker.queue.enqueue('q', null, { id: 'two', priority: 2 })
    await broker.queue.enqueue('q', null, { id: 'default' })
    await broker.queue.enqueue('q', null, { id: 'zero', priority: 0 })
    const held = await claimAll(broker, ['q'], 3)
    assert.deepEqual(
      held.map(({ id, priority }) => [id, priority]),
      [
        ['zero', 0],
        ['default', 1],
        ['two', 2],
      ],
    )
  },

  'an urgent item that comes late overtakes all that wait': async (t) => {
    const broker = await t.connect()
    for (let i = 0; i < 5; i++) await broker.queue.enqueue('q', i, { id: `old-${i}`, priority: 1 })
    assert.deepEqual(idsOf(await claimAll(broker, ['q'], 2, 1)), ['old-0', 'old-1'])
    await broker.queue.enqueue('q', 'now', { id: 'urgent', priority: 0 })
    assert.deepEqual(idsOf(await claimAll(broker, ['q'], 4, 1)), ['urgent', 'old-2', 'old-3', 'old-4'])
  },

  '[prefect 62] queues named earlier are served first, strictly, whatever the priorities': async (t) => {
    const broker = await t.connect()
    for (const queue of ['c', 'b', 'a'])
      for (const priority of [3, 0] as const)
        await broker.queue.enqueue(queue, null, { id: `${queue}${priority}`, priority })
    const order = idsOf(await claimAll(broker, ['b', 'a', 'c'], 6, 2))
    assert.deepEqual(order, ['b0', 'b3', 'a0', 'a3', 'c0', 'c3'])
  },

  'a claim takes from its own queues only': async (t) => {
    const broker = await t.connect()
    await broker.queue.enqueue('other', 1, { id: 'other' })
    await broker.queue.enqueue('mine', 2, { id: 'mine' })
    await broker.queue.enqueue('mine-too', 3, { id: 'too' })
    assert.deepEqual(idsOf(await broker.queue.claim(['mine'], 10, forever())), ['mine'])
    assert.equal(await broker.queue.depth('other'), 1)
  },

  'enqueued twice with one id, an item is there once': async (t) => {
    const broker = await t.connect()
    assert.deepEqual(await broker.queue.enqueue('q', 'first', { id: 'same' }), { duplicate: false })
    assert.deepEqual(await broker.queue.enqueue('q', 'second', { id: 'same' }), { duplicate: true })
    await broker.queue.enqueue('q', null, { id: 'last', priority: 3 })
    const held = await claimAll(broker, ['q'], 2)
    assert.deepEqual(
      held.map(({ id, item }) => [id, item]),
      [
        ['same', 'first'],
        ['last', null],
      ],
    )
  },

  'the id of an item that is held, or done, is still a duplicate': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    await one.queue.enqueue('q', 1, { id: 'same' })
    const [held] = await claimAll(one, ['q'], 1)
    assert.deepEqual(await two.queue.enqueue('q', 2, { id: 'same' }), { duplicate: true })
    await held?.ack()
    assert.deepEqual(await two.queue.enqueue('q', 3, { id: 'same' }), { duplicate: true })
    await two.queue.enqueue('q', 4, { id: 'other' })
    assert.deepEqual(idsOf(await two.queue.claim(['q'], 5, forever())), ['other'])
  },

  'of ten who enqueue one id at once, nine are told that it is a duplicate': async (t) => {
    const connections = await Promise.all([t.connect(), t.connect()])
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        (connections[i % 2] ?? assert.fail()).queue.enqueue('q', i, { id: 'race' }),
      ),
    )
    assert.equal(answers.filter((answer) => !answer.duplicate).length, 1)
    await connections[0].queue.enqueue('q', null, { id: 'last', priority: 3 })
    assert.deepEqual(idsOf(await claimAll(connections[0], ['q'], 2)), ['race', 'last'])
  },

  'an id is known to its queue only, whatever the priority': async (t) => {
    const broker = await t.connect()
    await broker.queue.enqueue('a', 1, { id: 'same', priority: 1 })
    assert.deepEqual(await broker.queue.enqueue('b', 2, { id: 'same' }), { duplicate: false })
    assert.deepEqual(await broker.queue.enqueue('a', 3, { id: 'same', priority: 0 }), { duplicate: true })
    const held = await claimAll(broker, ['a', 'b'], 2)
    assert.deepEqual(
      held.map(({ queue, priority, item }) => [queue, priority, item]),
      [
        ['a', 1, 1],
        ['b', 1, 2],
      ],
    )
  },

  'ids are any printable characters, 1 to 128 of them': async (t) => {
    const broker = await t.connect()
    const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')
    const good = [printable, 'x'.repeat(128), ' ', '*', '>', 'a.b', 'run/3/0', '"', "'", '%', '\\', ':']
    for (const id of good)
      assert.deepEqual(await broker.queue.enqueue('q', id, { id }), { duplicate: false }, id)
    assert.deepEqual(idsOf(await claimAll(broker, ['q'], good.length)), good)
    for (const id of ['', 'x'.repeat(129), 'a\nb', 'a\u0000', 'ä', '漢', '\u007f'])
      await assertRefused(() => broker.queue.enqueue('q', 1, { id }), 'CB_E_NAME_INVALID', JSON.stringify(id))
    assert.equal(await broker.queue.depth('q'), 0)
  },

  'a queue whose name is not one token is refused': async (t) => {
    const { queue } = await t.connect()
    for (const wrong of NOT_TOKENS) {
      await assertRefused(() => queue.enqueue(wrong, 1, { id: 'x' }), 'CB_E_NAME_INVALID', wrong)
      await assertRefused(() => queue.claim(['good', wrong], 1, forever()), 'CB_E_NAME_INVALID', wrong)
      await assertRefused(() => queue.depth(wrong), 'CB_E_NAME_INVALID', wrong)
    }
  },

  'an item of exactly the limit is accepted, one byte more is refused': async (t) => {
    const broker = await t.connect()
    const { queueItem } = broker.capabilities.limits
    for (const tooLarge of [stringOfBytes(queueItem + 1), wideStringOfBytes(queueItem + 1)])
      await assertRefused(() => broker.queue.enqueue('q', tooLarge, { id: 'a' }), 'CB_E_PAYLOAD_TOO_LARGE')
    assert.equal(await broker.queue.depth('q'), 0)
    await broker.queue.enqueue('q', stringOfBytes(queueItem), { id: 'a' })
    await broker.queue.enqueue('q', wideStringOfBytes(queueItem), { id: 'b' })
    const held = await claimAll(broker, ['q'], 2)
    assert.deepEqual(
      held.map((claimed) => claimed.item),
      [stringOfBytes(queueItem), wideStringOfBytes(queueItem)],
    )
  },

  'a claimed item shares nothing with what was enqueued': async (t) => {
    const broker = await t.connect()
    const given = { list: [1], inner: { a: 1 } }
    const enqueued = broker.queue.enqueue('q', given, { id: 'shared' })
    given.list.push(2)
    await enqueued
    given.inner.a = 99
    const [held] = await claimAll(broker, ['q'], 1)
    assert.deepEqual(held?.item, { list: [1], inner: { a: 1 } })
    await held?.release()
    const [again] = await claimAll(broker, ['q'], 1)
    assert.notEqual(again?.item, held?.item)
  },

  'the depth counts what waits, not what is held or done': async (t) => {
    const broker = await t.connect()
    const { queue } = broker
    const depthIs = (n: number) => t.eventually(async () => (await queue.depth('q')) === n, `a depth of ${n}`)
    await depthIs(0)
    for (let i = 0; i < 4; i++) await queue.enqueue('q', i, { id: `i${i}`, priority: i === 0 ? 0 : 2 })
    await queue.enqueue('other', 1, { id: 'x' })
    await depthIs(4)
    const [first, second] = await claimAll(broker, ['q'], 2)
    await depthIs(2)
    await first?.ack()
    await depthIs(2)
    await second?.release()
    await depthIs(3)
  },

  'what waits is still there when all connections have come anew': async (t) => {
    const one = await t.connect()
    for (const id of ['a', 'b', 'c']) await one.queue.enqueue('q', id, { id })
    const [done] = await claimAll(one, ['q'], 1)
    await done?.ack()
    await one.stop()
    const two = await t.connect()
    assert.deepEqual(idsOf(await claimAll(two, ['q'], 2)), ['b', 'c'])
    assert.deepEqual(await two.queue.enqueue('q', 'a', { id: 'a' }), { duplicate: true })
  },
})
