/** The live socket, with everything real on both sides of it. */

import { describe, expect, test } from 'vitest'
import type { EventFrame, ServerFrame } from '../../../src/api/index.ts'
import type { Client } from './support/client.ts'
import { openStage } from './support/stage.ts'

const states = (client: Client, sub = 1) =>
  client.events(sub).flatMap((event) => (event.kind === 'state' ? [event.data.state.name] : []))

const lines = (events: readonly EventFrame[]) =>
  events.flatMap((event) => (event.kind === 'log' ? [event.data.message] : []))

describe('a subscription to a run', () => {
  test('begins with what holds, then tells what happens, and ends with the run', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const gate = Promise.withResolvers<void>()
    const run = await stage.play(async (session) => {
      await session.task({ task: 'first' }, async () => 1)
      await gate.promise
      await session.note('log', { lines: [{ at: 5, level: 'info', message: 'half way' }] })
      await session.task({ task: 'second' }, async () => 2)
      return 3
    })
    const client = await stage.client(gateway)
    const { snapshot } = await client.subscribe({ run })
    expect(snapshot?.run).toMatchObject({ id: run, state: { type: 'RUNNING' } })
    gate.resolve()
    await client.until(({ op }) => op === 'end')
    expect(states(client)).toEqual(['Completed'])
    expect(lines(client.events())).toEqual(['half way'])
    const tasks = client
      .events()
      .flatMap((event) => (event.kind === 'task' ? [[event.data.key, event.data.state.name]] : []))
    expect(tasks).toEqual([
      ['second-0', 'Pending'],
      ['second-0', 'Running'],
      ['second-0', 'Completed'],
    ])
  })
})

describe('going on from a cursor', () => {
  test('gives exactly what came after it, whichever event it was of', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const run = await stage.play(async (session) => {
      await Promise.all([1, 2, 3].map((n) => session.task({ task: 'work' }, async () => n)))
      const said = ['a', 'b', 'c'].map((message) => ({ at: 5, level: 'info', message }))
      await session.note('log', { lines: said })
      await session.note('artifact', { key: 'report', kind: 'markdown', markdown: '# all well' })
    })
    const client = await stage.client(gateway)
    await client.subscribe({ run }, { after: 'start' })
    await client.until(({ op }) => op === 'end')
    const all = client.events().map(withoutSub)
    expect(all.length).toBeGreaterThan(15)
    expect(new Set(all.map(({ cursor }) => cursor)).size).toBe(all.length)
    for (const [index, { cursor }] of all.entries()) {
      const { sub } = await client.subscribe({ run }, { after: cursor })
      await client.until((frame) => frame.op === 'end' && frame.sub === sub)
      expect(client.events(sub).map(withoutSub)).toEqual(all.slice(index + 1))
    }
  })

  test('works at another gateway, whose read model knows nothing yet', async () => {
    await using stage = await openStage()
    const first = await stage.gateway()
    const gate = Promise.withResolvers<void>()
    const run = await stage.play(async (session) => {
      await session.task({ task: 'before' }, async () => 1)
      await gate.promise
      await session.task({ task: 'after' }, async () => 2)
    })
    const here = await stage.client(first)
    const { cursor } = await here.subscribe({ run })
    await first.stop()
    gate.resolve()
    const there = await stage.client(await stage.gateway())
    await there.subscribe({ run }, { after: cursor })
    await there.until(({ op }) => op === 'end')
    expect(states(there)).toEqual(['Completed'])
    expect(there.events().flatMap((event) => (event.kind === 'task' ? [event.data.key] : []))).toEqual([
      'after-0',
      'after-0',
      'after-0',
    ])
  })

  test('of nowhere is refused, and the connection stays', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const run = await stage.create()
    const client = await stage.client(gateway)
    for (const after of ['nonsense', 'e1.0.0:3:x.1', 'n1.abcdefabcdef.7', '::', `${'x'.repeat(1_999)}`]) {
      for (const to of [{ run }, { runs: {} }]) {
        const answer = await client.answer({ op: 'subscribe', to, after })
        expect(answer).toMatchObject({ op: 'reply', ok: false, error: { code: 'CB_E_CURSOR_INVALID' } })
      }
    }
    expect(await client.answer({ op: 'ping' })).toMatchObject({ op: 'pong' })
  })
})

describe('a subscription to runs', () => {
  test('tells the states of those that the filter means, also when they leave it', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const client = await stage.client(gateway)
    await client.subscribe({ runs: { flow: 'weather', state: 'SCHEDULED' } })
    await client.subscribe({ runs: { tag: ['prod'] } })
    const cold = await stage.create({ flow: 'weather', name: 'cold' })
    const warm = await stage.create({ flow: 'weather', name: 'warm', tags: ['prod', 'eu'] })
    const other = await stage.create({ flow: 'billing', name: 'other', tags: ['prod'] })
    for (const run of [cold, warm, other]) await stage.signal(run, 'cancel')
    await client.until((frame) => isState(frame, other, 'Cancelled'))
    const told = (sub: number) =>
      client.events(sub).map((event) => (event.kind === 'state' ? [event.run, event.data.state.name] : []))
    expect(told(1)).toEqual([
      [cold, 'Scheduled'],
      [warm, 'Scheduled'],
      [cold, 'Cancelled'],
      [warm, 'Cancelled'],
    ])
    expect(told(2)).toEqual([
      [warm, 'Scheduled'],
      [other, 'Scheduled'],
      [warm, 'Cancelled'],
      [other, 'Cancelled'],
    ])
  })

  test('is refused for a misspelt type of state: the answer says where it stands and what may be meant', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway())
    for (const [state, slip, meant] of [
      ['RUNING', 'RUNING', 'RUNNING'],
      [['FAILED', 'CANCELED'], 'CANCELED', 'CANCELLED'],
    ] as const) {
      const to = { runs: { flow: 'weather', state: typeof state === 'string' ? state : [...state] } }
      const answer = await client.answer({ op: 'subscribe', to, after: 'start' })
      expect(answer).toMatchObject({
        op: 'reply',
        ok: false,
        error: {
          code: 'CB_E_REQUEST_INVALID',
          message: expect.stringContaining(`There is no state '${slip}'. Did you mean ${meant}?`),
          errors: [{ path: 'to.runs.state', message: expect.stringContaining(slip) }],
        },
      })
    }
    expect(await client.answer({ op: 'ping' })).toMatchObject({ op: 'pong' })
  })

  test('may ask for a state of the code’s own making before any run has it, and is told when it looks like a slip', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway())
    const run = await stage.create()
    const one = await client.subscribe({ run })
    const to = { runs: { state: 'Passed' } }
    const { hint, sub } = await client.subscribe(to)
    expect(hint).toBe("No run is in a state 'Passed'. Did you mean Paused?")
    const passes = [{ type: 'CLAIM', worker: 'w1' }, { type: 'START' }, { type: 'COMPLETE', name: 'Passed' }]
    const tags = ['PENDING.Pending', 'RUNNING.Running', 'COMPLETED.Passed']
    const records = passes.map((event, n) => ({ k: 'flow', e: { at: 5, ...event }, s: tags[n] }))
    const lines = [{ k: 'head', v: 1, snap: 0 }, ...records].map((record) => JSON.stringify(record))
    await stage.broker.log.append(run, lines, { expect: 1 })
    await client.until((frame) => isState(frame, run, 'Passed') && frame.sub === sub)
    await client.until((frame) => frame.op === 'end' && frame.sub === one.sub)
    expect((await client.subscribe(to)).hint).toBeUndefined()
  })

  test('goes on from any cursor through the log, then live, with nothing twice', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const client = await stage.client(gateway)
    await client.subscribe({ runs: {} }, { after: 'start', kinds: ['state', 'log', 'task'] })
    const runs: string[] = []
    for (let n = 0; n < 5; n++) {
      const said = ['a', 'b'].map((message) => ({ at: 5, level: 'info', message }))
      runs.push(await stage.play((session) => session.note('log', { lines: said }), { name: `run ${n}` }))
    }
    for (const run of runs) await client.until((frame) => isState(frame, run, 'Completed'))
    const before = client.events().map(withoutSub)
    const again = await stage.client(gateway)
    const subs: number[] = []
    for (const { cursor } of before) {
      const { sub } = await again.subscribe({ runs: {} }, { after: cursor, kinds: ['state', 'log', 'task'] })
      subs.push(sub)
    }
    const last = await stage.create({ name: 'last' })
    for (const sub of subs)
      await again.until((frame) => isState(frame, last, 'Scheduled') && frame.sub === sub)
    await client.until((frame) => isState(frame, last, 'Scheduled'))
    const all = client.events().map(withoutSub)
    for (const [index, sub] of subs.entries())
      expect(again.events(sub).map(withoutSub)).toEqual(all.slice(index + 1))
  })
})

describe('an entry that nobody can read', () => {
  test('says nothing, and keeps nobody from what comes after it', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway())
    const [broken, whole] = [await stage.create(), await stage.create()]
    const runs = await client.subscribe({ runs: {} })
    const one = await client.subscribe({ run: broken }, { after: 'start' })
    await stage.broker.log.append(broken, ['{"k":"head","v":1,"snap":0}', '{"k":"nonsense"}'], { expect: 1 })
    await stage.signal(whole, 'cancel')
    await client.until((frame) => isState(frame, whole, 'Cancelled') && frame.sub === runs.sub)
    const note =
      '{"k":"note","at":5,"kind":"log","data":{"lines":[{"at":5,"level":"info","message":"still here"}]}}'
    await stage.broker.log.append(broken, ['{"k":"head","v":1,"snap":0}', note], { expect: 2 })
    await client.until((frame) => frame.op === 'event' && frame.kind === 'log' && frame.sub === one.sub)
    expect(lines(client.events(one.sub))).toEqual(['still here'])
  })
})

function withoutSub(event: EventFrame) {
  return { ...event, sub: 0 }
}

function isState(frame: ServerFrame, run: string, name: string): frame is EventFrame {
  return frame.op === 'event' && frame.kind === 'state' && frame.run === run && frame.data.state.name === name
}
