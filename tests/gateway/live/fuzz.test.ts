/** Whatever comes over the socket, only its own connection suffers. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Client } from './support/client.ts'
import type { TestGateway } from './support/gateway.ts'
import { openStage } from './support/stage.ts'

const RUN = '0cqv3h7k2m00000000000000test'

const anything = fc.anything({ maxDepth: 3, withBigInt: false })

/** Frames that are nearly right. */
const nearly = fc.record(
  {
    op: fc.oneof(
      fc.constantFrom('auth', 'subscribe', 'unsubscribe', 'signal', 'start', 'ping'),
      fc.string({ maxLength: 5 }),
    ),
    id: fc.oneof(fc.nat(), anything),
    to: fc.oneof(
      fc.record({ run: fc.oneof(fc.constant(RUN), fc.string()) }),
      fc.record({
        runs: fc.oneof(fc.record({ flow: anything, since: fc.string() }, { requiredKeys: [] }), anything),
      }),
      fc.record({ workers: fc.constant({}) }),
      fc.record({
        events: fc.record({ event: fc.oneof(fc.string(), fc.array(fc.string())) }, { requiredKeys: [] }),
      }),
      anything,
    ),
    kinds: fc.oneof(fc.array(fc.constantFrom('state', 'task', 'log')), anything),
    after: fc.oneof(
      fc.constantFrom('start', 'tail'),
      fc.string(),
      fc.string().map((text) => `e1.${text}:1:${RUN}.3`),
    ),
    level: fc.oneof(fc.constantFrom('info', 'error'), anything),
    sub: fc.oneof(fc.nat(3), anything),
    run: fc.oneof(fc.constant(RUN), fc.string()),
    signal: fc.oneof(fc.constantFrom('cancel', 'resume'), fc.string(), anything),
    payload: anything,
    key: fc.oneof(fc.string(), anything),
    flow: fc.string(),
    parameters: anything,
    token: fc.string(),
  },
  { requiredKeys: ['op'] },
)

const frame = fc.oneof(
  { weight: 6, arbitrary: nearly.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) },
)

/** What a gateway may say to such a client before it ends the connection. */
const ENDINGS = [4400, 4401, 4409, 4413, 4429]

async function isWell(gateway: TestGateway): Promise<void> {
  const client = await Client.open(gateway.port)
  expect(await client.answer({ op: 'ping' })).toMatchObject({ op: 'pong' })
  await client.close()
}

describe('a live socket', () => {
  test('answers any frames, or ends with the reason, and never says that something went wrong here', {
    timeout: 60_000,
  }, async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    await stage.create({ id: RUN })
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 12 }), async (frames) => {
        const client = await Client.open(gateway.port)
        for (const one of frames) client.say(one)
        client.say('{"op":"ping","id":987654321}')
        const end = await Promise.race([
          client.closed,
          client
            .until((heard) => heard.op === 'pong' && heard.id === 987654321)
            .then(
              () => undefined,
              () => client.closed,
            ),
        ])
        if (end === undefined) await client.close()
        else expect(ENDINGS).toContain(end.code)
        for (const heard of client.frames)
          if (heard.op === 'reply' && !heard.ok) expect(heard.error).not.toMatchObject({ code: 'CB_E_BUG' })
      }),
      { numRuns: 150 },
    )
    await isWell(gateway)
    await stage.until(() => gateway.live.members === 0)
  })

  test('outlives bytes that are no WebSocket frames', { timeout: 60_000 }, async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 500 }), async (bytes) => {
        const socket = await upgraded(gateway.port)
        socket.end(Buffer.from(bytes))
        socket.resume()
        await once(socket, 'close')
      }),
      { numRuns: 40 },
    )
    await isWell(gateway)
  })

  test('waits for nobody: clients that send a byte at a time, or stop in the middle, keep nobody waiting', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const sockets: Socket[] = []
    for (let n = 0; n < 50; n++) {
      const socket = connect(gateway.port, '127.0.0.1')
      socket.on('error', () => {})
      // The head of an upgrade that never ends.
      socket.write(`GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ${n}`)
      sockets.push(socket)
    }
    // A frame whose second half never comes.
    const half = await upgraded(gateway.port)
    half.write(Buffer.from([0x81, 0xfe, 0x10]))
    sockets.push(half)
    await isWell(gateway)
    for (const socket of sockets) socket.destroy()
  })
})

/** A socket past its upgrade, to be misused. */
async function upgraded(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    [
      'GET /api/v1/live HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      '\r\n',
    ].join('\r\n'),
  )
  await once(socket, 'data')
  return socket
}
