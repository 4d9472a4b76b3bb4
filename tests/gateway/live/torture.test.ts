/** Connections that are cut again and again, gateways that go away, clients that do not read: what the client has in the end. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Program } from '../../../src/actors/index.ts'
import type { EventFrame, ServerFrame } from '../../../src/api/index.ts'
import { sleep, systemClock, systemDeps } from '../../../src/core/index.ts'
import { Client } from './support/client.ts'
import type { TestGateway } from './support/gateway.ts'
import { openStage, type Stage } from './support/stage.ts'

const TASKS = 2_000
const LINES_PER_TASK = 10
/** Called at a time. */
const BATCH = 50
/** What there is to do for a batch takes so long. */
const WORK_MS = 50
/** A connection lasts so long, and until it has brought this much: on a slow machine the end comes nearer too. */
const CUT_AFTER_MS = 100
const CUT_AFTER_EVENTS = 500

/** Two thousand task runs that say ten lines each. */
const busy: Program = async (session) => {
  for (let first = 0; first < TASKS; first += BATCH) {
    await sleep(systemClock, WORK_MS)
    await Promise.all(
      Array.from({ length: BATCH }, (_, offset) =>
        session.task({ task: 'work' }, async () => {
          const n = first + offset
          const lines = Array.from({ length: LINES_PER_TASK }, (_, line) => ({
            at: 5,
            level: 'info',
            message: `line ${n * LINES_PER_TASK + line}`,
          }))
          await session.note('log', { lines })
          return n
        }),
      ),
    )
  }
}

interface Told {
  readonly events: EventFrame[]
  connections: number
}

/** Follows a run over as many connections as it takes; each is cut after a moment, wherever it is by then. */
async function followThrough(
  run: string,
  gateway: () => Promise<TestGateway>,
  after?: (told: Told) => Promise<void>,
): Promise<Told> {
  const told: Told = { events: [], connections: 0 }
  for (let isOver = false; !isOver; ) {
    const client = new Client((await gateway()).port)
    told.connections++
    const from = told.events.length
    let isDue = false
    const cutWhenDue = () => {
      const hasBrought = told.events.length - from >= CUT_AFTER_EVENTS
      if (isOver || (isDue && hasBrought)) client.socket.terminate()
    }
    const timer = systemClock.setTimer(CUT_AFTER_MS, () => {
      isDue = true
      cutWhenDue()
    })
    client.socket.on('message', (data) => {
      if (client.socket.readyState !== client.socket.OPEN) return
      const frame = JSON.parse(String(data))
      if (frame.op === 'gap') throw new Error('There was a gap.')
      if (frame.op === 'end') isOver = true
      if (frame.op === 'event') told.events.push({ ...frame, sub: 0 })
      cutWhenDue()
    })
    client.socket.once('open', () =>
      client.ask({ op: 'subscribe', to: { run }, after: told.events.at(-1)?.cursor ?? 'start' }),
    )
    await client.closed
    timer.cancel()
    await after?.(told)
  }
  return told
}

function expectEachOnce({ events }: Told): void {
  const lines = events.flatMap((event) => (event.kind === 'log' ? [event.data.message] : []))
  expect(lines).toHaveLength(TASKS * LINES_PER_TASK)
  expect(new Set(lines).size).toBe(lines.length)
  const ended = events.filter((event) => event.kind === 'task' && event.data.state.type === 'COMPLETED')
  expect(ended).toHaveLength(TASKS)
}

/** What somebody sees who was never cut off. */
async function untroubled(stage: Stage, gateway: TestGateway, run: string) {
  const client = await stage.client(gateway)
  await client.subscribe({ run }, { after: 'start' })
  await client.until(({ op }) => op === 'end')
  return client.events().map((event) => ({ ...event, sub: 0 }))
}

describe('a client that is cut off again and again', () => {
  test('has every event of a busy run once and in order', {
    timeout: 120_000,
  }, async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const run = await stage.play(busy)
    const told = await followThrough(run, async () => gateway)
    expect(told.connections).toBeGreaterThan(5)
    expectEachOnce(told)
    expect(told.events).toEqual(await untroubled(stage, gateway, run))
  })

  test('and whose gateway is replaced meanwhile by one that knows nothing, has the same [scenario 38]', {
    timeout: 120_000,
  }, async () => {
    await using stage = await openStage()
    const folder = await mkdtemp(join(tmpdir(), 'callboard-live-'))
    try {
      let gateway = await stage.gateway({ folder })
      const run = await stage.play(busy)
      let replaced = 0
      const told = await followThrough(
        run,
        async () => gateway,
        async ({ connections }) => {
          if (connections % 4 !== 0) return
          await gateway.stop()
          // Every other time its read model is gone as well.
          if (++replaced % 2 === 0) await rm(folder, { recursive: true })
          gateway = await stage.gateway({ folder })
        },
      )
      expect(replaced).toBeGreaterThan(2)
      expectEachOnce(told)
      expect(told.events).toEqual(await untroubled(stage, gateway, run))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

/** A gateway with little room per client, for which no time passes unless the test says so. */
const narrow = async (stage: Stage) => {
  let now = 0
  const clock = { ...systemClock, monotonic: () => now }
  const gateway = await stage.gateway({
    deps: { ...systemDeps(), clock },
    limits: { bufferBytes: 64 * 1024, highWaterBytes: 16 * 1024 },
  })
  const wait = (ms: number) => {
    now += ms
  }
  return { gateway, wait }
}

describe('a client that does not read', () => {
  const lineCount = (client: Client) => client.events().filter(({ kind }) => kind === 'log').length

  test('slows nobody else, and has missed nothing when it reads on soon', { timeout: 120_000 }, async () => {
    await using stage = await openStage()
    const { gateway } = await narrow(stage)
    const [slow, quick] = [await stage.client(gateway), await stage.client(gateway)]
    const run = await stage.play(busy)
    for (const client of [slow, quick]) await client.subscribe({ run }, { after: 'start' })
    slow.socket.pause()
    await quick.until(({ op }) => op === 'end')
    slow.socket.resume()
    await slow.until(({ op }) => op === 'end')
    for (const client of [slow, quick]) {
      expect(client.frames.filter(({ op }) => op === 'gap')).toEqual([])
      expect(lineCount(client)).toBe(TASKS * LINES_PER_TASK)
    }
    expect(slow.events()).toEqual(quick.events())
  })

  test('for long is told where its gap begins and ends, and what holds after it [scenario 39]', {
    timeout: 120_000,
  }, async () => {
    await using stage = await openStage()
    const { gateway, wait } = await narrow(stage)
    const [slow, quick] = [await stage.client(gateway), await stage.client(gateway)]
    const run = await stage.play(busy)
    for (const client of [slow, quick]) await client.subscribe({ run }, { after: 'start' })
    slow.socket.pause()
    await quick.until(({ op }) => op === 'end')
    expect(lineCount(quick)).toBe(TASKS * LINES_PER_TASK)
    wait(60_000)
    slow.socket.resume()
    await slow.until(({ op }) => op === 'end')
    const at = slow.frames.findIndex(({ op }) => op === 'gap')
    const gap = slow.frames[at]
    const before = slow.frames.slice(0, at).findLast(({ op }) => op === 'event')
    if (gap?.op !== 'gap' || before?.op !== 'event') throw new Error('There was no gap.')
    expect(gap).toMatchObject({ from: before.cursor, reason: 'slow-client' })
    expect(gap.snapshot?.run).toMatchObject({ id: run, state: { name: 'Completed' } })
    expect(gap.snapshot?.taskRuns).toHaveLength(TASKS)
    // What it missed can be had from there.
    await slow.subscribe({ run }, { after: gap.from })
    await slow.until((frame) => frame.op === 'end' && frame.sub === 2)
    const whole = [...slow.events(1), ...slow.events(2)].map((event) => ({ ...event, sub: 1 }))
    expect(whole).toEqual(quick.events())
  })
})

describe('a client that follows all runs', () => {
  const RUNS = 400

  const namesOf = (client: Client, sub = 1) => client.events(sub).flatMap(nameOf)

  test('misses nothing of what is too much at once, and is told of its gap when it stays behind', {
    timeout: 120_000,
  }, async () => {
    await using stage = await openStage()
    const { gateway, wait } = await narrow(stage)
    const [slow, quick] = [await stage.client(gateway), await stage.client(gateway)]
    for (const client of [slow, quick]) await client.subscribe({ runs: { tag: 'all' } })
    slow.socket.pause()
    const parameters = { v: 'x'.repeat(40_000) }
    for (let n = 0; n < RUNS; n++) await stage.create({ name: `${n}`, tags: ['all'], parameters })
    const last = await stage.create({ name: 'last', tags: ['all'] })
    const isLast = (frame: ServerFrame) =>
      frame.op === 'event' && frame.kind === 'state' && frame.run === last
    await quick.until(isLast)
    expect(namesOf(quick)).toEqual([...Array.from({ length: RUNS }, (_, n) => `${n}`), 'last'])
    expect(quick.frames.filter(({ op }) => op === 'gap')).toEqual([])
    wait(60_000)
    slow.socket.resume()
    const gap = await slow.until(({ op }) => op === 'gap')
    if (gap.op !== 'gap') throw new Error('There was no gap.')
    const { sub } = await slow.subscribe({ runs: { tag: 'all' } }, { after: gap.from })
    await slow.until((frame) => isLast(frame) && 'sub' in frame && frame.sub === sub)
    expect([...namesOf(slow), ...namesOf(slow, sub)]).toEqual(namesOf(quick))
  })
})

function nameOf(event: EventFrame): string[] {
  return event.kind === 'state' ? [event.data.created?.name ?? ''] : []
}
