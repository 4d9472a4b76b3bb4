/** Reading one subject. */

import assert from 'node:assert/strict'
import type { Entry } from '../../broker/index.ts'
import { stringOfBytes } from './samples.ts'
import { assertDense, fill, mustAppend, readAll } from './stage.ts'
import { cases } from './suite.ts'

export const readCases = cases('log', {
  'an unknown subject has no entries and no last one': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    assert.equal(await broker.log.last(subject), undefined)
    assert.deepEqual(await readAll(broker, subject), [])
    assert.deepEqual(await readAll(broker, subject, 7), [])
  },

  'the last entry is the newest, and the same as reading finds': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    for (let rev = 0; rev < 10; rev++) {
      const { cursor } = await mustAppend(broker, subject, rev, [{ rev }])
      const last = await broker.log.last(subject)
      assert.deepEqual(last, (await readAll(broker, subject)).at(-1))
      assert.ok(last)
      assert.equal(broker.log.compare(last.cursor, cursor), 0)
    }
  },

  'reading from a revision gives that one and all after it': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 20)
    for (const from of [1, 2, 11, 19, 20]) {
      const entries = await readAll(broker, subject, from)
      assert.equal(entries.length, 21 - from)
      assertDense(entries, from)
    }
  },

  'reading from past the newest gives nothing': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 3)
    assert.deepEqual(await readAll(broker, subject, 4), [])
    assert.deepEqual(await readAll(broker, subject, 4_000), [])
  },

  'a long subject is read whole and in order': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const [subject, other] = [t.subject(), t.subject()]
    for (let rev = 0; rev < 1_500; rev++) {
      await mustAppend(writer, subject, rev)
      if (rev % 5 === 0) await mustAppend(writer, other, rev / 5)
    }
    const entries = await readAll(reader, subject)
    assert.equal(entries.length, 1_500)
    assertDense(entries)
    assert.ok(entries.every((entry) => entry.subject === subject))
    assert.equal((await readAll(reader, subject, 1_400)).length, 101)
  },

  'large entries are read whole': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const { record, batch } = broker.capabilities.limits
    const records = Array.from({ length: Math.floor(batch / record) }, () => stringOfBytes(record))
    for (let rev = 0; rev < 8; rev++) await mustAppend(broker, subject, rev, records)
    const entries = await readAll(broker, subject)
    assertDense(entries)
    assert.ok(entries.every((entry) => entry.records.length === records.length))
    assert.equal(entries.length, 8)
  },

  'reading while others append gives everything that was there, dense': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await fill(writer, subject, 100)
    let written = 100
    const writing = (async () => {
      for (; written < 300; written++) await mustAppend(writer, subject, written)
    })()
    for (let round = 0; round < 10; round++) {
      const there = written
      const entries = await readAll(reader, subject)
      assertDense(entries)
      assert.ok(entries.length >= there, `${there} were there, ${entries.length} were read`)
    }
    await writing
    assert.equal((await readAll(reader, subject)).length, 300)
  },

  'a slow reader of a subject that grows reads a dense prefix': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 30)
    const entries: Entry[] = []
    let rev = 30
    for await (const entry of broker.log.read(subject)) {
      entries.push(entry)
      if (rev < 60) await mustAppend(broker, subject, rev++)
    }
    assertDense(entries)
    assert.ok(entries.length >= 30)
  },

  'a reader may leave in the middle': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 200)
    for (let round = 0; round < 20; round++) {
      for await (const entry of broker.log.read(subject)) if (entry.rev === 1 + round) break
    }
    assert.equal((await readAll(broker, subject)).length, 200)
    await mustAppend(broker, subject, 200)
  },

  'readers of one subject do not disturb each other': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 120)
    const one = broker.log.read(subject)[Symbol.asyncIterator]()
    const two = broker.log.read(subject, { from: 61 })[Symbol.asyncIterator]()
    for (let i = 0; i < 60; i++) {
      const [a, b] = [await one.next(), await two.next()]
      assert.deepEqual([a.value?.rev, b.value?.rev], [i + 1, i + 61])
    }
    assert.equal((await two.next()).done, true)
    await one.return?.()
  },

  'thirty readers at once each read everything': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 50)
    const all = await Promise.all(Array.from({ length: 30 }, () => readAll(broker, subject)))
    for (const entries of all) {
      assert.equal(entries.length, 50)
      assertDense(entries)
    }
  },

  'entries look the same through every connection': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await mustAppend(one, subject, 0, [{ a: 1 }], 'n1')
    await mustAppend(two, subject, 1, [{ b: 2 }], 'n2')
    assert.deepEqual(await readAll(one, subject), await readAll(two, subject))
  },
})
