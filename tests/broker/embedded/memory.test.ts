/** The broker in memory as the simulation uses it: machines with clocks of their own on one place. */

import { describe, expect, test } from 'vitest'
import { embeddedBroker, memoryBroker, memoryPlace } from '../../../src/broker/embedded/index.ts'
import type { Broker, Entry } from '../../../src/broker/index.ts'
import {
  type ClockView,
  randomOrder,
  seededRandom,
  silentLogger,
  systemDeps,
  type VirtualClock,
  virtualClock,
} from '../../../src/core/index.ts'
import { appended, startBroker } from './support.ts'

interface Machine {
  readonly view: ClockView
  readonly broker: Broker
}

async function cluster(clock: VirtualClock, count: number): Promise<readonly Machine[]> {
  const place = memoryPlace({ clock: clock.view({ name: 'broker' }) })
  const machines = Array.from({ length: count }, (_, i) => {
    const view = clock.view({ name: `m${i}` })
    const deps = { clock: view, random: seededRandom(i), logger: silentLogger }
    return { view, broker: memoryBroker(place, deps, { claimTimeoutMs: 1_000 }) }
  })
  await clock.drive(Promise.all(machines.map(({ broker }) => broker.start())))
  return machines
}

/** Three machines that write, follow, claim, ask and watch at once; every line is something one of them learned. */
async function history(seed: number): Promise<readonly string[]> {
  const clock = virtualClock({ choose: randomOrder(seededRandom(seed)) })
  const lines: string[] = []
  const machines = await cluster(clock, 3)
  const work = machines.map(async ({ broker, view }) => {
    const say = (what: string) => void lines.push(`${view.now()} ${view.name} ${what}`)
    const following = await broker.log.follow({ partitions: 'all' }, 'start', (entries) => {
      for (const { subject, rev, cursor } of entries) say(`entry ${subject} ${rev} ${cursor}`)
    })
    await broker.bus.subscribe('hello.*', ({ subject }) => {
      say(subject)
      return view.name
    })
    const bucket = await broker.kv.bucket('b', { ttlMs: 500 })
    await bucket.watch('', (change) => say(`key ${JSON.stringify(change)}`))
    for (let rev = 0; rev < 5; rev++) {
      const { outcome } = await broker.log.append('shared', ['1'], { expect: rev })
      say(`${outcome} ${rev}`)
      await broker.queue.enqueue('q', rev, { id: `${view.name}-${rev}` })
      const [item] = await broker.queue.claim(['q'], 1, new AbortController().signal)
      say(`item ${item?.id}`)
      if (rev % 2 === 0) await item?.ack()
      say(JSON.stringify(await broker.bus.request('hello.you', rev)))
      say(`key ${await bucket.create('k', view.name)}`)
      say(await bucket.put(view.name, rev).then(String))
    }
    await following.stop()
  })
  await clock.drive(Promise.all(work))
  await clock.advance(5_000)
  await clock.drive(Promise.all(machines.map(({ broker }) => broker.stop())))
  expect(clock.armed).toBe(0)
  return lines
}

describe('the simulated cluster', () => {
  test('has one history per seed', async () => {
    const [first, again, other] = [await history(1), await history(1), await history(2)]
    expect(first.length).toBeGreaterThan(60)
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })

  test('tells a follower that gathers of the first entry at once, and of what follows in one batch', async () => {
    const clock = virtualClock()
    const [one, two] = await cluster(clock, 2)
    if (!one || !two) throw new Error('two machines')
    const batches: number[][] = []
    const handler = (entries: readonly Entry[]) => void batches.push(entries.map(({ rev }) => rev))
    const append = (rev: number) => clock.drive(two.broker.log.append('s', ['1'], { expect: rev - 1 }))
    const { log } = one.broker
    const following = await clock.drive(log.follow({ partitions: 'all' }, 'tail', handler, { gatherMs: 10 }))
    await append(1)
    await clock.advance(0)
    expect(batches).toEqual([[1]])
    for (const rev of [2, 3, 4]) await append(rev)
    await clock.advance(9)
    expect(batches).toEqual([[1]])
    await clock.advance(1)
    expect(batches).toEqual([[1], [2, 3, 4]])
    await clock.advance(10)
    await append(5)
    await clock.advance(0)
    expect(batches).toEqual([[1], [2, 3, 4], [5]])
    await append(6)
    await clock.drive(following.stop())
    await clock.advance(100)
    expect(batches).toHaveLength(3)
    await clock.drive(Promise.all([one, two].map(({ broker }) => broker.stop())))
    expect(clock.armed).toBe(0)
  })

  test('lets a machine that stands still hold up nobody, and hear nothing until it goes on', async () => {
    const clock = virtualClock()
    const [one, two] = await cluster(clock, 2)
    if (!one || !two) throw new Error('two machines')
    const heard: string[] = []
    await clock.drive(one.broker.log.follow({ partitions: 'all' }, 'start', () => void heard.push('entry')))
    await clock.drive(one.broker.bus.subscribe('>', () => void heard.push('message')))
    const bucket = await clock.drive(one.broker.kv.bucket('b'))
    await clock.drive(bucket.watch('', () => void heard.push('key')))
    const claim = one.broker.queue.claim(['q'], 1, new AbortController().signal)
    claim.then(() => heard.push('item'))
    await clock.advance(0)
    one.view.freeze()
    const ofTheFrozen = one.broker.log.append('frozen', ['1'], { expect: 0 })
    appended(await clock.drive(two.broker.log.append('s', ['1'], { expect: 0 })))
    await clock.drive(two.broker.bus.publish('x', 1))
    await clock.drive(two.broker.kv.bucket('b').then((other) => other.put('k', 1)))
    await clock.drive(two.broker.queue.enqueue('q', 1, { id: 'i' }))
    await clock.advance(100)
    expect(heard).toEqual([])
    expect(await clock.drive(two.broker.log.last('frozen'))).toBeUndefined()
    one.view.thaw()
    await clock.advance(0)
    expect(heard.toSorted()).toEqual(['entry', 'entry', 'item', 'key', 'message'])
    appended(await ofTheFrozen)
    await clock.drive(Promise.all([one, two].map(({ broker }) => broker.stop())))
  })

  test('gives what a dead machine held to another when it expires', async () => {
    const clock = virtualClock()
    const [one, two] = await cluster(clock, 2)
    if (!one || !two) throw new Error('two machines')
    await clock.drive(one.broker.queue.enqueue('q', 1, { id: 'i' }))
    await clock.drive(one.broker.queue.claim(['q'], 1, new AbortController().signal))
    await clock.drive(one.broker.bus.subscribe('home', () => 'one'))
    one.view.kill()
    one.broker.stop()
    await clock.settle()
    expect(await clock.drive(two.broker.bus.request('home', null))).toEqual({ outcome: 'nobody-home' })
    const claim = two.broker.queue.claim(['q'], 1, new AbortController().signal)
    await clock.advance(1_000)
    expect((await clock.drive(claim))[0]).toMatchObject({ id: 'i', delivery: 2 })
    await clock.drive(two.broker.stop())
  })

  test('keeps what was written when all machines have stopped', async () => {
    const clock = virtualClock()
    const place = memoryPlace({ clock })
    const deps = { ...systemDeps(), clock }
    const first = memoryBroker(place, deps)
    await clock.drive(first.start())
    appended(await clock.drive(first.log.append('s', ['1'], { expect: 0 })))
    await clock.drive(first.objects.put('o', new Uint8Array(3)))
    await clock.drive(first.stop())
    const second = memoryBroker(place, deps)
    await clock.drive(second.start())
    expect((await clock.drive(second.log.last('s')))?.rev).toBe(1)
    expect((await clock.drive(second.objects.get('o')))?.bytes).toBe(3)
    await clock.drive(second.stop())
  })
})

describe('a URL in memory', () => {
  test('with a name is one place for all who name it', async () => {
    const [one, two] = [await startBroker('memory:shared'), await startBroker('memory:shared')]
    const other = await startBroker('memory:other')
    appended(await one.log.append('s', ['1'], { expect: 0 }))
    expect((await two.log.last('s'))?.rev).toBe(1)
    expect(await other.log.last('s')).toBeUndefined()
  })

  test('with a name is empty again when the last one has left', async () => {
    for (let round = 0; round < 2; round++) {
      const broker = await startBroker('memory:again')
      appended(await broker.log.append('s', ['1'], { expect: 0 }))
      await broker.stop()
    }
  })

  test('without a name is shared with nobody', async () => {
    const [one, two] = [await startBroker('memory:'), await startBroker('memory:')]
    appended(await one.log.append('s', ['1'], { expect: 0 }))
    expect(await two.log.last('s')).toBeUndefined()
  })

  test('says that nothing survives', async () => {
    const broker = embeddedBroker('memory:', systemDeps())
    await broker.start()
    expect(broker.capabilities).toMatchObject({ driver: 'memory', durability: 'none', reach: 'process' })
    expect(broker.capabilities.warnings).toHaveLength(1)
    await broker.stop()
  })
})
