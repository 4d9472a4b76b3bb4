/** Following on a real server: bounded, without gap or duplicate whatever breaks, and never on another log unnoticed. */

import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Cursor, Entry, FollowOptions } from '../../../src/broker/index.ts'
import { partitionOf } from '../../../src/core/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { type CutableProxy, startProxy } from '../../support/proxy.ts'
import {
  brokerAt,
  codeOf,
  fill,
  jsApi,
  mustAppend,
  newSubject,
  type OpenBroker,
  rawConnection,
  recorder,
  rejection,
  started,
  until,
} from './fixture.ts'

interface ConsumerReport {
  readonly name: string
  readonly config: { readonly filter_subject?: string; readonly mem_storage?: boolean }
  readonly delivered: { readonly consumer_seq: number }
}

const SMALL = 'log_bytes=256M&work_bytes=8M&objects_bytes=8M'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server[Symbol.asyncDispose]())

let prefixes = 0
let prefix: string
let url: string
let broker: OpenBroker
beforeEach(async () => {
  prefix = `f${prefixes++}`
  url = `${server.url}?prefix=${prefix}&${SMALL}`
  broker = await started(url)
})
afterEach(() => broker.stop())

async function consumers(): Promise<readonly ConsumerReport[]> {
  await using nc = await rawConnection(server.url)
  const answer = await jsApi<{ consumers?: ConsumerReport[] }>(
    nc,
    `CONSUMER.LIST.${prefix.toUpperCase()}_LOG`,
  )
  return answer.consumers ?? []
}

/** Appends one entry after the other to a subject, and gives how many batches a follower got them in. */
async function batchesOf(count: number, options: FollowOptions): Promise<number> {
  const reader = await started(url)
  const all = Promise.withResolvers<void>()
  let [batches, entries] = [0, 0]
  const handler = (batch: readonly Entry[]) => {
    batches++
    entries += batch.length
    if (entries === count) all.resolve()
  }
  await reader.log.follow({ partitions: 'all' }, 'tail', handler, options)
  await fill(broker, newSubject(), count)
  await all.promise
  await reader.stop()
  return batches
}

/** Follows everything and keeps it. */
async function tail(
  follower: OpenBroker,
  from: 'start' | 'tail' | Cursor = 'start',
  options: FollowOptions = {},
) {
  const entries: Entry[] = []
  const handler = (batch: readonly Entry[]) => void entries.push(...batch)
  const following = await follower.log.follow({ partitions: 'all' }, from, handler, options)
  return { entries, following }
}

/** Every subject's revisions are 1, 2, 3, … and positions only grow. */
function expectDense(entries: readonly Entry[]): void {
  const next = new Map<string, number>()
  for (const [i, entry] of entries.entries()) {
    expect(entry.rev).toBe(next.get(entry.subject) ?? 1)
    next.set(entry.subject, entry.rev + 1)
    const before = entries[i - 1]
    if (before) expect(broker.log.compare(before.cursor, entry.cursor)).toBeLessThan(0)
  }
}

/** Many entries, quickly: many subjects at once. */
async function flood(count: number, record: string, subjects = 100): Promise<void> {
  await Promise.all(
    Array.from({ length: subjects }, async () => {
      const subject = newSubject()
      for (let rev = 0; rev < count / subjects; rev++) await mustAppend(broker, subject, rev, record)
    }),
  )
}

describe('a handler that does not come back', () => {
  test('holds the server back: a bounded number of entries has left it', async () => {
    await flood(5_000, 'x')
    const gate = Promise.withResolvers<void>()
    const entries: Entry[] = []
    const entered = Promise.withResolvers<void>()
    const following = await broker.log.follow({ partitions: 'all' }, 'start', async (batch) => {
      entered.resolve()
      await gate.promise
      entries.push(...batch)
    })
    await entered.promise
    await flood(500, 'y')
    const [consumer] = await consumers()
    const sent = consumer?.delivered.consumer_seq ?? 0
    expect(sent).toBeGreaterThan(0)
    expect(sent).toBeLessThanOrEqual(2 * 512)
    gate.resolve()
    await until(() => entries.length === 5_500)
    await following.caughtUp
    expectDense(entries)
    await following.stop()
  })

  test('holds large entries back by their bytes', async () => {
    const record = 'x'.repeat(60_000)
    await flood(600, record, 60)
    const gate = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const following = await broker.log.follow({ partitions: 'all' }, 'start', async () => {
      entered.resolve()
      await gate.promise
    })
    await entered.promise
    await flood(60, record, 60)
    const [consumer] = await consumers()
    expect((consumer?.delivered.consumer_seq ?? 0) * record.length).toBeLessThanOrEqual(20 * 1024 ** 2)
    gate.resolve()
    await following.caughtUp
    await following.stop()
  })
})

describe('a following', () => {
  test('has one consumer in memory, filtered at the server for one partition only, and none once it is stopped', async () => {
    const all = await tail(broker)
    const one = await broker.log.follow({ partitions: new Set([7]) }, 'start', () => {})
    const two = await broker.log.follow({ partitions: new Set([7, 8]) }, 'start', () => {})
    const there = await consumers()
    expect(there.map(({ config }) => config.filter_subject ?? 'all').toSorted()).toEqual([
      'all',
      'all',
      `${prefix}.1.log.07.*`,
    ])
    expect(there.every(({ config }) => config.mem_storage)).toBe(true)
    for (const { stop } of [all.following, one, two]) await stop()
    expect(await consumers()).toEqual([])
  })

  test('of one partition catches up at its own last entry, also when others come after it', async () => {
    const [ours, other] = [newSubject(7), newSubject(9)]
    await fill(broker, ours, 3)
    await fill(broker, other, 50)
    expect([partitionOf(ours), partitionOf(other)]).toEqual([7, 9])
    const seen: number[] = []
    const following = await broker.log.follow(
      { partitions: new Set([7]) },
      'start',
      (batch) => void seen.push(...batch.map((entry) => entry.rev)),
    )
    await following.caughtUp
    expect(seen).toEqual([1, 2, 3])
    await following.stop()
  })

  test('takes much in one batch when it gathers, and each entry by itself when it does not', async () => {
    const [gathered, told] = [await batchesOf(300, { gatherMs: 100 }), await batchesOf(300, {})]
    expect(gathered).toBeLessThan(100)
    expect(told).toBeGreaterThan(gathered)
  })

  test.each(['at once', 'gathered'])('goes on, %s, when its consumer is deleted under it', async (how) => {
    const { entries, following } = await tail(broker, 'start', { gatherMs: how === 'gathered' ? 5 : 0 })
    const subject = newSubject()
    await using nc = await rawConnection(server.url)
    for (let round = 0; round < 3; round++) {
      await fill(broker, subject, 50, round * 50)
      for (const { name } of await consumers())
        await jsApi(nc, `CONSUMER.DELETE.${prefix.toUpperCase()}_LOG.${name}`)
    }
    await fill(broker, subject, 50, 150)
    await until(() => entries.length >= 200)
    expectDense(entries)
    expect(entries.length).toBe(200)
    await following.stop()
  })

  test.each(['at once', 'gathered'])(
    'goes on, %s, through a network that breaks again and again, without gap or duplicate',
    async (how) => {
      let proxy: CutableProxy | undefined
      const through = await startProxy(() => server.port)
      proxy = through
      const follower = await started(`nats://127.0.0.1:${through.port}?prefix=${prefix}&${SMALL}`)
      const { entries, following } = await tail(follower, 'start', { gatherMs: how === 'gathered' ? 5 : 0 })
      const writing = (async () => {
        const subjects = Array.from({ length: 5 }, () => newSubject())
        for (let rev = 0; rev < 400; rev++)
          await Promise.all(subjects.map((subject) => mustAppend(broker, subject, rev)))
      })()
      for (const direction of ['to-client', 'to-server', 'to-client'] as const) {
        const before = entries.length
        await until(() => entries.length > before)
        proxy.stall(direction)
        proxy.cut()
        proxy.restore()
      }
      await writing
      await until(() => entries.length >= 2_000)
      expectDense(entries)
      expect(entries.length).toBe(2_000)
      await following.stop()
      await follower.stop()
      await through[Symbol.asyncDispose]()
      proxy = undefined
    },
  )

  test('notices a message that got lost on its way, and has it sent again', async () => {
    let dropped = 0
    const rewrite = (chunk: Buffer, direction: string) => {
      const whole = direction === 'to-client' && dropped < 3 ? firstEntryIn(chunk) : undefined
      if (!whole) return chunk
      dropped++
      return Buffer.concat([chunk.subarray(0, whole.begin), chunk.subarray(whole.end)])
    }
    await using proxy = await startProxy(() => server.port, { rewrite })
    await using follower = await started(`nats://127.0.0.1:${proxy.port}?prefix=${prefix}&${SMALL}`)
    const { entries, following } = await tail(follower)
    const subject = newSubject()
    await fill(broker, subject, 40)
    await until(() => entries.length >= 40)
    expectDense(entries)
    expect([entries.length, dropped]).toEqual([40, 3])
    await following.stop()
  })

  /** Where the first entry that a consumer delivered stands in these bytes, if it is there from end to end. */
  function firstEntryIn(chunk: Buffer): { begin: number; end: number } | undefined {
    const head = /HMSG \S+\.log\.\S+ \d+ \$JS\.ACK\.\S+ \d+ (\d+)\r\n/.exec(chunk.toString('latin1'))
    if (!head) return undefined
    const end = head.index + head[0].length + Number(head[1]) + 2
    return end <= chunk.length ? { begin: head.index, end } : undefined
  }

  test.each([
    ['is no entry', '{"hello":"world"}', 'CB_E_STORE_DAMAGED'],
    ['is of a newer format', '{"v":2}', 'CB_E_STORE_TOO_NEW'],
  ])('ends with a clear error at a message that %s', async (_, body, code) => {
    const { entries, following } = await tail(broker)
    const subject = newSubject()
    await fill(broker, subject, 2)
    await using nc = await rawConnection(server.url)
    await nc.request(`${prefix}.1.log.00.${newSubject()}`, body)
    expect(codeOf(await rejection(following.ended))).toBe(code)
    expect(entries.map((entry) => entry.rev)).toEqual([1, 2])
  })
})

describe('a log that was wiped or replaced behind our back', () => {
  let own: NatsServer
  beforeEach(async () => {
    own = await startNats()
  })
  afterEach(() => own[Symbol.asyncDispose]())

  test('[scenario 35] ends a following that was under way, and refuses its cursor, also once the streams are made anew', async () => {
    const logger = recorder()
    await using old = await started(`${own.url}?${SMALL}`, { logger })
    const { entries, following } = await tail(old)
    await fill(old, newSubject(), 5)
    await until(() => entries.length === 5)
    const cursor = entries.at(-1)?.cursor ?? 'none'
    await own.kill()
    await own.start({ wipe: true })
    expect(codeOf(await rejection(following.ended))).toBe('CB_E_CURSOR_LOST')
    await until(() => old.status === 'connected')
    await using fresh = await started(`${own.url}?${SMALL}`)
    await fill(fresh, newSubject(), 9)
    for (const each of [old, fresh]) {
      const error = await rejection(each.log.follow({ partitions: 'all' }, cursor as Cursor, () => {}))
      expect(codeOf(error)).toBe('CB_E_CURSOR_LOST')
    }
    expect(logger.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        message: expect.stringMatching(/run log.*wiped or replaced/),
      }),
    )
    const again = await tail(old)
    await again.following.caughtUp
    expect(again.entries.length).toBe(9)
    await again.following.stop()
  })

  test('and rolled back to an older state is noticed by its length', async () => {
    const copy = join(own.folder, 'older')
    await using writer = await started(`${own.url}?${SMALL}`)
    const subject = newSubject()
    await fill(writer, subject, 5)
    await own.stop()
    await cp(join(own.folder, 'store'), copy, { recursive: true })
    await own.start()
    const { entries, following } = await tail(writer)
    await fill(writer, subject, 5, 5)
    await until(() => entries.length === 10)
    await own.stop()
    await rm(join(own.folder, 'store'), { recursive: true })
    await cp(copy, join(own.folder, 'store'), { recursive: true })
    await own.start()
    const error = await rejection(following.ended)
    expect(codeOf(error)).toBe('CB_E_CURSOR_LOST')
    expect(error.message).toMatch(/ends at 5, before 10/)
    await using fresh = brokerAt(`${own.url}?${SMALL}`)
    await fresh.start()
    const cursor = entries.at(-1)?.cursor ?? ('none' as Cursor)
    expect(codeOf(await rejection(fresh.log.follow({ partitions: 'all' }, cursor, () => {})))).toBe(
      'CB_E_CURSOR_LOST',
    )
  })
})
