/**
 * What the driver does when JetStream does not answer, or says "not now", as a cluster does while a leader is elected.
 * The server here is a real one without JetStream; a connection beside the driver plays JetStream's part, word by word.
 */

import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Api } from '../../../src/broker/nats/api.ts'
import { Link } from '../../../src/broker/nats/link.ts'
import { resolveSettings } from '../../../src/broker/nats/settings.ts'
import { bucketStream, ensureStreams } from '../../../src/broker/nats/streams.ts'
import { Writes } from '../../../src/broker/nats/writes.ts'
import { silentLogger, type VirtualClock, virtualClock } from '../../../src/core/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { codeOf, rawConnection, rejection, until } from './fixture.ts'

const PATIENCE_MS = 5_000

let server: NatsServer
let beside: NatsConnection & AsyncDisposable
beforeAll(async () => {
  server = await startNats({ jetstream: false })
  beside = await rawConnection(server.url)
})
afterAll(async () => {
  await beside.close()
  await server[Symbol.asyncDispose]()
})

let clock: VirtualClock
let link: Link
let api: Api
beforeEach(async () => {
  clock = virtualClock()
  const random = { next: () => 0.5, bytes: (count: number) => new Uint8Array(count) }
  link = new Link(resolveSettings(server.url, {}), { clock, random, logger: silentLogger }, PATIENCE_MS)
  api = new Api(link)
  await link.connect()
  link.opened(async () => {})
})
afterEach(() => link.close())

type Answer = (message: Msg, asked: number) => void

/** Plays a part of JetStream until the end of the scope, and remembers what it was asked. */
async function playing(subject: string, answer: Answer): Promise<Disposable & { readonly asked: Msg[] }> {
  const asked: Msg[] = []
  const subscription = beside.subscribe(subject, {
    callback: (_, message) => {
      asked.push(message)
      answer(message, asked.length)
    },
  })
  await beside.flush()
  return { asked, [Symbol.dispose]: () => subscription.unsubscribe() }
}

const says = (message: Msg, body: object) => message.respond(JSON.stringify(body))
const refuses = (message: Msg, err_code: number, description = 'because') =>
  says(message, { error: { code: 503, err_code, description } })

/** What is on its way arrives, there and back; the driver's time stands still meanwhile. */
async function arrivals(): Promise<void> {
  const driver = await link.connection('to test')
  for (const connection of [driver, beside, beside, driver]) await connection.flush()
}

/** Lets the driver's time pass until this has settled. */
async function passing<T>(promise: Promise<T>): Promise<T> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  await until(async () => {
    await arrivals()
    if (!settled) await clock.advance(50)
    return settled
  })
  return promise
}

describe('a question', () => {
  test('that is lost is put again until somebody answers', async () => {
    using stream = await playing('$JS.API.STREAM.INFO.S', (message, asked) => {
      if (asked === 4) says(message, { created: 'then' })
    })
    expect(await passing(api.streamInfo('S'))).toEqual({ created: 'then' })
    expect(stream.asked).toHaveLength(4)
  })

  test('is answered also by the answer to an earlier time that it was put', async () => {
    const first = Promise.withResolvers<Msg>()
    using _ = await playing('$JS.API.STREAM.INFO.S', (message, asked) => {
      if (asked === 1) first.resolve(message)
      else void first.promise.then((earlier) => says(earlier, { created: 'at last' }))
    })
    expect(await passing(api.streamInfo('S'))).toEqual({ created: 'at last' })
  })

  test('that nobody ever answers is put a bounded number of times, and the error says what and what to do', async () => {
    using stream = await playing('$JS.API.STREAM.INFO.S', () => {})
    const error = await passing(rejection(api.streamInfo('S')))
    expect(codeOf(error)).toBe('CB_E_BROKER_UNAVAILABLE')
    expect(error.message).toMatch(/describe the stream S.*did not answer in time.*Try again/)
    await clock.advance(PATIENCE_MS)
    await arrivals()
    expect(stream.asked).toHaveLength(7)
  })

  test.each([
    [10005, 'no suitable peers for placement, peer offline'],
    [10008, 'JetStream system temporarily unavailable'],
    [10009, 'JetStream cluster can not handle request'],
    [10118, 'stream is offline'],
    [10119, 'consumer is offline'],
    [10167, 'too many requests'],
  ])('that is refused with %i, %s, is put again', async (code, description) => {
    using stream = await playing('$JS.API.STREAM.INFO.S', (message, asked) => {
      if (asked === 3) says(message, { created: 'then' })
      else refuses(message, code, description)
    })
    expect(await passing(api.streamInfo('S'))).toEqual({ created: 'then' })
    expect(stream.asked).toHaveLength(3)
  })

  test('that is refused for ever ends with what the server said', async () => {
    using stream = await playing('$JS.API.CONSUMER.INFO.S.c', (message) =>
      refuses(message, 10008, 'no leader'),
    )
    const error = await passing(rejection(api.consumerInfo('S', 'c')))
    expect(codeOf(error)).toBe('CB_E_BROKER_UNAVAILABLE')
    expect(error.message).toMatch(/describe the consumer c of S.*no leader.*Try again/)
    expect(stream.asked.length).toBeGreaterThan(5)
    expect(stream.asked.length).toBeLessThan(25)
  })

  test('that is refused for good is put once', async () => {
    using stream = await playing('$JS.API.STREAM.INFO.S', (message) => refuses(message, 10025, 'bad request'))
    expect((await passing(rejection(api.streamInfo('S')))).message).toMatch(
      /describe the stream S.*bad request/,
    )
    expect(stream.asked).toHaveLength(1)
  })

  test('to a stream where nobody listens yet is put again', async () => {
    const reading = api.lastMessage('S', 'a')
    await arrivals()
    const told = headers()
    told.set('Nats-Sequence', '7')
    using _ = await playing('$JS.API.DIRECT.GET.S.a', (message) =>
      message.respond('hello', { headers: told }),
    )
    expect(await passing(reading)).toMatchObject({ seq: 7, text: 'hello' })
  })
})

describe('making a stream', () => {
  const wish = bucketStream('b', 0, 1, undefined)

  test('is asked again, later than a question, when the answer is lost', async () => {
    let made = false
    using _ = await playing('$JS.API.STREAM.INFO.KV_b', (message) => {
      if (made) says(message, { config: { ...wish.config, max_bytes: 1 }, created: 'then' })
      else refuses(message, 10059)
    })
    const askedAt: number[] = []
    using creation = await playing('$JS.API.STREAM.CREATE.KV_b', (message, asked) => {
      askedAt.push(clock.monotonic())
      made = true
      if (asked === 2) says(message, {})
    })
    const [info] = await passing(ensureStreams(api, [wish]))
    expect(info?.created).toBe('then')
    expect(creation.asked).toHaveLength(2)
    expect((askedAt[1] ?? 0) - (askedAt[0] ?? 0)).toBeGreaterThan(500)
  })

  test('waits until it is there: a server may say that it does not know what was made a moment ago', async () => {
    let described = 0
    using _ = await playing('$JS.API.STREAM.INFO.KV_b', (message, asked) => {
      described = asked
      if (asked < 4) refuses(message, 10059, 'stream not found')
      else says(message, { config: { ...wish.config, max_bytes: 1 }, created: 'then' })
    })
    using creation = await playing('$JS.API.STREAM.CREATE.KV_b', (message, asked) => {
      if (asked === 1) refuses(message, 10059, 'stream not found')
      else says(message, {})
    })
    const [info] = await passing(ensureStreams(api, [wish]))
    expect(info?.created).toBe('then')
    expect([described, creation.asked.length]).toEqual([4, 2])
  })

  test('falls back to smaller quotas, and at last says that there is no room, also where a cluster says it', async () => {
    const tried: number[] = []
    using _ = await playing('$JS.API.STREAM.INFO.KV_b', (message) => refuses(message, 10059))
    using __ = await playing('$JS.API.STREAM.CREATE.KV_b', (message) => {
      tried.push(message.json<{ max_bytes: number }>().max_bytes)
      refuses(message, 10005, 'no suitable peers for placement, insufficient storage')
    })
    const error = await passing(rejection(ensureStreams(api, [wish])))
    expect(codeOf(error)).toBe('CB_E_STORE_FULL')
    expect(tried).toEqual(wish.quotaPresets)
  })
})

describe('a write', () => {
  const write = { subject: 'stored.here', body: 'x', id: 'one' }

  test('that nobody acknowledges is sent again under its id', async () => {
    using stream = await playing('stored.here', (message, asked) => {
      if (asked === 2) says(message, { seq: 5, duplicate: true })
    })
    const written = await passing(new Writes(link).settle(write))
    expect(written).toEqual({ is: 'stored', seq: 5, duplicate: true })
    expect(stream.asked.map((message) => message.headers?.get('Nats-Msg-Id'))).toEqual(['one', 'one'])
  })

  test.each([
    [10158, 'a write with its id is on its way, which may be itself'],
    [10163, 'an earlier one is not applied yet'],
    [10008, 'nobody leads'],
  ])('that is refused with %i, because %s, is neither given up nor called outdated', async (code) => {
    using stream = await playing('stored.here', (message, asked) => {
      if (asked === 3) says(message, { seq: 5 })
      else refuses(message, code)
    })
    expect(await passing(new Writes(link).settle({ ...write, expect: 4 }))).toMatchObject({
      is: 'stored',
      seq: 5,
    })
    expect(stream.asked).toHaveLength(3)
  })
})
