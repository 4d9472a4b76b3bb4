/** Requests: replies, nobody home, and handlers that do not answer. */

import assert from 'node:assert/strict'
import type { Broker, RequestOutcome } from '../../broker/index.ts'
import type { JsonValue } from '../../core/index.ts'
import { SHAPES, stringOfBytes } from './samples.ts'
import type { Stage } from './stage.ts'
import { cases } from './suite.ts'

/** Longer than any case may take: what answers within the case answered at once, not by its time-out. */
const NEVER_MS = 600_000
const SHORT_MS = 150

/** Asks until somebody is home: a subscription elsewhere may need a moment to be known. */
function ask(t: Stage, broker: Broker, subject: string, value: JsonValue): Promise<RequestOutcome> {
  return t.eventually(async () => {
    const outcome = await broker.bus.request(subject, value, { timeoutMs: NEVER_MS })
    return outcome.outcome === 'nobody-home' ? undefined : outcome
  }, `somebody to be home at ${subject}`)
}

export const requestCases = cases('bus', {
  'a request is answered with what the handler returns or resolves to': async (t) => {
    const broker = await t.connect()
    await broker.bus.subscribe('now', (message) => ({ got: message.value, by: message.subject }))
    await broker.bus.subscribe('later', async (message) => [await Promise.resolve(message.value)])
    assert.deepEqual(await broker.bus.request('now', 1, { timeoutMs: NEVER_MS }), {
      outcome: 'reply',
      value: { got: 1, by: 'now' },
    })
    assert.deepEqual(await broker.bus.request('later', 2, { timeoutMs: NEVER_MS }), {
      outcome: 'reply',
      value: [2],
    })
  },

  'a request reaches a handler of another connection': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    await one.bus.subscribe('host.*', (message) => `one has ${message.subject}`)
    assert.deepEqual(await ask(t, two, 'host.abc', 'ping'), { outcome: 'reply', value: 'one has host.abc' })
  },

  'every JSON shape goes there and back as it was': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const asked: JsonValue[] = []
    await one.bus.subscribe('echo', (message) => {
      asked.push(message.value)
      return message.value
    })
    await ask(t, two, 'echo', 'first')
    for (const shape of SHAPES)
      assert.deepEqual(await two.bus.request('echo', shape, { timeoutMs: NEVER_MS }), {
        outcome: 'reply',
        value: shape,
      })
    assert.deepEqual(asked.slice(1), SHAPES)
  },

  'where nobody listens, that is said at once': async (t) => {
    const broker = await t.connect()
    await broker.bus.subscribe('somewhere.else', () => 1)
    for (const subject of ['nowhere', 'somewhere', 'somewhere.else.entirely'])
      assert.deepEqual(
        await t.within(broker.bus.request(subject, 1, { timeoutMs: NEVER_MS }), 'word that nobody is home'),
        { outcome: 'nobody-home' },
      )
  },

  'where nobody listens any more, that is said at once': async (t) => {
    const broker = await t.connect()
    const subscription = await broker.bus.subscribe('host', () => 'home')
    assert.equal((await broker.bus.request('host', 1, { timeoutMs: NEVER_MS })).outcome, 'reply')
    await subscription.stop()
    assert.deepEqual(
      await t.within(broker.bus.request('host', 1, { timeoutMs: NEVER_MS }), 'word that nobody is home'),
      { outcome: 'nobody-home' },
    )
  },

  'the host that stopped is not home': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    await one.bus.subscribe('host', () => 'home')
    await ask(t, two, 'host', 1)
    await one.stop()
    await t.eventually(async () => {
      const { outcome } = await two.bus.request('host', 1, { timeoutMs: SHORT_MS })
      assert.notEqual(outcome, 'reply')
      return outcome === 'nobody-home'
    }, 'word that the host has gone')
  },

  'a handler that returns nothing answers nothing: the request times out': async (t) => {
    const broker = await t.connect()
    const heard = t.gather<JsonValue>('requests')
    await broker.bus.subscribe('mute', (message) => {
      heard.add(message.value)
      return undefined
    })
    assert.deepEqual(await broker.bus.request('mute', 'hello', { timeoutMs: SHORT_MS }), {
      outcome: 'timeout',
    })
    await heard.count(1)
    assert.deepEqual(heard.items, ['hello'])
  },

  'a handler that throws or rejects answers nothing: the request times out': async (t) => {
    const broker = await t.connect()
    await broker.bus.subscribe('throws', () => {
      throw new Error('from the handler')
    })
    await broker.bus.subscribe('rejects', () => Promise.reject(new Error('from its promise')))
    for (const subject of ['throws', 'rejects'])
      assert.deepEqual(await broker.bus.request(subject, 1, { timeoutMs: SHORT_MS }), { outcome: 'timeout' })
  },

  'an answer over the limit is no answer': async (t) => {
    const broker = await t.connect()
    const { busMessage } = broker.capabilities.limits
    await broker.bus.subscribe('big', (message) => stringOfBytes(busMessage + Number(message.value)))
    assert.deepEqual(await broker.bus.request('big', 1, { timeoutMs: SHORT_MS }), { outcome: 'timeout' })
    const exact = await broker.bus.request('big', 0, { timeoutMs: NEVER_MS })
    assert.deepEqual(exact, { outcome: 'reply', value: stringOfBytes(busMessage) })
  },

  'a handler that never ends lets the request time out, and others be answered': async (t) => {
    const broker = await t.connect()
    await broker.bus.subscribe('x', (message) => (message.value === 'hang' ? new Promise(() => {}) : 'fine'))
    const hanging = broker.bus.request('x', 'hang', { timeoutMs: SHORT_MS })
    assert.deepEqual(await broker.bus.request('x', 'go', { timeoutMs: NEVER_MS }), {
      outcome: 'reply',
      value: 'fine',
    })
    assert.deepEqual(await hanging, { outcome: 'timeout' })
  },

  'the first answer counts': async (t) => {
    const broker = await t.connect()
    const slow = t.gather<string>('slow answers')
    let answerSlowly = () => {}
    const held = new Promise<void>((resolve) => {
      answerSlowly = resolve
    })
    await broker.bus.subscribe('x', async () => {
      await held
      slow.add('answered')
      return 'slow'
    })
    await broker.bus.subscribe('x', () => 'fast')
    await broker.bus.subscribe('x', () => undefined)
    assert.deepEqual(await broker.bus.request('x', 1, { timeoutMs: NEVER_MS }), {
      outcome: 'reply',
      value: 'fast',
    })
    answerSlowly()
    await slow.count(1)
    assert.equal((await broker.bus.request('nobody', 1)).outcome, 'nobody-home')
  },

  'many requests at once each get their own answer': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    await one.bus.subscribe('double.*', async (message) => {
      if (Number(message.value) % 3 === 0) await t.eventually(async () => true, 'a turn')
      return Number(message.value) * 2
    })
    await ask(t, two, 'double.first', 0)
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, i) => two.bus.request(`double.${i % 7}`, i, { timeoutMs: NEVER_MS })),
    )
    assert.deepEqual(
      outcomes,
      Array.from({ length: 300 }, (_, i) => ({ outcome: 'reply', value: i * 2 })),
    )
  },

  'a request also reaches those who only listen, as a message': async (t) => {
    const broker = await t.connect()
    const heard = t.gather<JsonValue>('messages')
    await broker.bus.subscribe('>', (message) => {
      heard.add(message.value)
      return undefined
    })
    await broker.bus.subscribe('host', () => 'answer')
    assert.equal((await broker.bus.request('host', 'question', { timeoutMs: NEVER_MS })).outcome, 'reply')
    await heard.count(1)
    assert.equal(heard.items[0], 'question')
  },

  'an answer shares nothing with what the handler keeps': async (t) => {
    const broker = await t.connect()
    const kept = { list: [1] }
    await broker.bus.subscribe('x', () => kept)
    const first = await broker.bus.request('x', 1, { timeoutMs: NEVER_MS })
    kept.list.push(2)
    assert.deepEqual(first, { outcome: 'reply', value: { list: [1] } })
  },

  'a request in flight when its connection stops is not left hanging': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const heard = t.gather<string>('requests')
    await one.bus.subscribe('x', () => {
      heard.add('asked')
      return new Promise(() => {})
    })
    const asking = t
      .eventually(async () => {
        const outcome = await two.bus.request('x', 1, { timeoutMs: NEVER_MS })
        return outcome.outcome !== 'nobody-home'
      }, 'the request to settle')
      .catch(() => {})
    await heard.count(1)
    await two.stop()
    await t.within(asking, 'the request in flight')
  },
})
