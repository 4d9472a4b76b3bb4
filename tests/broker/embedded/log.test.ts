/** What the conformance suite cannot see of the log: pages, the shared tail, long archives, damage. */

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { enterFolder } from '../../../src/broker/embedded/folder-place.ts'
import { logTable, logTail, type Page, type TailListener } from '../../../src/broker/embedded/log/index.ts'
import { openMemoryStore } from '../../../src/broker/embedded/store/index.ts'
import type { Broker, Entry } from '../../../src/broker/index.ts'
import { mintId, partitionOf, systemDeps } from '../../../src/core/index.ts'
import { appended, atEnd, codeOf, newFolder, startBroker } from './support.ts'

const deps = systemDeps()

async function fill(broker: Broker, subject: string, count: number, from = 0): Promise<void> {
  const appends = Array.from({ length: count }, (_, i) =>
    broker.log.append(subject, [String(from + i)], { expect: from + i }),
  )
  for (const outcome of await Promise.all(appends)) appended(outcome)
}

describe('a page reader', () => {
  const batchOf = (subject: string, expect: number) => ({
    subject,
    expect,
    nonce: 'n',
    at: 0,
    body: '[]',
    records: [],
  })

  test('walks any partitions in the order of the log, whatever is not among them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(5), { maxLength: 700 }),
        fc.uniqueArray(fc.nat(5), { maxLength: 6 }),
        fc.nat(700),
        (written, wanted, after) => {
          const store = openMemoryStore(deps)
          const table = logTable(store)
          const subjects = Array.from({ length: 6 }, (_, partition) => mintId(deps, partition))
          const revs = subjects.map(() => 0)
          store.begin(false)
          for (const partition of written) {
            const rev = revs[partition] ?? 0
            table.append(batchOf(subjects[partition] ?? '', rev))
            revs[partition] = rev + 1
          }
          store.commit()
          const read = table.reader({ partitions: new Set(wanted) })
          const seqs: number[] = []
          let position = after
          for (let page = read(position); page.rows.length > 0; page = read(position)) {
            seqs.push(...page.rows.map(({ seq }) => seq))
            position = page.upTo
          }
          const expected = written.flatMap((partition, index) =>
            wanted.includes(partition) && index + 1 > after ? [index + 1] : [],
          )
          expect(seqs).toEqual(expected)
          expect(position).toBeGreaterThanOrEqual(Math.min(after, written.length))
          store.close()
        },
      ),
      { numRuns: 60 },
    )
  })

  test('gives pages that are bounded in bytes too', () => {
    const store = openMemoryStore(deps)
    const table = logTable(store)
    store.begin(false)
    const body = JSON.stringify(['x'.repeat(400_000)])
    for (let rev = 0; rev < 7; rev++) table.append({ ...batchOf('s', rev), body })
    store.commit()
    const read = table.reader({ partitions: 'all' })
    const first = read(0)
    expect([first.rows.length, first.more]).toEqual([3, true])
    expect(read(first.upTo).rows.map(({ rev }) => rev)).toEqual([4, 5, 6])
    store.close()
  })
})

describe('the tail', () => {
  function listener(position: number): TailListener & { readonly pages: readonly (Page | undefined)[] } {
    const pages: (Page | undefined)[] = []
    return {
      position,
      pages,
      tell(page) {
        pages.push(page)
        return true
      },
    }
  }

  test('refuses to park whoever looked before the last commit', () => {
    const store = openMemoryStore(deps)
    const tail = logTail(logTable(store))
    const before = tail.moment()
    tail.poll()
    expect(tail.park(listener(0), before)).toBe(false)
    expect(tail.park(listener(0), tail.moment())).toBe(true)
    store.close()
  })

  test('tells of own commits without reading, and of those of others with one read for all', () => {
    const store = openMemoryStore(deps)
    const table = logTable(store)
    let reads = 0
    const counted = {
      ...table,
      reader: (filter: Parameters<typeof table.reader>[0]) => {
        const read = table.reader(filter)
        return (after: number) => {
          reads++
          return read(after)
        }
      },
    }
    const tail = logTail(counted)
    const listeners = Array.from({ length: 20 }, () => listener(0))
    for (const each of listeners) tail.park(each, tail.moment())
    const append = (rev: number) => table.append({ subject: 's', expect: rev, nonce: 'n', at: 0, body: '[]' })

    const own = append(0)
    if ('row' in own) tail.gather(own.row)
    tail.committed()
    expect(reads).toBe(0)
    append(1)
    tail.poll()
    expect(reads).toBe(1)
    append(2)
    const afterAnother = append(3)
    if ('row' in afterAnother) tail.gather(afterAnother.row)
    tail.committed()
    expect(reads).toBe(2)
    for (const { pages } of listeners)
      expect(pages.map((page) => page?.rows.map(({ rev }) => rev))).toEqual([[1], [2], [3, 4]])
    store.close()
  })
})

describe('the window of the tail', () => {
  function opened() {
    const store = openMemoryStore(deps)
    const table = logTable(store)
    const tail = logTail(table)
    let rev = 0
    /** One transaction of this process. */
    const commit = (count: number, body = '[]') => {
      for (let i = 0; i < count; i++) {
        const result = table.append({ subject: 's', expect: rev++, nonce: 'n', at: 0, body })
        if ('row' in result) tail.gather(result.row)
      }
      tail.committed()
    }
    const parkAt = (position: number) => tail.park({ position, tell: () => false }, tail.moment())
    const revsAfter = (position: number) => tail.page(position)?.rows.map((row) => row.rev)
    return { store, table, tail, commit, parkAt, revsAfter, skip: () => rev++ }
  }

  test('has what was committed while a listener was busy, and lets it park at its end only', () => {
    const { store, tail, commit, parkAt, revsAfter } = opened()
    expect(revsAfter(0)).toBeUndefined()
    expect(parkAt(0)).toBe(true)
    commit(2)
    commit(1)
    expect([revsAfter(0), revsAfter(2), revsAfter(3)]).toEqual([[1, 2, 3], [3], []])
    expect(tail.page(0)?.upTo).toBe(3)
    expect(revsAfter(4)).toBeUndefined()
    expect([parkAt(2), parkAt(3)]).toEqual([false, true])
    store.close()
  })

  test('begins with a listener that has looked up to the end, also when it parks later', () => {
    const { store, tail, commit, revsAfter } = opened()
    const before = tail.moment()
    commit(2)
    tail.attend(0, before)
    commit(1)
    expect(revsAfter(2)).toBeUndefined()
    tail.attend(3, tail.moment())
    commit(2)
    expect(revsAfter(3)).toEqual([4, 5])
    store.close()
  })

  test('is bounded: a listener that is further behind has to read', () => {
    const { store, commit, parkAt, revsAfter } = opened()
    parkAt(0)
    commit(3_000)
    expect(revsAfter(0)).toBeUndefined()
    expect(revsAfter(2_990)).toHaveLength(10)
    const body = JSON.stringify(['x'.repeat(150_000)])
    commit(10, body)
    expect(revsAfter(3_000)).toBeUndefined()
    expect(revsAfter(3_008)).toEqual([3_009, 3_010])
    store.close()
  })

  test('takes in what another process has committed before a listener that has read it may park', () => {
    const { store, table, parkAt, revsAfter, skip } = opened()
    parkAt(0)
    table.append({ subject: 's', expect: 0, nonce: 'n', at: 0, body: '[]' })
    skip()
    expect(parkAt(1)).toBe(true)
    expect(revsAfter(0)).toEqual([1])
    store.close()
  })

  test('is given up when nobody follows any more', () => {
    const { store, tail, commit, revsAfter } = opened()
    const listener = { position: 0, tell: () => true }
    tail.park(listener, tail.moment())
    commit(1)
    expect(revsAfter(0)).toEqual([1])
    tail.unpark(listener)
    expect(revsAfter(0)).toBeUndefined()
    store.close()
  })
})

describe('a follower', () => {
  test('catches up with what another process has committed, also with nothing in it for itself', async () => {
    const dir = await newFolder()
    const here = await startBroker(`embedded:${dir}`)
    const there = await startBroker(`embedded:${dir}?max_bytes=1TiB`)
    const all = await here.log.follow({ partitions: 'all' }, 'start', () => {})
    await fill(here, mintId(deps, 1), 1)
    await all.caughtUp // the tail is known here
    for (let n = 0; n < 10; n++) {
      const last = await there.log.end()
      await fill(there, mintId(deps, 1), 1)
      const other = await here.log.follow({ partitions: new Set([2]) }, last, () => {})
      await other.caughtUp
      await other.stop()
    }
    await all.stop()
  })

  test('with a slow handler gets everything in order, and never more than a page or a commit at once', async () => {
    const broker = await startBroker(`embedded:${await newFolder()}`)
    const seen: Entry[] = []
    const sizes: number[] = []
    const following = await broker.log.follow({ partitions: 'all' }, 'start', async (entries) => {
      sizes.push(entries.length)
      await new Promise<void>((resolve) => deps.clock.defer(resolve))
      seen.push(...entries)
    })
    const subjects = Array.from({ length: 10 }, () => mintId(deps))
    await Promise.all(subjects.map((subject) => fill(broker, subject, 400)))
    const done = await broker.log.follow({ partitions: 'all' }, 'start', () => {})
    await done.caughtUp
    while (seen.length < 4_000) await new Promise<void>((resolve) => deps.clock.defer(resolve))
    for (const subject of subjects)
      expect(seen.filter((entry) => entry.subject === subject).map(({ rev }) => rev)).toEqual(
        Array.from({ length: 400 }, (_, i) => i + 1),
      )
    expect(seen).toHaveLength(4_000)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2_048)
    await following.stop()
  })

  test('of one partition is not stirred by the others, and catches up all the same', async () => {
    const broker = await startBroker('memory:')
    const mine = mintId(deps, 7)
    const other = mintId(deps, 8)
    const batches: (readonly Entry[])[] = []
    const following = await broker.log.follow({ partitions: new Set([7]) }, 'start', (entries) => {
      batches.push(entries)
    })
    await fill(broker, other, 600)
    await fill(broker, mine, 1)
    await fill(broker, other, 600, 600)
    const { caughtUp } = await broker.log.follow({ partitions: new Set([7]) }, 'start', () => {})
    await caughtUp
    expect(batches.map((entries) => entries.map(({ subject }) => subject))).toEqual([[mine]])
    await following.stop()
  })
})

describe('an archive', () => {
  test('of a long log leaves its tombstone alone; a reader on its way meets that and nothing half deleted', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}`)
    const subject = mintId(deps)
    await fill(broker, subject, 12_000)
    const stay = await enterFolder(dir, { synchronous: 'full', maxBytes: undefined }, deps)
    atEnd(stay.leave)
    const before = stay.place.commits
    const archiving = broker.log.archive(subject, ['"end"'], { expect: 12_000 })
    const readings: (readonly Entry[])[] = []
    let archived = false
    const finished = archiving.then(() => {
      archived = true
    })
    while (!archived) readings.push(await Array.fromAsync(broker.log.read(subject)))
    await finished
    expect(appended(await archiving).rev).toBe(12_001)
    for (const entries of readings) {
      const alive = entries.filter(({ tombstone }) => !tombstone).map(({ rev }) => rev)
      expect(alive).toEqual(alive.map((_, index) => index + 1))
      if (alive.length < 12_000) expect(entries.at(-1)).toMatchObject({ tombstone: true, rev: 12_001 })
    }
    expect(stay.place.commits - before).toBeGreaterThan(1)
    expect(await Array.fromAsync(broker.log.read(subject))).toMatchObject([{ tombstone: true, rev: 12_001 }])
  })

  test('that was cut short is finished by the next call', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}`)
    await fill(broker, 's', 20)
    await broker.log.archive('s', [], { expect: 20 })
    const other = new DatabaseSync(join(dir, 'callboard.db'))
    const row = `'s', 3, ${partitionOf('s')}, 0, 0, 'n', '[]'`
    other.exec(`INSERT INTO log (subject, rev, partition, tombstone, at, nonce, body) VALUES (${row})`)
    expect(await Array.fromAsync(broker.log.read('s'))).toHaveLength(1)
    expect(appended(await broker.log.archive('s', [], { expect: 0 })).rev).toBe(21)
    expect(other.prepare("SELECT count(*) AS count FROM log WHERE subject = 's'").get()).toEqual({ count: 1 })
    other.close()
  })
})

test('an entry that is damaged ends the following and the reading with a code, and nothing else', async () => {
  const dir = await newFolder()
  const broker = await startBroker(`embedded:${dir}`)
  await fill(broker, 's', 3)
  const other = new DatabaseSync(join(dir, 'callboard.db'))
  other.exec("UPDATE log SET body = '[{' WHERE rev = 2")
  other.close()
  const following = await broker.log.follow({ partitions: 'all' }, 'start', () => {})
  expect(await codeOf(following.ended)).toBe('CB_E_STORE_DAMAGED')
  expect(await codeOf(Array.fromAsync(broker.log.read('s')))).toBe('CB_E_STORE_DAMAGED')
  expect((await broker.log.last('s'))?.rev).toBe(3)
})
