/** The gateway's one following of the log: whom it tells, in which order, and what it goes on after. */

import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createRun } from '../../src/actors/index.ts'
import { memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import type { Broker, Cursor, Entry, Log } from '../../src/broker/index.ts'
import { CallboardError, systemDeps } from '../../src/core/index.ts'
import { createFeed, type Feed } from '../../src/gateway/feed.ts'
import { OwnWrites, parseMark } from '../../src/gateway/own-writes.ts'
import type { ReadModel } from '../../src/gateway/read-model/index.ts'
import { stressService } from '../../src/testing/index.ts'
import { openModel, POLICY } from './support/log.ts'

const deps = systemDeps()
let broker: Broker
let model: ReadModel
const stopping: Feed[] = []

beforeEach(async () => {
  broker = memoryBroker(memoryPlace(), deps)
  await broker.start()
  model = openModel()
})
afterEach(async () => {
  for (const feed of stopping.splice(0)) await feed.stop()
  model.close()
  await broker.stop()
})

async function started(log: Log = broker.log): Promise<Feed> {
  const feed = createFeed({ log }, model, deps)
  stopping.push(feed)
  await feed.start()
  return feed
}

const newRun = async (name = 'n') =>
  (
    await createRun(broker, deps, {
      flow: 'f',
      name,
      parameters: { v: null },
      policy: POLICY,
      by: { channel: 'test' },
    })
  ).run

/** The broker's log, with another way to follow it. */
function logWith(follow: Log['follow']): Log {
  const { append, archive, compare, end, last, read } = broker.log
  return { append, archive, compare, end, last, read, follow }
}

/** Its first followings cannot begin. */
function failing(...errors: readonly CallboardError[]): Log {
  const left = [...errors]
  return logWith((...asked) => {
    const error = left.shift()
    return error === undefined ? broker.log.follow(...asked) : Promise.reject(error)
  })
}

describe('a feed', () => {
  test('keeps the contract of everything with a life', async () => {
    await stressService(() => createFeed(broker, model, deps))
  })

  test('tells whoever listens of every entry once, in order, and after the read model has it', async () => {
    const feed = await started()
    const heard: string[] = []
    const known: boolean[] = []
    const end = feed.listen((entries) => {
      for (const { subject } of entries) {
        heard.push(subject)
        known.push(model.runs.get(subject) !== undefined)
      }
    })
    const runs = [await newRun(), await newRun(), await newRun()]
    for (const run of runs) expect(await feed.reached(run, 1, 5_000)).toBe(true)
    end()
    expect(await feed.reached(await newRun(), 1, 5_000)).toBe(true)
    expect(heard).toEqual(runs)
    expect(known).toEqual([true, true, true])
  })

  test('hands on in large parts what was there when it began, and at once what comes later', async () => {
    for (let number = 0; number < 30; number++) await newRun()
    const oneByOne: Log['follow'] = (filter, from, handler) =>
      broker.log.follow(filter, from, async (entries) => {
        for (const entry of entries) await handler([entry])
      })
    const feed = createFeed({ log: logWith(oneByOne) }, model, deps)
    stopping.push(feed)
    const parts: number[] = []
    feed.listen(({ length }) => void parts.push(length))
    await feed.start()
    await feed.reached(await newRun(), 1, 5_000)
    while (feed.status.is !== 'live') await turn()
    await feed.reached(await newRun(), 1, 5_000)
    expect(parts.slice(0, 1)).toEqual([24])
    expect(parts.reduce((sum, part) => sum + part)).toBe(32)
    expect(parts.at(-1)).toBe(1)
  })

  test('is where its newest entry is', async () => {
    const feed = await started()
    expect(broker.log.compare(feed.position, await broker.log.end())).toBe(0)
    let newest: Cursor | undefined
    feed.listen((entries: readonly Entry[]) => {
      newest = entries.at(-1)?.cursor
    })
    await feed.reached(await newRun(), 1, 5_000)
    expect(feed.position).toBe(newest)
  })

  test('goes on telling the others when one who listens throws', async () => {
    const feed = await started()
    let heard = 0
    feed.listen(() => {
      throw new Error('not today')
    })
    feed.listen(({ length }) => {
      heard += length
    })
    for (let number = 0; number < 3; number++) await feed.reached(await newRun(), 1, 5_000)
    expect([heard, feed.status]).toEqual([3, { is: 'live' }])
  })

  test('follows again after its following has ended with an error', async () => {
    const away = new CallboardError('CB_E_BROKER_UNAVAILABLE', 'The broker is away.')
    const ended = Promise.withResolvers<void>()
    let followings = 0
    const feed = await started(
      logWith(async (...asked) => {
        const following = await broker.log.follow(...asked)
        followings++
        return followings > 1 ? following : { ...following, ended: ended.promise }
      }),
    )
    const heard: string[] = []
    feed.listen((entries) => {
      heard.push(...entries.map(({ subject }) => subject))
    })
    const before = await newRun()
    await feed.reached(before, 1, 5_000)
    ended.reject(away)
    while (followings < 2) await turn()
    const after = await newRun()
    expect(await feed.reached(after, 1, 5_000)).toBe(true)
    expect(heard.filter((run) => run === after)).not.toEqual([])
  })

  test('reads again, and misses nothing, after the read model could not take an entry', async () => {
    let isBroken = false
    const feed = await started(
      logWith((filter, from, handler) =>
        broker.log.follow(filter, from, async (entries) => {
          const subject = Symbol('no text') as never
          if (feed.status.is === 'live' && !isBroken) {
            isBroken = true
            await handler([...entries, ...entries.map((entry) => ({ ...entry, subject }))])
          } else await handler(entries)
        }),
      ),
    )
    while (feed.status.is !== 'live') await turn()
    const runs: string[] = []
    while (model.runs.get(runs[0] ?? '') === undefined || runs.length < 30) {
      runs.push(await newRun())
      await turn()
    }
    for (const run of runs) {
      expect(await feed.reached(run, 1, 5_000)).toBe(true)
      expect(model.runs.get(run)?.id).toBe(run)
    }
    expect(isBroken).toBe(true)
  })

  test('does not begin when the log cannot be followed, and says why', async () => {
    const away = new CallboardError('CB_E_BROKER_UNAVAILABLE', 'The broker is away.')
    const feed = createFeed({ log: failing(away) }, model, deps)
    await expect(feed.start()).rejects.toBe(away)
    await feed.stop()
  })

  test('makes the read model anew when the log does not know its place', async () => {
    const before = await newRun('before')
    const first = await started()
    await first.reached(before, 1, 5_000)
    await first.stop()
    const lost = new CallboardError('CB_E_CURSOR_LOST', 'The cursor is past the end.')
    const second = await started(failing(lost))
    expect(await second.reached(before, 1, 5_000)).toBe(true)
    expect(model.runs.get(before)?.name).toBe('before')
  })

  test('says after its time that a revision has not come', async () => {
    const feed = await started()
    expect(await feed.reached('nobody', 1, 1)).toBe(false)
    const run = await newRun()
    expect(await feed.reached(run, 1, 5_000)).toBe(true)
    expect(await feed.reached(run, 2, 1)).toBe(false)
  })

  test('lets nobody wait for what will not come once it is stopped', async () => {
    const feed = await started()
    const waiting = feed.reached('nobody', 1, 60_000)
    await feed.stop()
    expect(await waiting).toBe(false)
  })
})

describe('own writes', () => {
  test('are waited for, all that were made before', async () => {
    const feed = await started()
    const writes = new OwnWrites(feed)
    const runs = await Promise.all(Array.from({ length: 50 }, () => newRun()))
    for (const run of runs) writes.wrote(run, 1)
    await writes.settled()
    for (const run of runs) expect(model.runs.head(run)?.rev).toBe(1)
  })

  test('are marked for other gateways', () => {
    expect(parseMark('01ab.12')).toEqual({ run: '01ab', rev: 12 })
    for (const text of ['', '.', 'a.', '.1', 'a.b', 'a.1.2', 'a b.1', 'a.99999999999999999999'])
      expect(() => parseMark(text), text).toThrow(expect.objectContaining({ code: 'CB_E_REQUEST_INVALID' }))
  })
})
