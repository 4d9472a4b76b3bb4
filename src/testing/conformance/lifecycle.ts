/** The life of a connection: before start, start, stop, and what stop ends. */

import assert from 'node:assert/strict'
import { type Broker, type BrokerStatus, LIMITS } from '../../broker/index.ts'
import { isCallboardError } from '../../core/index.ts'
import { stressService } from '../service-stress.ts'
import { assertRefused, fill, mustAppend } from './stage.ts'
import { cases } from './suite.ts'

/** One call of everything that a part can be asked. */
function callsOf(broker: Broker): Readonly<Record<string, () => Promise<unknown>>> {
  const { log, queue, bus, kv, objects } = broker
  return {
    append: () => log.append('s', ['1'], { expect: 0 }),
    archive: () => log.archive('s', ['1'], { expect: 0 }),
    last: () => log.last('s'),
    read: () => Array.fromAsync(log.read('s')),
    follow: () => log.follow({ partitions: 'all' }, 'start', () => {}),
    end: () => log.end(),
    enqueue: () => queue.enqueue('q', 1, { id: 'i' }),
    claim: () => queue.claim(['q'], 1, new AbortController().signal),
    depth: () => queue.depth('q'),
    publish: () => bus.publish('x', 1),
    subscribe: () => bus.subscribe('x', () => undefined),
    request: () => bus.request('nobody.home', 1),
    bucket: () => kv.bucket('b'),
    put: () => objects.put('o', new Uint8Array(1)),
    get: () => objects.get('o'),
    delete: () => objects.delete('o'),
  }
}

export const lifecycleCases = cases('broker', {
  'before start every call is refused': async (t) => {
    const broker = t.open()
    for (const [name, call] of Object.entries(callsOf(broker)))
      await assertRefused(call, 'CB_E_STOPPED', name)
    assert.throws(
      () => broker.capabilities,
      (error: unknown) => isCallboardError(error, 'CB_E_STOPPED'),
    )
    assert.equal(broker.status, 'starting')
  },

  'after stop every call is refused, also on what was opened before': async (t) => {
    const broker = await t.connect()
    const bucket = await broker.kv.bucket('b')
    await broker.queue.enqueue('q', 1, { id: 'i' })
    await broker.stop()
    for (const [name, call] of Object.entries(callsOf(broker)))
      await assertRefused(call, 'CB_E_STOPPED', name)
    const onBucket = {
      get: () => bucket.get('k'),
      put: () => bucket.put('k', 1),
      create: () => bucket.create('k', 1),
      update: () => bucket.update('k', 1, 1),
      delete: () => bucket.delete('k'),
      list: () => Array.fromAsync(bucket.list()),
      watch: () => bucket.watch('', () => {}),
    }
    for (const [name, call] of Object.entries(onBucket)) await assertRefused(call, 'CB_E_STOPPED', name)
    assert.equal(broker.status, 'stopped')
  },

  'a started connection can do everything': async (t) => {
    const broker = await t.connect()
    await broker.queue.enqueue('q', 0, { id: 'for the claim' })
    for (const [name, call] of Object.entries(callsOf(broker)))
      await t.within(
        call().catch((error: unknown) => assert.fail(`${name}: ${error}`)),
        name,
      )
  },

  'start and stop keep the contract of everything with a life': async (t) => {
    await t.within(
      stressService(() => t.open()),
      'the stress of start and stop',
    )
  },

  'starting twice is one start': async (t) => {
    const broker = t.open()
    await Promise.all([broker.start(), broker.start()])
    await broker.start()
    assert.equal(broker.status, 'connected')
    await mustAppend(broker, t.subject(), 0)
  },

  'stopped before it was started, a connection never starts': async (t) => {
    const broker = t.open()
    await broker.stop()
    await assertRefused(() => broker.start(), 'CB_E_STOPPED')
    assert.equal(broker.status, 'stopped')
  },

  'stopped while it starts, a connection ends stopped': async (t) => {
    const broker = t.open()
    const starting = broker.start()
    const stopping = broker.stop()
    await t.within(Promise.allSettled([starting, stopping]), 'start and stop')
    await stopping
    assert.equal(broker.status, 'stopped')
    await assertRefused(() => broker.log.end(), 'CB_E_STOPPED')
  },

  'a stopped connection cannot be started again, a new one can': async (t) => {
    const broker = await t.connect()
    await broker.stop()
    await broker.stop()
    await assertRefused(() => broker.start(), 'CB_E_STOPPED')
    await mustAppend(await t.connect(), t.subject(), 0)
  },

  'the status goes from starting to connected to stopped, and is told': async (t) => {
    const broker = t.open()
    const told: BrokerStatus[] = []
    const silenced: BrokerStatus[] = []
    broker.onStatus((status) => told.push(status))
    const silence = broker.onStatus((status) => silenced.push(status))
    silence()
    assert.equal(broker.status, 'starting')
    await broker.start()
    assert.equal(broker.status, 'connected')
    await broker.stop()
    assert.equal(broker.status, 'stopped')
    assert.deepEqual(
      told.filter((status) => status !== 'starting'),
      ['connected', 'stopped'],
    )
    assert.deepEqual(silenced, [])
  },

  'stopping one connection leaves the others': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    const tail = await t.tail(two, 'start')
    await mustAppend(one, subject, 0)
    await one.stop()
    await mustAppend(two, subject, 1)
    await tail.count(2)
    assert.equal(two.status, 'connected')
  },

  'stop ends followings: they have ended and their handlers are not called again': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await fill(two, subject, 3)
    const gone = await t.tail(one, 'start')
    const stays = await t.tail(two, 'start')
    await gone.count(3)
    await one.stop()
    await t.within(gone.following.ended, 'the following of the stopped connection to end')
    await fill(two, subject, 3, 3)
    await stays.count(6)
    assert.equal(gone.items.length, 3)
    await gone.following.stop()
  },

  'stop ends watches': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const [mine, theirs] = [await one.kv.bucket('b'), await two.kv.bucket('b')]
    const gone: unknown[] = []
    const stays = t.gather<unknown>('changes')
    const watch = await mine.watch('', (change) => gone.push(change))
    await theirs.watch('', (change) => stays.add(change))
    await t.within(watch.caughtUp, 'the watch to catch up')
    await one.stop()
    await theirs.put('k', 1)
    await stays.count(1)
    assert.deepEqual(gone, [])
    await watch.stop()
  },

  'stop ends everything that was going on, many times over': async (t) => {
    const stays = await t.connect()
    const subject = t.subject()
    for (let round = 0; round < 5; round++) {
      const broker = await t.connect()
      const bucket = await broker.kv.bucket('b')
      await bucket.watch('', () => {})
      await broker.bus.subscribe('x.>', () => 'answer')
      const tail = await t.tail(broker, 'start')
      const claim = broker.queue.claim(['q'], 1, new AbortController().signal)
      await mustAppend(stays, subject, round)
      await tail.count(round + 1)
      await t.within(broker.stop(), `stop number ${round}`)
      assert.deepEqual(await t.within(claim, 'the claim to end'), [])
      await t.within(tail.following.ended, 'the following to end')
    }
  },

  'a connection tells what it can do': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const { version, replicas, limits, warnings, durability, reach, ordered, expiryLagMs } = one.capabilities
    assert.ok(version.length > 0)
    assert.ok(Number.isInteger(replicas) && replicas >= 1)
    assert.ok(['none', 'process', 'power'].includes(durability))
    assert.ok(['cluster', 'machine', 'process'].includes(reach))
    assert.equal(typeof ordered, 'boolean')
    assert.ok(Number.isFinite(expiryLagMs) && expiryLagMs >= 0)
    for (const warning of warnings) assert.match(warning, /\S.*[.!]$/s, 'a warning is a whole sentence')
    const names = ['record', 'batch', 'queueItem', 'busMessage', 'kvValue'] as const
    for (const name of names) assert.ok(limits[name] > 0 && limits[name] <= LIMITS[name], name)
    assert.deepEqual(one.capabilities, two.capabilities)
  },

  'the URL tells no secret': async (t) => {
    const broker = await t.connect()
    assert.match(broker.url, /^[a-z]+:/)
    assert.doesNotMatch(broker.url, /:\/\/[^/]*:[^/]*@/)
  },
})
