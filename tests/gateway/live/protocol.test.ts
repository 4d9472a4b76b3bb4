/** What the socket's protocol promises about frames, closings and limits. */

import { describe, expect, test } from 'vitest'
import { openCatalog } from '../../../src/catalog/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import { newKey } from '../../../src/gateway/access/index.ts'
import { Client } from './support/client.ts'
import { openStage, type Stage } from './support/stage.ts'

const deps = systemDeps()

async function keyFor(
  { broker }: Stage,
  name: string,
  more: {
    scopes?: ('admin' | 'read' | 'run' | 'signal')[]
    only?: { flow?: string }
    expiresAt?: number
  } = {},
): Promise<string> {
  const { key, hash } = newKey(deps.random)
  await openCatalog(broker, deps).apiKeys.create({ name, hash, scopes: ['read', 'signal'], ...more })
  return key
}

describe('a socket that has to say who it is', () => {
  test('is greeted once its token is known, and may then ask', async () => {
    await using stage = await openStage()
    const key = await keyFor(stage, 'dashboard')
    const gateway = await stage.gateway({ isOpen: false })
    const client = new Client(gateway.port)
    client.socket.once('open', () => client.say(JSON.stringify({ op: 'auth', token: key })))
    await client.until(({ op }) => op === 'hello')
    expect(client.frames[0]).toMatchObject({ op: 'hello', version: 'test', heartbeatMs: 15_000 })
    expect(await client.answer({ op: 'ping' })).toEqual({ op: 'pong', id: 1 })
    await client.close()
  })

  test('is greeted at once when its header said it', async () => {
    await using stage = await openStage()
    const key = await keyFor(stage, 'worker')
    const gateway = await stage.gateway({ isOpen: false })
    await stage.client(gateway, { headers: { authorization: `Bearer ${key}` } })
  })

  test('is closed with 4401 for a token that nobody has, and for a frame before it', async () => {
    await using stage = await openStage()
    await keyFor(stage, 'a-key')
    const gateway = await stage.gateway({ isOpen: false })
    for (const frame of [
      { op: 'auth', token: 'cb_wrong' },
      { op: 'ping', id: 1 },
    ]) {
      const client = new Client(gateway.port)
      client.socket.once('open', () => client.say(JSON.stringify(frame)))
      expect(await client.closed).toMatchObject({ code: 4401 })
      expect(client.frames).toEqual([])
    }
  })

  test('is closed with 4408 when it says nothing in time', async () => {
    await using stage = await openStage()
    await keyFor(stage, 'a-key')
    const gateway = await stage.gateway({ isOpen: false, limits: { authWithinMs: 20 } })
    expect(await new Client(gateway.port).closed).toMatchObject({ code: 4408 })
  })

  test('is closed with 4403, and told nothing, when it is of a foreign page or a foreign name', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway({ origins: ['https://ours.example'] })
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { host: 'evil.example' },
      { origin: `https://${'\u00e9'.repeat(150)}.example` },
    ]) {
      const client = new Client(gateway.port, { headers })
      expect(await client.closed).toMatchObject({ code: 4403 })
      expect(client.frames).toEqual([])
    }
    await stage.client(gateway, { headers: { origin: 'https://ours.example' } })
  })

  test('is refused before there is a socket when the token in its header is wrong', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const client = new Client(gateway.port, { headers: { authorization: 'Bearer cb_wrong' } })
    const refused = new Promise((resolve) =>
      client.socket.once('unexpected-response', (_, { statusCode }) => {
        resolve(statusCode)
        client.socket.terminate()
      }),
    )
    expect(await refused).toBe(401)
  })

  test('is closed with 4401 as soon as its key is deleted, or runs out', async () => {
    await using stage = await openStage()
    const key = await keyFor(stage, 'short')
    const brief = await keyFor(stage, 'brief', { expiresAt: deps.clock.now() + 1_500 })
    const gateway = await stage.gateway({ isOpen: false })
    const client = await stage.client(gateway, { headers: { authorization: `Bearer ${key}` } })
    const other = await stage.client(gateway, { headers: { authorization: `Bearer ${brief}` } })
    await openCatalog(stage.broker, deps).apiKeys.delete('short')
    expect(await client.closed).toMatchObject({ code: 4401 })
    expect(await other.closed).toMatchObject({ code: 4401 })
  })

  test('sees and tells only what its key is for', async () => {
    await using stage = await openStage()
    const reader = await keyFor(stage, 'reader', { scopes: ['read'], only: { flow: 'weather' } })
    const gateway = await stage.gateway({ isOpen: false })
    const [mine, others] = [await stage.create({ flow: 'weather' }), await stage.create({ flow: 'billing' })]
    const client = await stage.client(gateway, { headers: { authorization: `Bearer ${reader}` } })
    await client.subscribe({ run: mine })
    const refusal = (code: string) => ({ op: 'reply', ok: false, error: { code } })
    expect(await client.answer({ op: 'subscribe', to: { run: others } })).toMatchObject(
      refusal('CB_E_RUN_MISSING'),
    )
    expect(await client.answer({ op: 'subscribe', to: { workers: {} } })).toMatchObject(
      refusal('CB_E_FORBIDDEN'),
    )
    expect(await client.answer({ op: 'signal', run: mine, signal: 'cancel' })).toMatchObject(
      refusal('CB_E_FORBIDDEN'),
    )
    expect(await client.answer({ op: 'start', flow: 'weather' })).toMatchObject(refusal('CB_E_FORBIDDEN'))
    const { sub } = await client.subscribe({ runs: {} })
    await stage.signal(others, 'cancel')
    await stage.signal(mine, 'cancel')
    await client.until((frame) => frame.op === 'event' && frame.sub === sub)
    expect(
      client.frames.some((frame) => frame.op === 'event' && frame.kind !== 'worker' && frame.run === others),
    ).toBe(false)
  })

  test('with a token for one run may have to do with that run only', async () => {
    await using stage = await openStage()
    await keyFor(stage, 'a-key')
    const gateway = await stage.gateway({ isOpen: false })
    const [mine, others] = [await stage.create(), await stage.create()]
    const token = gateway.keeper.issue({
      run: mine,
      scopes: ['read', 'signal'],
      expiresAt: deps.clock.now() + 60_000,
      issuer: 'anna',
    })
    const client = await stage.client(gateway, { headers: { authorization: `Bearer ${token}` } })
    await client.subscribe({ run: mine })
    const refusal = { op: 'reply', ok: false, error: { code: 'CB_E_RUN_MISSING' } }
    expect(await client.answer({ op: 'subscribe', to: { run: others } })).toMatchObject(refusal)
    expect(await client.answer({ op: 'signal', run: others, signal: 'cancel' })).toMatchObject(refusal)
    expect(await client.answer({ op: 'signal', run: mine, signal: 'cancel' })).toMatchObject({ ok: true })
    const records = []
    for await (const entry of stage.broker.log.read(mine)) records.push(...entry.records)
    expect(records).toContainEqual(
      expect.objectContaining({
        e: expect.objectContaining({
          type: 'CANCEL',
          by: {
            channel: 'socket',
            principal: 'run-token:anna',
            address: expect.stringContaining('127.0.0.1'),
          },
        }),
      }),
    )
  })
})

describe('what is no frame', () => {
  test.each([
    ['no JSON', 'hello?'],
    ['no object', '[1,2]'],
    ['null', 'null'],
    ['no op', '{"id":1}'],
    ['an op that nobody knows', '{"op":"dance","id":1}'],
    ['an op that every object has', '{"op":"constructor","id":1}'],
    ['no id to answer to', '{"op":"subscribe","to":{"run":"x"}}'],
    ['a binary message', Buffer.from('{"op":"ping","id":1}')],
  ])('ends its connection with 4400: %s', async (_, frame) => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway())
    client.say(frame)
    expect(await client.closed).toMatchObject({ code: 4400 })
  })

  test('but has an id is answered with what is wrong and where', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway())
    client.say(JSON.stringify({ op: 'subscribe', id: 7, to: { run: 'x' }, level: 'loud', extra: 1 }))
    const answer = await client.until((frame) => frame.op === 'reply')
    expect(answer).toMatchObject({ id: 7, ok: false, error: { code: 'CB_E_REQUEST_INVALID' } })
    const paths = answer.op === 'reply' && !answer.ok ? answer.error.errors?.map(({ path }) => path) : []
    expect(paths).toEqual(expect.arrayContaining(['level', 'extra']))
  })
})

describe('a client that asks for too much', () => {
  test('is closed with 4413 for a frame over the limit, and cut for one far over it', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway({ limits: { frameBytes: 1_000 } })
    const [client, wild] = [await stage.client(gateway), await stage.client(gateway)]
    client.say(JSON.stringify({ op: 'ping', id: 1, pad: 'x'.repeat(1_000) }))
    expect(await client.closed).toMatchObject({ code: 4413 })
    wild.say('x'.repeat(100_000))
    expect(await wild.closed).toMatchObject({ code: 1009 })
  })

  test('is closed with 4409 for one subscription too many', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway({ limits: { subscriptions: 2 } })
    const client = await stage.client(gateway)
    for (let n = 0; n < 3; n++) client.ask({ op: 'subscribe', to: { workers: {} } })
    expect(await client.closed).toMatchObject({ code: 4409 })
  })

  test('has room again for what it left', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway({ limits: { subscriptions: 1 } }))
    for (let n = 1; n < 5; n++) {
      const { sub } = await client.subscribe({ workers: {} })
      expect(await client.answer({ op: 'unsubscribe', sub })).toMatchObject({ op: 'reply', ok: true })
    }
  })

  test('is closed with 4429 when it is too fast', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway({ limits: { burst: 10, framesPerSecond: 1 } }))
    for (let n = 0; n < 12; n++) client.ask({ op: 'ping' })
    expect(await client.closed).toMatchObject({ code: 4429 })
  })
})

describe('a connection', () => {
  test('that is silent for two heartbeats is cut', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway({ limits: { heartbeatMs: 20 } })
    const client = await stage.client(gateway)
    client.socket.pause() // reads nothing any more, so that no ping is answered
    await stage.until(() => gateway.live.members === 0)
    client.socket.resume()
    expect((await client.closed).code).toBe(1006)
  })

  test('that answers stays, however quiet it is', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway({ limits: { heartbeatMs: 5 } }))
    let pings = 0
    await new Promise<void>((resolve) => client.socket.on('ping', () => ++pings === 10 && resolve()))
    expect(await client.answer({ op: 'ping' })).toMatchObject({ op: 'pong' })
  })

  test('is told to come back when the gateway stops', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const client = await stage.client(gateway)
    await client.subscribe({ workers: {} })
    await gateway.stop()
    expect(await client.closed).toMatchObject({ code: 1012 })
    expect(gateway.live.members).toBe(0)
  })
})

describe('a signal', () => {
  test('is answered with what became of it, and written with who sent it', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway())
    const run = await stage.create()
    const first = await client.answer({ op: 'signal', run, signal: 'cancel', key: 'once' })
    expect(first).toMatchObject({
      ok: true,
      outcome: 'applied',
      state: { type: 'CANCELLED', name: 'Cancelled' },
    })
    expect(await client.answer({ op: 'signal', run, signal: 'cancel', key: 'once' })).toMatchObject({
      ok: true,
    })
    expect(await client.answer({ op: 'signal', run, signal: 'pause' })).toMatchObject({
      ok: false,
      error: { code: 'CB_E_SIGNAL_REJECTED', legalSignals: ['retry'] },
    })
    expect(await client.answer({ op: 'signal', run: 'nobody', signal: 'pause' })).toMatchObject({
      ok: false,
      error: { code: 'CB_E_RUN_MISSING' },
    })
  })
})
