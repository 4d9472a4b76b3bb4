/** Group commit, locks held by others, and a disk that is full. */

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { enterFolder } from '../../../src/broker/embedded/folder-place.ts'
import { committer, openMemoryStore, type Store } from '../../../src/broker/embedded/store/index.ts'
import {
  CallboardError,
  isCallboardError,
  mintId,
  systemDeps,
  virtualClock,
} from '../../../src/core/index.ts'
import { appended, atEnd, codeOf, newFolder, startBroker } from './support.ts'

const deps = systemDeps()
const FULL = { synchronous: 'full', maxBytes: undefined } as const

/** The place that brokers on this folder share, to look inside. */
async function placeIn(dir: string) {
  const stay = await enterFolder(dir, FULL, deps)
  atEnd(stay.leave)
  return stay.place
}

/** Holds the write lock of a store from outside, as another process in the middle of a commit does. */
async function lockedBy(dir: string): Promise<() => void> {
  const other = new DatabaseSync(join(dir, 'callboard.db'))
  atEnd(async () => other.close())
  other.exec('BEGIN IMMEDIATE')
  return () => other.exec('COMMIT')
}

describe('a group', () => {
  test('of many appends, items and keys of several brokers is one commit', async () => {
    const dir = await newFolder()
    const [one, two] = [await startBroker(`embedded:${dir}`), await startBroker(`embedded:${dir}`)]
    const bucket = await two.kv.bucket('b')
    const place = await placeIn(dir)
    const before = place.commits
    const appends = Array.from({ length: 200 }, (_, i) =>
      (i % 2 ? one : two).log.append(mintId(deps), ['1'], { expect: 0 }),
    )
    const rest = [bucket.put('k', 1), one.queue.enqueue('q', 1, { id: 'i' })]
    for (const outcome of await Promise.all(appends)) appended(outcome)
    await Promise.all(rest)
    expect(place.commits - before).toBe(1)
  })

  test('with two appends on one revision takes one and tells the other', async () => {
    const broker = await startBroker('memory:')
    const outcomes = await Promise.all([
      broker.log.append('s', ['1'], { expect: 0, nonce: 'a' }),
      broker.log.append('s', ['2'], { expect: 0, nonce: 'b' }),
      broker.log.append('s', ['3'], { expect: 1, nonce: 'c' }),
      broker.log.append('s', ['1'], { expect: 0, nonce: 'a' }),
    ])
    expect(outcomes).toMatchObject([
      { outcome: 'appended', rev: 1 },
      { outcome: 'conflict', rev: 1 },
      { outcome: 'appended', rev: 2 },
      { outcome: 'appended', rev: 1 },
    ])
  })

  test('that is too large for one transaction goes in several, in order', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}`)
    const place = await placeIn(dir)
    const before = place.commits
    const record = JSON.stringify('x'.repeat(60_000))
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, rev) => broker.log.append('s', [record], { expect: rev })),
    )
    expect(outcomes.map((outcome) => appended(outcome).rev)).toEqual(outcomes.map((_, i) => i + 1))
    expect(place.commits - before).toBe(2)
  })
})

describe('a committer', () => {
  const options = { durable: true, bytes: 0, patienceMs: 1_000 }

  function stand(store: Store) {
    const clock = virtualClock()
    const gathered: string[] = []
    const told: string[] = []
    const participant = {
      committed() {
        told.push(...gathered.splice(0))
        return true
      },
      rolledBack: () => void gathered.splice(0),
    }
    const announced: number[] = []
    const hooks = { participants: [participant], announce: () => void announced.push(told.length) }
    const writer = committer(store, { ...deps, clock }, hooks)
    const insert = store.command('INSERT INTO meta (name, value) VALUES (?, ?)')
    const write = (name: string, patienceMs = 1_000) =>
      writer.write(
        () => {
          insert.run(name, 'x')
          gathered.push(name)
          return name
        },
        { ...options, patienceMs },
      )
    const names = () =>
      store
        .query<{ name: string }>("SELECT name FROM meta WHERE name <> 'id' ORDER BY name")
        .all()
        .map(({ name }) => name)
    return { clock, writer, write, names, told, announced }
  }

  test('lets a job that refuses fail alone', async () => {
    const { clock, writer, write, names, told } = stand(openMemoryStore(deps))
    const refused = writer.write(() => {
      throw new CallboardError('CB_E_CURSOR_LOST', 'no')
    }, options)
    const writes = Promise.allSettled([write('a'), refused, write('b')])
    const [a, no, b] = await clock.drive(writes)
    expect([a.status, no.status, b.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(names()).toEqual(['a', 'b'])
    expect(told).toEqual(['a', 'b'])
  })

  test('undoes a group with a job that breaks, then does the others without it, each told once', async () => {
    const { clock, write, names, told, announced } = stand(openMemoryStore(deps))
    const outcomes = await clock.drive(Promise.allSettled([write('a'), write('a'), write('b')]))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: { code: 'CB_E_BUG' } })
    expect(names()).toEqual(['a', 'b'])
    expect(told).toEqual(['a', 'b'])
    expect(announced).toEqual([1, 2])
  })

  test('tries again while the lock is held, keeps the order, and gives up at the deadline', async () => {
    const store = openMemoryStore(deps)
    let locked = true
    const busy: Store = {
      ...store,
      begin(durable) {
        if (locked) throw Object.assign(new Error('database is locked'), { errcode: 5 })
        store.begin(durable)
      },
    }
    const { clock, write, names, told } = stand(busy)
    const hasty = write('hasty', 50)
    const patient = [write('b', 10_000), write('a', 10_000)]
    expect(await clock.drive(codeOf(hasty))).toBe('CB_E_BROKER_UNAVAILABLE')
    expect(names()).toEqual([])
    locked = false
    await clock.drive(Promise.all(patient))
    expect(told).toEqual(['b', 'a'])
  })

  test('undoes a group whose commit the disk failed, answers each of it, and goes on', async () => {
    const store = openMemoryStore(deps)
    let failures = 1
    const failing: Store = {
      ...store,
      commit() {
        if (failures-- > 0) throw Object.assign(new Error('disk I/O error'), { errcode: 10 })
        store.commit()
      },
    }
    const { clock, write, names, told } = stand(failing)
    const codes = await clock.drive(Promise.all(['a', 'b', 'c'].map((name) => codeOf(write(name)))))
    expect(codes).toEqual(Array.from({ length: 3 }, () => 'CB_E_BROKER_UNAVAILABLE'))
    expect([names(), told]).toEqual([[], []])
    expect(await clock.drive(write('a'))).toBe('a')
    expect([names(), told]).toEqual([['a'], ['a']])
  })

  test('has room for a bounded number of writes only', async () => {
    const { writer } = stand(openMemoryStore(deps))
    const large = { ...options, bytes: 100 * 1024 * 1024 }
    const first = writer.write(() => 1, large)
    first.catch(() => {})
    expect(await codeOf(writer.write(() => 2, large))).toBe('CB_E_BUSY')
  })
})

describe('a store that another process has locked', () => {
  test('takes the append as soon as it is free, and blocks nobody meanwhile', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}`)
    const free = await lockedBy(dir)
    const append = broker.log.append('s', ['1'], { expect: 0 })
    // Reading goes on beside a writer.
    expect(await broker.log.last('s')).toBeUndefined()
    free()
    expect(appended(await append).rev).toBe(1)
  })

  test('for too long leaves the append unknown and anything else unavailable', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}`, deps, { settleMs: 20, callTimeoutMs: 20 })
    const free = await lockedBy(dir)
    const [append, enqueue] = [
      broker.log.append('s', ['1'], { expect: 0, nonce: 'n' }),
      broker.queue.enqueue('q', 1, { id: 'i' }),
    ]
    expect(await append).toMatchObject({ outcome: 'unknown', cause: { code: 'CB_E_BROKER_UNAVAILABLE' } })
    expect(await codeOf(enqueue)).toBe('CB_E_BROKER_UNAVAILABLE')
    free()
    expect(appended(await broker.log.append('s', ['1'], { expect: 0, nonce: 'n' })).rev).toBe(1)
  })
})

describe('a store that is full', () => {
  test('says so, has written nothing of what it refused, and goes on when there is room', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}?max_bytes=1MiB`)
    const record = JSON.stringify('x'.repeat(10_000))
    let rev = 0
    const refusal = await (async () => {
      for (; ; rev++) appended(await broker.log.append('s', [record], { expect: rev }))
    })().catch((error: unknown) => error)
    expect(isCallboardError(refusal, 'CB_E_STORE_FULL')).toBe(true)
    expect((await broker.log.last('s'))?.rev).toBe(rev)
    const enqueue = broker.queue.enqueue('q', 'x'.repeat(20_000), { id: 'i' })
    expect(await codeOf(enqueue)).toBe('CB_E_STORE_FULL')

    await broker.stop()
    const roomier = await startBroker(`embedded:${dir}?max_bytes=2MiB`)
    expect(appended(await roomier.log.append('s', [record], { expect: rev })).rev).toBe(rev + 1)
    expect(await Array.fromAsync(roomier.log.read('s'))).toHaveLength(rev + 1)
  })

  test('has room again after an archive', async () => {
    const broker = await startBroker(`embedded:${await newFolder()}?max_bytes=1MiB`)
    const record = JSON.stringify('x'.repeat(10_000))
    const fill = async (subject: string): Promise<number> => {
      for (let rev = 0; ; rev++) {
        const outcome = await broker.log.append(subject, [record], { expect: rev }).catch(() => undefined)
        if (!outcome) return rev
      }
    }
    const rev = await fill('s')
    const small = await broker.log.archive('s', [], { expect: rev })
    expect(appended(small).rev).toBe(rev + 1)
    expect(await fill('t')).toBeGreaterThan(rev / 2)
  })
})
