/** Following: what a follower sees, in which order, and where it goes on. */

import assert from 'node:assert/strict'
import type { Cursor, Entry, Log } from '../../broker/index.ts'
import { type JsonValue, partitionOf } from '../../core/index.ts'
import { stringOfBytes } from './samples.ts'
import { assertDense, below, fill, mustAppend, readAll, type Stage, type Tail } from './stage.ts'
import { cases } from './suite.ts'

const idOf = (entry: Entry) => `${entry.subject}/${entry.rev}`
const ids = (entries: readonly Entry[]) => entries.map(idOf)

function assertRising(log: Log, entries: readonly Entry[]): void {
  for (const [i, entry] of entries.entries()) {
    const before = entries[i - 1]
    if (before)
      assert.ok(log.compare(before.cursor, entry.cursor) < 0, `${idOf(before)} before ${idOf(entry)}`)
  }
}

/** Appends `count` entries to subjects of this partition, one after the other; answers their ids in order. */
async function scatter(
  t: Stage,
  tail: Tail,
  count: number,
  partitions: readonly number[],
): Promise<string[]> {
  const broker = await t.connect()
  const subjects = partitions.flatMap((partition) => [t.subject(partition), t.subject(partition)])
  const revs = new Map<string, number>()
  const order: string[] = []
  const already = tail.items.length
  for (let i = 0; i < count; i++) {
    const subject = subjects[below(subjects.length)] ?? assert.fail()
    const { rev } = await mustAppend(broker, subject, revs.get(subject) ?? 0)
    revs.set(subject, rev)
    order.push(`${subject}/${rev}`)
  }
  await tail.count(already + count)
  return order
}

export const followCases = cases('log', {
  'from the start, a follower sees what is there and then what comes': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await fill(writer, subject, 25)
    const tail = await t.tail(reader, 'start')
    await t.within(tail.following.caughtUp, 'the follower to catch up')
    assert.equal(tail.items.length, 25)
    await fill(writer, subject, 25, 25)
    await tail.count(50)
    assertDense(tail.items)
    assert.deepEqual(tail.items, await readAll(writer, subject))
  },

  'from the tail, a follower sees only what comes': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await fill(writer, subject, 10)
    const tail = await t.tail(reader, 'tail')
    await t.within(tail.following.caughtUp, 'the follower to catch up')
    await mustAppend(writer, subject, 10)
    await tail.count(1)
    assertDense(tail.items, 11)
  },

  'what is appended once follow has resolved is never missed from the tail': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    for (let round = 0; round < 15; round++) {
      const subject = t.subject()
      const tail = await t.tail(reader, 'tail')
      await mustAppend(writer, subject, 0)
      await tail.until((all) => all.some((entry) => entry.subject === subject), 'the entry after follow')
      await tail.following.stop()
    }
  },

  'from a cursor, a follower goes on with the entry after it': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 30)
    const entries = await readAll(broker, subject)
    for (const at of [0, 14, 28]) {
      const tail = await t.tail(broker, entries[at]?.cursor ?? assert.fail())
      await tail.count(29 - at)
      assertDense(tail.items, at + 2)
      await tail.following.stop()
    }
    const { cursor } = await mustAppend(broker, subject, 30)
    const tail = await t.tail(broker, cursor)
    await t.within(tail.following.caughtUp, 'the follower to catch up')
    await mustAppend(broker, subject, 31)
    await tail.count(1)
    assertDense(tail.items, 32)
  },

  'a cursor from one connection works in another, also as stored text': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await fill(one, subject, 40)
    const first = await t.tail(one, 'start')
    await first.count(40)
    const stored = JSON.stringify({ cursor: first.items[9]?.cursor })
    await one.stop()
    const cursor: Cursor = JSON.parse(stored).cursor
    const rest = await t.tail(two, cursor)
    await rest.count(30)
    assertDense(rest.items, 11)
  },

  'a cursor works after every connection has gone and come back': async (t) => {
    const one = await t.connect()
    const subject = t.subject()
    await fill(one, subject, 6)
    const cursor = (await readAll(one, subject))[2]?.cursor ?? assert.fail()
    await one.stop()
    const two = await t.connect()
    const tail = await t.tail(two, cursor)
    await tail.count(3)
    assertDense(tail.items, 4)
    await fill(two, subject, 1, 6)
    await tail.count(4)
  },

  'a follower of one partition sees that partition only': async (t) => {
    const broker = await t.connect()
    const [mine, other, late] = [t.subject(5), t.subject(6), t.subject(5)]
    await fill(broker, mine, 3)
    await fill(broker, other, 3)
    const tail = await t.tail(broker, 'start', new Set([5]))
    await fill(broker, other, 3, 3)
    await fill(broker, late, 2)
    await tail.until(
      (all) => all.at(-1)?.subject === late && all.at(-1)?.rev === 2,
      'the last of partition 5',
    )
    assert.deepEqual(
      ids(tail.items),
      [1, 2, 3].map((rev) => `${mine}/${rev}`).concat(`${late}/1`, `${late}/2`),
    )
  },

  'a follower of several partitions sees those, from the start and live': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const wanted = new Set([0, 17, 63])
    const subjects = [0, 1, 17, 18, 62, 63].map((partition) => t.subject(partition))
    for (const subject of subjects) await fill(writer, subject, 2)
    const tail = await t.tail(reader, 'start', wanted)
    for (const subject of subjects) await fill(writer, subject, 2, 2)
    await tail.count(12)
    assert.ok(tail.items.every((entry) => wanted.has(partitionOf(entry.subject))))
    for (const subject of subjects.filter((name) => wanted.has(partitionOf(name))))
      assertDense(tail.items.filter((entry) => entry.subject === subject))
    assert.equal(tail.items.length, 12)
  },

  'a cursor met in one partition is a position for every filter': async (t) => {
    const broker = await t.connect()
    const [a, b] = [t.subject(1), t.subject(2)]
    await fill(broker, a, 2)
    await fill(broker, b, 2)
    const cursor = (await readAll(broker, a)).at(-1)?.cursor ?? assert.fail()
    await fill(broker, a, 1, 2)
    const both = await t.tail(broker, cursor, new Set([1, 2]))
    await both.count(3)
    assert.deepEqual(ids(both.items), [`${b}/1`, `${b}/2`, `${a}/3`])
    const second = await t.tail(broker, cursor, new Set([2]))
    await second.count(2)
    assert.deepEqual(ids(second.items), [`${b}/1`, `${b}/2`])
  },

  'entries of one partition come in the order they were appended, across its subjects': async (t) => {
    const broker = await t.connect()
    const tail = await t.tail(broker, 'start', new Set([9]))
    const order = await scatter(t, tail, 120, [9])
    assert.deepEqual(ids(tail.items), order)
    assertRising(broker.log, tail.items)
  },

  'entries of all partitions come in the order they were appended': async (t) => {
    const broker = await t.connect()
    const tail = await t.tail(broker, 'start')
    const order = await scatter(t, tail, 120, [3, 9, 27, 50])
    assert.deepEqual(ids(tail.items), order)
    assertRising(broker.log, tail.items)
    const again = await t.tail(broker, 'start')
    await again.count(120)
    assert.deepEqual(again.items, tail.items)
  },

  'ten followers see one and the same order while eight writers write': async (t) => {
    const connections = await Promise.all([t.connect(), t.connect(), t.connect()])
    const tails = await Promise.all(
      Array.from({ length: 10 }, (_, i) => t.tail(connections[i % 3] ?? assert.fail(), 'start')),
    )
    const subjects = Array.from({ length: 8 }, () => t.subject())
    await Promise.all(subjects.map((s, i) => fill(connections[i % 3] ?? assert.fail(), s, 40)))
    for (const tail of tails) await tail.count(320)
    const [first, ...others] = tails
    for (const subject of subjects) assertDense(first?.items.filter((e) => e.subject === subject) ?? [])
    for (const other of others) assert.deepEqual(ids(other.items), ids(first?.items ?? []))
    assertRising(connections[0].log, first?.items ?? [])
    assert.equal(new Set(ids(first?.items ?? [])).size, 320)
  },

  'a follower that starts in the middle of writing misses nothing and sees nothing twice': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subjects = Array.from({ length: 4 }, () => t.subject(30))
    const writing = Promise.all(subjects.map((subject) => fill(writer, subject, 100)))
    const tails: Tail[] = []
    for (let i = 0; i < 5; i++) tails.push(await t.tail(reader, 'start', new Set([30])))
    await writing
    for (const tail of tails) {
      await tail.count(400)
      for (const subject of subjects) assertDense(tail.items.filter((entry) => entry.subject === subject))
      assert.equal(tail.items.length, 400)
    }
  },

  'a chain of followings, each from the last cursor of the one before, sees everything once': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    const writing = fill(writer, subject, 200)
    const seen: Entry[] = []
    let from: 'start' | Cursor = 'start'
    while (seen.length < 200) {
      const tail: Tail = await t.tail(reader, from)
      await tail.count(1)
      await tail.following.stop()
      seen.push(...tail.items)
      from = seen.at(-1)?.cursor ?? assert.fail()
    }
    await writing
    assertDense(seen)
    assert.equal(seen.length, 200)
  },

  'a long backlog comes whole and in order': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subjects = Array.from({ length: 20 }, () => t.subject())
    await Promise.all(subjects.map((subject) => fill(writer, subject, 100)))
    const tail = await t.tail(reader, 'start')
    await t.within(tail.following.caughtUp, 'the follower to catch up')
    assert.equal(tail.items.length, 2_000)
    for (const subject of subjects) assertDense(tail.items.filter((entry) => entry.subject === subject))
  },

  'large entries pass through a follower whole': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const { record, batch } = broker.capabilities.limits
    const records: JsonValue[] = Array.from({ length: Math.floor(batch / record) }, () =>
      stringOfBytes(record),
    )
    const tail = await t.tail(broker, 'start')
    for (let rev = 0; rev < 20; rev++) await mustAppend(broker, subject, rev, records)
    await tail.count(20)
    assertDense(tail.items)
    assert.ok(tail.items.every((entry) => entry.records.length === records.length))
  },

  'a follower sees an entry exactly as a reader does': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await mustAppend(broker, subject, 0, [{ a: [1, 2, { b: 'ü' }] }, null], 'nonce-a')
    await mustAppend(broker, subject, 1, [], 'nonce-b')
    const tail = await t.tail(broker, 'start')
    await tail.count(2)
    assert.deepEqual(tail.items, await readAll(broker, subject))
  },
})
