/** What a batch may hold: shapes, sizes, and what is refused before anything is written. */

import assert from 'node:assert/strict'
import { SHAPES, stringOfBytes, wideStringOfBytes } from './samples.ts'
import { assertDense, assertRefused, mustAppend, readAll } from './stage.ts'
import { cases } from './suite.ts'

export const recordCases = cases('log', {
  'every JSON shape and any Unicode comes back as it was': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await mustAppend(writer, subject, 0, SHAPES)
    for (const [i, shape] of SHAPES.entries()) await mustAppend(writer, subject, i + 1, [shape])
    const [all, ...single] = await readAll(reader, subject)
    assert.deepEqual(all?.records, SHAPES)
    assert.deepEqual(
      single.map((entry) => entry.records),
      SHAPES.map((shape) => [shape]),
    )
    assert.deepEqual((await reader.log.last(subject))?.records, [SHAPES.at(-1)])
  },

  'a text with spaces and line breaks between its tokens is the JSON value it means': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const texts = [' { "a" : [ 1 ,\n 2 ] } ', '\t"b"\r\n', '1e3']
    assert.equal((await broker.log.append(subject, texts, { expect: 0 })).outcome, 'appended')
    assert.deepEqual((await broker.log.last(subject))?.records, [{ a: [1, 2] }, 'b', 1000])
  },

  'the records of a batch are visible together and in order': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const tail = await t.tail(broker, 'start')
    const batch = Array.from({ length: 1_000 }, (_, i) => i)
    await mustAppend(broker, subject, 0, batch)
    await tail.count(1)
    assert.deepEqual(tail.items[0]?.records, batch)
    assert.deepEqual((await broker.log.last(subject))?.records, batch)
  },

  'an empty batch is an entry without records': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const tail = await t.tail(broker, 'start')
    await mustAppend(broker, subject, 0, [], 'empty')
    await mustAppend(broker, subject, 1, ['after'])
    assert.deepEqual(
      (await readAll(broker, subject)).map((e) => e.records),
      [[], ['after']],
    )
    await tail.count(2)
    assert.deepEqual(tail.items[0]?.records, [])
  },

  'a record that is not one JSON text is refused and nothing of its batch is written': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    for (const text of ['', ' ', 'undefined', '{', '1,2', '1]["2', '"open', "{'a':1}", 'NaN', '\u0000'])
      await assertRefused(
        () => broker.log.append(subject, ['"good"', text], { expect: 0 }),
        'CB_E_JSON',
        JSON.stringify(text),
      )
    assert.deepEqual(await readAll(broker, subject), [])
  },

  'a record of exactly the limit is accepted, in bytes of UTF-8': async (t) => {
    const broker = await t.connect()
    const { record } = broker.capabilities.limits
    const subject = t.subject()
    await mustAppend(broker, subject, 0, [stringOfBytes(record)])
    await mustAppend(broker, subject, 1, [wideStringOfBytes(record)])
    const [plain, wide] = await readAll(broker, subject)
    assert.deepEqual(plain?.records, [stringOfBytes(record)])
    assert.deepEqual(wide?.records, [wideStringOfBytes(record)])
  },

  'a record over the limit is refused and nothing of its batch is written': async (t) => {
    const broker = await t.connect()
    const { record } = broker.capabilities.limits
    const subject = t.subject()
    for (const tooLarge of [stringOfBytes(record + 1), wideStringOfBytes(record + 1)])
      await assertRefused(
        () => broker.log.append(subject, ['"before"', JSON.stringify(tooLarge), '"after"'], { expect: 0 }),
        'CB_E_PAYLOAD_TOO_LARGE',
      )
    assert.deepEqual(await readAll(broker, subject), [])
    assert.equal((await mustAppend(broker, subject, 0)).rev, 1)
  },

  'a batch of exactly the limit is accepted, one byte more is refused': async (t) => {
    const broker = await t.connect()
    const { record, batch } = broker.capabilities.limits
    const subject = t.subject()
    const sizes: number[] = []
    for (let left = batch; left > 0; left -= Math.min(left, record)) sizes.push(Math.min(left, record))
    const texts = sizes.map((size) => JSON.stringify(stringOfBytes(size)))
    await assertRefused(
      () => broker.log.append(subject, [...texts, '1'], { expect: 0 }),
      'CB_E_PAYLOAD_TOO_LARGE',
    )
    assert.deepEqual(await readAll(broker, subject), [])
    assert.equal((await broker.log.append(subject, texts, { expect: 0 })).outcome, 'appended')
    const [entry] = await readAll(broker, subject)
    assert.deepEqual(entry?.records, sizes.map(stringOfBytes))
  },

  'a batch of very many tiny records is one entry': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const batch = Array.from({ length: 20_000 }, (_, i) => i % 10)
    await mustAppend(broker, subject, 0, batch)
    assert.deepEqual((await broker.log.last(subject))?.records, batch)
  },

  'ten thousand records split by their writer come back in order': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    const records = Array.from({ length: 10_000 }, (_, i) => ({ i, pad: 'p'.repeat(100) }))
    for (let rev = 0; rev * 2_500 < records.length; rev++)
      await mustAppend(writer, subject, rev, records.slice(rev * 2_500, (rev + 1) * 2_500))
    const entries = await readAll(reader, subject)
    assertDense(entries)
    assert.deepEqual(
      entries.flatMap((entry) => entry.records),
      records,
    )
  },

  'a batch is what it was when it was handed over': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const records = ['"first"']
    const appended = broker.log.append(subject, records, { expect: 0 })
    records[0] = '"changed"'
    records.push('"added"')
    await appended
    assert.deepEqual((await broker.log.last(subject))?.records, ['first'])
  },

  'a refused append does not use up its nonce': async (t) => {
    const broker = await t.connect()
    const { record } = broker.capabilities.limits
    const subject = t.subject()
    const options = { expect: 0, nonce: 'again' }
    await assertRefused(
      () => broker.log.append(subject, [JSON.stringify(stringOfBytes(record + 1))], options),
      'CB_E_PAYLOAD_TOO_LARGE',
    )
    assert.equal((await broker.log.append(subject, ['"smaller"'], options)).outcome, 'appended')
    assert.deepEqual(
      (await readAll(broker, subject)).map((e) => e.records),
      [['smaller']],
    )
  },
})
