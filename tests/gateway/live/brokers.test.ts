/** The live socket over each broker, as a page would use it: with the WebSocket that browsers and Node have built in. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Program } from '../../../src/actors/index.ts'
import type { EventFrame, ServerFrame } from '../../../src/api/index.ts'
import { openBroker } from '../../../src/broker/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { openStage } from './support/stage.ts'

const LINES = 50

/** Follows until the run's end, or until `most` events were read. */
function follow(
  port: number,
  run: string,
  after: string,
  most = Infinity,
): Promise<{ readonly events: EventFrame[]; readonly isOver: boolean }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v1/live`, 'callboard.v1')
    const events: EventFrame[] = []
    let isOver = false
    socket.onopen = () => socket.send(JSON.stringify({ op: 'subscribe', id: 1, to: { run }, after }))
    socket.onmessage = ({ data }) => {
      const frame: ServerFrame = JSON.parse(String(data))
      if (frame.op === 'reply') reject(new Error(JSON.stringify(frame)))
      if (frame.op === 'event' && events.length < most) events.push(frame)
      isOver ||= frame.op === 'end'
      if (isOver || events.length >= most) socket.close()
    }
    socket.onclose = () => resolve({ events, isOver })
    socket.onerror = () => reject(new Error('The socket could not be opened.'))
  })
}

const talking: Program = async (session) => {
  for (let n = 0; n < LINES; n++) {
    await session.note('log', { lines: [{ at: 5, level: 'info', message: `line ${n}` }] })
    if (n % 10 === 0) await session.task({ task: 'work' }, async () => n)
  }
}

const places: { nats?: NatsServer; folder?: string } = {}

beforeAll(async () => {
  places.nats = await startNats()
  places.folder = await mkdtemp(join(tmpdir(), 'callboard-live-'))
})

afterAll(async () => {
  await places.nats?.[Symbol.asyncDispose]()
  if (places.folder !== undefined) await rm(places.folder, { recursive: true })
})

describe.each([
  ['an embedded store', () => `embedded:${places.folder}`],
  ['a NATS server', () => places.nats?.url ?? ''],
] as const)('over %s', (_, url) => {
  test('a run is followed in pieces, at one gateway after the other, with each event once', async () => {
    await using stage = await openStage(await openBroker(url(), systemDeps()))
    const run = await stage.play(talking)
    const told: EventFrame[] = []
    for (let isOver = false; !isOver; ) {
      const gateway = await stage.gateway()
      const piece = await follow(gateway.port, run, told.at(-1)?.cursor ?? 'start', 17)
      told.push(...piece.events)
      isOver = piece.isOver
      await gateway.stop()
    }
    const lines = told.flatMap((event) => (event.kind === 'log' ? [event.data.message] : []))
    expect(lines).toEqual(Array.from({ length: LINES }, (_, n) => `line ${n}`))
    const gateway = await stage.gateway()
    expect((await follow(gateway.port, run, 'start')).events).toEqual(told)
  })

  test('a subscription to all runs goes on through the log at another gateway', async () => {
    await using stage = await openStage(await openBroker(url(), systemDeps()))
    const first = await stage.gateway()
    const here = await stage.client(first)
    const { cursor } = await here.subscribe({ runs: { tag: 'mine' } })
    await first.stop()
    const run = await stage.create({ tags: ['mine'] })
    await stage.create({ tags: ['other'] })
    await stage.signal(run, 'cancel')
    const there = await stage.client(await stage.gateway())
    await there.subscribe({ runs: { tag: 'mine' } }, { after: cursor })
    const last = await stage.create({ tags: ['mine'], name: 'last' })
    await there.until((frame) => frame.op === 'event' && frame.kind === 'state' && frame.run === last)
    const states = there
      .events()
      .map((event) => (event.kind === 'state' ? [event.run, event.data.state.name] : []))
    expect(states).toEqual([
      [run, 'Scheduled'],
      [run, 'Cancelled'],
      [last, 'Scheduled'],
    ])
  })
})
