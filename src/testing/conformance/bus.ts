/** The bus: who hears what, in which order, and what is refused. */

import assert from 'node:assert/strict'
import type { Broker, BusMessage } from '../../broker/index.ts'
import type { JsonValue } from '../../core/index.ts'
import { SHAPES, stringOfBytes, wideStringOfBytes } from './samples.ts'
import { assertRefused, type Gathering, type Stage } from './stage.ts'
import { cases } from './suite.ts'

/** Subscribes and gathers; returns once messages from `from` arrive, which may need a moment elsewhere. */
async function hear(
  t: Stage,
  broker: Broker,
  pattern: string,
  from: Broker = broker,
  probe: string = pattern,
): Promise<Gathering<BusMessage>> {
  const heard = t.gather<BusMessage>('messages')
  let reached = from === broker
  await broker.bus.subscribe(pattern, (message) => {
    if (message.value === 'are you there?') reached = true
    else heard.add(message)
    return undefined
  })
  await t.eventually(async () => {
    if (!reached) await from.bus.publish(probe, 'are you there?')
    return reached
  }, `a subscription to ${pattern} to be known elsewhere`)
  return heard
}

const valuesOf = (heard: Gathering<BusMessage>): JsonValue[] => heard.items.map((message) => message.value)

/** Pattern, subjects it matches, subjects it does not. */
const WILDCARDS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['a', ['a'], ['b', 'a.b', 'A']],
  ['a.b', ['a.b'], ['a', 'a.b.c', 'a.c', 'b.a']],
  ['*', ['a', 'anything'], ['a.b']],
  ['a.*', ['a.b', 'a.c'], ['a', 'a.b.c', 'b.b']],
  ['*.b', ['a.b', 'c.b'], ['b', 'a.b.b', 'a.c']],
  ['a.*.c', ['a.b.c', 'a.x.c'], ['a.c', 'a.b.b.c', 'a.b.d']],
  ['*.*', ['a.b', 'x.y'], ['a', 'a.b.c']],
  ['>', ['a', 'a.b', 'a.b.c'], []],
  ['a.>', ['a.b', 'a.b.c', 'a.b.c.d'], ['a', 'b.a', 'ab.c']],
  ['a.*.>', ['a.b.c', 'a.b.c.d'], ['a', 'a.b']],
]

export const busCases = cases('bus', {
  'a message reaches every subscription of every connection once': async (t) => {
    const [one, two, three] = [await t.connect(), await t.connect(), await t.connect()]
    const heard = [
      await hear(t, one, 'news', three),
      await hear(t, one, 'news', three),
      await hear(t, two, 'news', three),
      await hear(t, three, 'news'),
    ]
    await three.bus.publish('news', { n: 1 })
    await three.bus.publish('news', 'last')
    for (const each of heard) {
      await each.count(2)
      assert.deepEqual(each.items, [
        { subject: 'news', value: { n: 1 } },
        { subject: 'news', value: 'last' },
      ])
    }
  },

  'patterns match whole tokens: * one of them, a final > one or more': async (t) => {
    const broker = await t.connect()
    for (const [pattern, matching, other] of WILDCARDS) {
      const heard = t.gather<string>('subjects')
      const subscription = await broker.bus.subscribe(pattern, (message) => {
        heard.add(message.subject)
        return undefined
      })
      for (const subject of [...other, ...matching]) await broker.bus.publish(subject, pattern)
      await heard.count(matching.length)
      assert.deepEqual(heard.items, matching, `what ${pattern} heard`)
      await subscription.stop()
    }
  },

  'two patterns of one connection that both match each hear the message': async (t) => {
    const broker = await t.connect()
    const heard = [await hear(t, broker, 'a.*'), await hear(t, broker, 'a.>'), await hear(t, broker, 'a.b')]
    await broker.bus.publish('a.b', 7)
    for (const each of heard) await each.count(1)
    assert.deepEqual(heard.map(valuesOf), [[7], [7], [7]])
  },

  'what one connection publishes comes in the order of its calls': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const near = await hear(t, one, 's.>', one)
    const far = await hear(t, two, 's.>', one, 's.x')
    const publishing: Promise<void>[] = []
    for (let i = 0; i < 500; i++) publishing.push(one.bus.publish(`s.${i % 3}`, i))
    await Promise.all(publishing)
    const expected = Array.from({ length: 500 }, (_, i) => i)
    for (const heard of [near, far]) {
      await heard.count(500)
      assert.deepEqual(valuesOf(heard), expected)
    }
  },

  'every JSON shape comes as it was': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const heard = await hear(t, two, 'shapes', one)
    for (const shape of SHAPES) await one.bus.publish('shapes', shape)
    await heard.count(SHAPES.length)
    assert.deepEqual(valuesOf(heard), SHAPES)
  },

  'a message shares nothing with what was published, nor with what others hear': async (t) => {
    const broker = await t.connect()
    const [a, b] = [await hear(t, broker, 'x'), await hear(t, broker, 'x')]
    const given = { list: [1] }
    const published = broker.bus.publish('x', given)
    given.list.push(2)
    await published
    await a.count(1)
    await b.count(1)
    assert.deepEqual([valuesOf(a), valuesOf(b)], [[{ list: [1] }], [{ list: [1] }]])
    assert.notEqual(a.items[0]?.value, b.items[0]?.value)
  },

  'publishing where nobody listens is fine, and nobody hears it later': async (t) => {
    const broker = await t.connect()
    await broker.bus.publish('void', 'lost')
    const heard = await hear(t, broker, 'void')
    await broker.bus.publish('void', 'heard')
    await heard.count(1)
    assert.deepEqual(valuesOf(heard), ['heard'])
  },

  'after stop a subscription hears nothing, and others go on': async (t) => {
    const broker = await t.connect()
    const heard: JsonValue[] = []
    const gone = await broker.bus.subscribe('x', (message) => {
      heard.push(message.value)
      return undefined
    })
    const stays = await hear(t, broker, 'x')
    await broker.bus.publish('x', 1)
    await stays.count(1)
    await gone.stop()
    await gone.stop()
    await broker.bus.publish('x', 2)
    await stays.count(2)
    assert.deepEqual([heard, valuesOf(stays)], [[1], [1, 2]])
  },

  'a handler that throws or rejects goes on hearing': async (t) => {
    const broker = await t.connect()
    const heard = t.gather<JsonValue>('messages')
    await broker.bus.subscribe('x', (message) => {
      heard.add(message.value)
      if (message.value === 1) throw new Error('from the handler')
      return Promise.reject(new Error('from its promise'))
    })
    for (const n of [1, 2, 3]) await broker.bus.publish('x', n)
    await heard.count(3)
    assert.deepEqual(heard.items, [1, 2, 3])
  },

  'a handler that is busy does not hold back the next message': async (t) => {
    const broker = await t.connect()
    const heard = t.gather<JsonValue>('messages')
    await broker.bus.subscribe('x', (message) => {
      heard.add(message.value)
      return new Promise(() => {})
    })
    for (const n of [1, 2, 3]) await broker.bus.publish('x', n)
    await heard.count(3)
    assert.deepEqual(heard.items, [1, 2, 3])
  },

  'the connection that stops hears nothing more': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const gone = await hear(t, one, 'x', two)
    const stays = await hear(t, two, 'x')
    await one.stop()
    await two.bus.publish('x', 1)
    await stays.count(1)
    assert.deepEqual(gone.items, [])
  },

  'a message of exactly the limit is carried, one byte more is refused': async (t) => {
    const broker = await t.connect()
    const { busMessage } = broker.capabilities.limits
    const heard = await hear(t, broker, 'big')
    for (const tooLarge of [stringOfBytes(busMessage + 1), wideStringOfBytes(busMessage + 1)]) {
      await assertRefused(() => broker.bus.publish('big', tooLarge), 'CB_E_PAYLOAD_TOO_LARGE')
      await assertRefused(() => broker.bus.request('big', tooLarge), 'CB_E_PAYLOAD_TOO_LARGE')
    }
    await broker.bus.publish('big', stringOfBytes(busMessage))
    await broker.bus.publish('big', wideStringOfBytes(busMessage))
    await heard.count(2)
    assert.deepEqual(valuesOf(heard), [stringOfBytes(busMessage), wideStringOfBytes(busMessage)])
  },

  'subjects and patterns that are none are refused': async (t) => {
    const { bus } = await t.connect()
    const neither = ['', '.', 'a.', '.a', 'a..b', 'a b', 'ä', 'a/b', 'a\n', 'x'.repeat(65)]
    for (const wrong of [...neither, '*', '>', 'a.*', 'a.>']) {
      await assertRefused(() => bus.publish(wrong, 1), 'CB_E_NAME_INVALID', `publish to ${wrong}`)
      await assertRefused(() => bus.request(wrong, 1), 'CB_E_NAME_INVALID', `request to ${wrong}`)
    }
    for (const wrong of [...neither, '>.a', 'a.>.b', 'a*', '*a.b', 'a.b>', '**'])
      await assertRefused(
        () => bus.subscribe(wrong, () => undefined),
        'CB_E_NAME_INVALID',
        `pattern ${wrong}`,
      )
  },
})
