/** Claims on a real server: what is left open there, what is given back, and what happens when something goes wrong. */

import { headers } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Claimed } from '../../../src/broker/index.ts'
import { natsBroker } from '../../../src/broker/nats/index.ts'
import { systemDeps, virtualClock } from '../../../src/core/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { startProxy } from '../../support/proxy.ts'
import {
  codeOf,
  jsApi,
  type OpenBroker,
  rawConnection,
  recorder,
  rejection,
  started,
  until,
} from './fixture.ts'

const forever = () => new AbortController().signal
const SMALL = 'log_bytes=8M&work_bytes=16M&objects_bytes=8M'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server[Symbol.asyncDispose]())

let prefixes = 0
let prefix: string
let url: string
let one: OpenBroker
let two: OpenBroker
beforeEach(async () => {
  prefix = `q${prefixes++}`
  url = `${server.url}?prefix=${prefix}&${SMALL}`
  one = await started(url)
  two = await started(url)
})
afterEach(async () => {
  await one.stop()
  await two.stop()
})

/** How many pulls wait at the server for this queue, over its priorities. */
async function pullsWaiting(queue: string): Promise<number> {
  await using nc = await rawConnection(server.url)
  const infos = await Promise.all(
    [0, 1, 2, 3].map((priority) =>
      jsApi<{ num_waiting?: number }>(nc, `CONSUMER.INFO.${prefix.toUpperCase()}_WORK.${queue}_${priority}`),
    ),
  )
  return infos.reduce((sum, { num_waiting = 0 }) => sum + num_waiting, 0)
}

const ids = (items: readonly Claimed[]) => items.map((item) => item.id)

describe('pulls at the server', () => {
  test('are one per queue and priority, however many claims wait, and gone once the claims are aborted', async () => {
    const abort = new AbortController()
    const waiting = Array.from({ length: 5 }, () => one.queue.claim(['a', 'b'], 3, abort.signal))
    await until(async () => (await pullsWaiting('a')) === 4 && (await pullsWaiting('b')) === 4)
    abort.abort()
    expect(await Promise.all(waiting)).toEqual([[], [], [], [], []])
    expect([await pullsWaiting('a'), await pullsWaiting('b')]).toEqual([0, 0])
  })

  test('are taken back when nobody has claimed for a moment', async () => {
    const waiting = one.queue.claim(['a'], 1, forever())
    await until(async () => (await pullsWaiting('a')) === 4)
    await two.queue.enqueue('a', 1, { id: 'i' })
    expect(ids(await waiting)).toEqual(['i'])
    await until(async () => (await pullsWaiting('a')) === 0)
  })

  test('stay for the claims that still wait when another is aborted', async () => {
    const abort = new AbortController()
    const aborted = one.queue.claim(['a', 'b'], 1, abort.signal)
    const stays = one.queue.claim(['b'], 1, forever())
    await until(async () => (await pullsWaiting('a')) === 4 && (await pullsWaiting('b')) === 4)
    abort.abort()
    expect(await aborted).toEqual([])
    expect(await pullsWaiting('a')).toBe(0)
    await two.queue.enqueue('b', 1, { id: 'i', priority: 3 })
    const [claimed] = await stays
    expect([claimed?.id, claimed?.delivery]).toEqual(['i', 1])
  })
})

describe('a pull in the time of the driver', () => {
  const PULL = /PUB \$JS\.API\.CONSUMER\.MSG\.NEXT\.\S+ (\S+) /g

  /** A broker whose time stands still unless it is moved, with a claim that waits; `pulls` are their reply subjects. */
  async function claimer() {
    const pulls: string[] = []
    const proxy = await startProxy(() => server.port, {
      rewrite(chunk, direction) {
        if (direction === 'to-server')
          for (const [, reply] of chunk.toString('latin1').matchAll(PULL)) pulls.push(reply ?? '')
        return chunk
      },
    })
    const clock = virtualClock()
    const near = `nats://127.0.0.1:${proxy.port}?prefix=${prefix}&${SMALL}`
    const broker = natsBroker(near, { ...systemDeps(), clock }, { environment: {} })
    await broker.start()
    const waiting = broker.queue.claim(['q'], 1, forever())
    await until(async () => (await pullsWaiting('q')) === 4)
    async function end() {
      await broker.stop()
      await proxy[Symbol.asyncDispose]()
    }
    return { broker, clock, proxy, pulls, waiting, [Symbol.asyncDispose]: end }
  }

  test('is replaced when nothing is heard of it for two heartbeats', async () => {
    await using near = await claimer()
    const before = near.pulls.length
    near.proxy.stall('to-client')
    await near.clock.advance(15_000)
    await until(() => near.pulls.length === before + 4)
    near.proxy.restore()
    await two.queue.enqueue('q', 1, { id: 'i' })
    expect(ids(await near.waiting)).toEqual(['i'])
  })

  test('stays as long as its heartbeats come', async () => {
    await using near = await claimer()
    await using nc = await rawConnection(server.url)
    const before = near.pulls.length
    for (let beat = 0; beat < 5; beat++) {
      for (const reply of near.pulls.slice(-4))
        nc.publish(reply, '', { headers: headers(100, 'Idle Heartbeat') })
      await nc.flush()
      await near.broker.queue.depth('q')
      await near.clock.advance(10_000)
    }
    expect(near.pulls).toHaveLength(before)
    await two.queue.enqueue('q', 1, { id: 'i' })
    expect(ids(await near.waiting)).toEqual(['i'])
  })
})

describe('an item', () => {
  test('that comes to a process where nobody waits for it is given back at once, and claimed elsewhere', async () => {
    for (let round = 0; round < 10; round++) {
      const waiting = one.queue.claim(['x', 'y'], 1, forever())
      await until(async () => (await pullsWaiting('x')) === 4 && (await pullsWaiting('y')) === 4)
      await Promise.all([
        two.queue.enqueue('x', round, { id: `x${round}` }),
        two.queue.enqueue('y', round, { id: `y${round}` }),
      ])
      const [mine] = await waiting
      const [theirs] = await two.queue.claim(['x', 'y'], 1, forever())
      expect([mine?.id, theirs?.id].toSorted()).toEqual([`x${round}`, `y${round}`])
      await mine?.ack()
      await theirs?.ack()
    }
  })

  test('is gone for good when the acknowledgement got through and its answer was lost', async () => {
    await using proxy = await startProxy(() => server.port)
    const near = await started(`nats://127.0.0.1:${proxy.port}?prefix=${prefix}&${SMALL}`, {
      claimTimeoutMs: 5_000,
    })
    await near.queue.enqueue('q', 1, { id: 'done' })
    const [held] = await near.queue.claim(['q'], 1, forever())
    proxy.stall('to-client')
    const acknowledging = held?.ack()
    await until(async () => (await two.queue.depth('q')) === 0 && (await stored()) === 0)
    proxy.cut()
    proxy.restore()
    await acknowledging
    await two.queue.enqueue('q', 2, { id: 'next' })
    expect(ids(await near.queue.claim(['q'], 5, forever()))).toEqual(['next'])
    await near.stop()
  })

  test('whose acknowledgement never got through comes again', async () => {
    await using proxy = await startProxy(() => server.port)
    const options = { claimTimeoutMs: 1_000 }
    const near = await started(`nats://127.0.0.1:${proxy.port}?prefix=${prefix}&${SMALL}`, options)
    const far = await started(url, options)
    await near.queue.enqueue('q', 1, { id: 'again' })
    const [held] = await near.queue.claim(['q'], 1, forever())
    proxy.cut()
    await held?.ack()
    const [again] = await far.queue.claim(['q'], 1, forever())
    expect([again?.id, again?.delivery]).toEqual(['again', 2])
    proxy.restore()
    await near.stop()
    await far.stop()
  })

  async function stored(): Promise<number> {
    await using nc = await rawConnection(server.url)
    const info = await jsApi<{ state: { messages: number } }>(nc, `STREAM.INFO.${prefix.toUpperCase()}_WORK`)
    return info.state.messages
  }

  test('that is none is taken off the queue with an error in the log, and the next one is served', async () => {
    const logger = recorder()
    await using broker = await started(url, { logger })
    const waiting = broker.queue.claim(['q'], 1, forever())
    await until(async () => (await pullsWaiting('q')) === 4)
    await using nc = await rawConnection(server.url)
    await nc.request(`${prefix}.1.q.q.1`, 'this is no JSON')
    await two.queue.enqueue('q', 1, { id: 'good' })
    expect(ids(await waiting)).toEqual(['good'])
    await until(async () => (await stored()) === 1)
    expect(logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', facts: { queue: 'q', sequence: 1 } }),
    )
  })
})

describe('a claim', () => {
  test('with another time-out than the queue was made with is refused, naming the field', async () => {
    const abort = new AbortController()
    const waiting = one.queue.claim(['q'], 1, abort.signal)
    await until(async () => (await pullsWaiting('q')) === 4)
    await using other = await started(url, { claimTimeoutMs: 7_000 })
    const error = await rejection(other.queue.claim(['q'], 1, forever()))
    expect(codeOf(error)).toBe('CB_E_STREAM_DRIFT')
    expect(error.message).toMatch(/q_0.*ack_wait/)
    abort.abort()
    await waiting
  })

  test('goes on when the consumers are deleted under it', async () => {
    const waiting = one.queue.claim(['q'], 1, forever())
    await until(async () => (await pullsWaiting('q')) === 4)
    await using nc = await rawConnection(server.url)
    for (const priority of [0, 1, 2, 3])
      await jsApi(nc, `CONSUMER.DELETE.${prefix.toUpperCase()}_WORK.q_${priority}`)
    await two.queue.enqueue('q', 1, { id: 'after', priority: 2 })
    expect(ids(await waiting)).toEqual(['after'])
  })

  test('goes on when the server is killed and comes back', async () => {
    const waiting = one.queue.claim(['q'], 1, forever())
    await until(async () => (await pullsWaiting('q')) === 4)
    await server.kill()
    await server.start()
    await until(() => two.queue.enqueue('q', 1, { id: 'after' }).catch(() => undefined))
    const [claimed] = await waiting
    expect(claimed?.id).toBe('after')
    await claimed?.ack()
  })

  test('of many workers starting on a new queue at the same time makes one consumer per priority', async () => {
    const workers = await Promise.all(Array.from({ length: 8 }, () => started(url)))
    const abort = new AbortController()
    const waiting = workers.map((worker) => worker.queue.claim(['new'], 1, abort.signal))
    await until(async () => (await pullsWaiting('new')) === 32)
    await using nc = await rawConnection(server.url)
    const { consumers } = await jsApi<{ consumers: string[] }>(
      nc,
      `CONSUMER.NAMES.${prefix.toUpperCase()}_WORK`,
    )
    expect(consumers.toSorted()).toEqual(['new_0', 'new_1', 'new_2', 'new_3'])
    abort.abort()
    await Promise.all(waiting)
    await Promise.all(workers.map((worker) => worker.stop()))
  })
})
