/** Archiving: one tombstone for ever, and nothing else disturbed. */

import assert from 'node:assert/strict'
import type { Broker, Entry } from '../../broker/index.ts'
import { stringOfBytes } from './samples.ts'
import { assertDense, assertRefused, fill, mustAppend, readAll } from './stage.ts'
import { cases } from './suite.ts'

/** Archives what must be archivable; answers the tombstone's revision. */
async function mustArchive(
  broker: Broker,
  subject: string,
  expect: number,
  record = 'summary',
): Promise<number> {
  const outcome = await broker.log.archive(subject, [JSON.stringify(record)], { expect })
  if (outcome.outcome !== 'appended') assert.fail(`archiving on ${expect}: ${JSON.stringify(outcome)}`)
  return outcome.rev
}

export const archiveCases = cases('log', {
  'archiving leaves a tombstone with its records, and nothing older': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await fill(one, subject, 12)
    assert.equal(await mustArchive(one, subject, 12), 13)
    for (const broker of [one, two]) {
      const [tombstone, ...more] = await readAll(broker, subject)
      assert.deepEqual(more, [])
      assert.deepEqual(
        { rev: tombstone?.rev, tombstone: tombstone?.tombstone, records: tombstone?.records },
        { rev: 13, tombstone: true, records: ['summary'] },
      )
      assert.deepEqual(await broker.log.last(subject), tombstone)
      assert.deepEqual(await readAll(broker, subject, 13), [tombstone])
      assert.deepEqual(await readAll(broker, subject, 14), [])
    }
  },

  '[scenario 7] an archived subject never comes back to life': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await fill(one, subject, 3)
    await mustArchive(one, subject, 3)
    for (const broker of [one, two])
      for (const expect of [0, 2, 3, 4, 5]) {
        const outcome = await broker.log.append(subject, ['"undead"'], { expect })
        assert.equal(outcome.outcome, 'conflict', `expecting ${expect}`)
      }
    assert.equal((await readAll(one, subject)).length, 1)
  },

  'an archived subject stays archived when all connections have come anew': async (t) => {
    const one = await t.connect()
    const subject = t.subject()
    await fill(one, subject, 2)
    await mustArchive(one, subject, 2)
    await one.stop()
    const two = await t.connect()
    assert.equal((await two.log.append(subject, ['1'], { expect: 0 })).outcome, 'conflict')
    assert.equal((await two.log.last(subject))?.tombstone, true)
  },

  'archiving on a revision that is not the newest is a conflict and deletes nothing': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 5)
    for (const expect of [0, 4, 6])
      assert.equal((await broker.log.archive(subject, [], { expect })).outcome, 'conflict')
    const entries = await readAll(broker, subject)
    assert.equal(entries.length, 5)
    assertDense(entries)
    assert.ok(entries.every((entry) => !entry.tombstone))
    await mustAppend(broker, subject, 5)
  },

  'archiving again answers the first tombstone, whatever it expects': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const subject = t.subject()
    await fill(one, subject, 3)
    assert.equal(await mustArchive(one, subject, 3, 'first'), 4)
    for (const expect of [0, 3, 4, 9]) assert.equal(await mustArchive(two, subject, expect, 'again'), 4)
    assert.deepEqual(
      (await readAll(one, subject)).map((e) => e.records),
      [['first']],
    )
  },

  'a subject that never was can be archived, and then never be': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    assert.equal((await broker.log.archive(subject, [], { expect: 1 })).outcome, 'conflict')
    assert.equal(await mustArchive(broker, subject, 0), 1)
    assert.equal((await broker.log.append(subject, ['1'], { expect: 0 })).outcome, 'conflict')
    assert.equal((await broker.log.append(subject, ['1'], { expect: 1 })).outcome, 'conflict')
    assert.equal((await readAll(broker, subject)).length, 1)
  },

  'two who archive at once get one tombstone': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    for (let round = 0; round < 8; round++) {
      const subject = t.subject()
      await fill(one, subject, 4)
      const revs = await Promise.all([mustArchive(one, subject, 4, 'a'), mustArchive(two, subject, 4, 'b')])
      assert.deepEqual(revs, [5, 5])
      assert.equal((await readAll(one, subject)).length, 1)
    }
  },

  'of an archive and an append on one revision exactly one wins': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    for (let round = 0; round < 12; round++) {
      const subject = t.subject()
      await fill(one, subject, 3)
      const [archived, appended] = await Promise.all([
        one.log.archive(subject, ['"end"'], { expect: 3 }),
        two.log.append(subject, ['"on"'], { expect: 3 }),
      ])
      assert.deepEqual([archived.outcome, appended.outcome].sort(), ['appended', 'conflict'])
      const entries = await readAll(one, subject)
      assert.equal(entries.length, archived.outcome === 'appended' ? 1 : 4)
      assert.equal(entries.at(-1)?.tombstone, archived.outcome === 'appended')
    }
  },

  'a long subject is archived whole': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 600)
    assert.equal(await t.within(mustArchive(broker, subject, 600), 'the archive of 600 entries'), 601)
    assert.equal((await readAll(broker, subject)).length, 1)
  },

  'what an append refuses, an archive refuses, and nothing is deleted': async (t) => {
    const broker = await t.connect()
    const { record } = broker.capabilities.limits
    const subject = t.subject()
    await fill(broker, subject, 3)
    const tooLarge = JSON.stringify(stringOfBytes(record + 1))
    await assertRefused(
      () => broker.log.archive(subject, [tooLarge], { expect: 3 }),
      'CB_E_PAYLOAD_TOO_LARGE',
    )
    await assertRefused(() => broker.log.archive(subject, ['{'], { expect: 3 }), 'CB_E_JSON')
    const entries = await readAll(broker, subject)
    assert.equal(entries.length, 3)
    assertDense(entries)
  },

  'other subjects keep their entries, and their followers': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const [gone, kept] = [t.subject(4), t.subject(4)]
    for (let rev = 0; rev < 20; rev++) {
      await mustAppend(writer, gone, rev)
      await mustAppend(writer, kept, rev)
    }
    const seen = t.gather<Entry>('entries of the other subject')
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const following = await reader.log.follow({ partitions: new Set([4]) }, 'start', async (batch) => {
      seen.add(...batch.filter((entry) => entry.subject === kept))
      await held
    })
    await mustArchive(writer, gone, 20)
    release()
    await t.within(following.caughtUp, 'the follower to catch up')
    await fill(writer, kept, 5, 20)
    await seen.count(25)
    assertDense(seen.items)
    assert.equal(seen.items.length, 25)
    assert.equal((await readAll(reader, kept)).length, 25)
  },

  'a follower who is there sees the tombstone come': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const tail = await t.tail(broker, 'start')
    await fill(broker, subject, 3)
    await tail.count(3)
    await mustArchive(broker, subject, 3)
    await tail.count(4)
    assertDense(tail.items)
    assert.deepEqual(
      tail.items.map((entry) => entry.tombstone),
      [false, false, false, true],
    )
  },

  'a follower who comes later sees only the tombstone, in its place': async (t) => {
    const broker = await t.connect()
    const [a, b] = [t.subject(8), t.subject(8)]
    await fill(broker, a, 5)
    await fill(broker, b, 2)
    await mustArchive(broker, a, 5)
    await fill(broker, b, 1, 2)
    const tail = await t.tail(broker, 'start', new Set([8]))
    await tail.count(4)
    assert.deepEqual(
      tail.items.map(({ subject, rev }) => [subject, rev]),
      [
        [b, 1],
        [b, 2],
        [a, 6],
        [b, 3],
      ],
    )
  },

  'a cursor of an entry that was deleted is still a position': async (t) => {
    const broker = await t.connect()
    const [a, b] = [t.subject(12), t.subject(12)]
    await fill(broker, a, 3)
    await fill(broker, b, 1)
    await fill(broker, a, 2, 3)
    const cursors = (await readAll(broker, a)).map((entry) => entry.cursor)
    await mustArchive(broker, a, 5)
    for (const [i, cursor] of cursors.entries()) {
      const tail = await t.tail(broker, cursor)
      const expected =
        i < 3
          ? [
              [b, 1],
              [a, 6],
            ]
          : [[a, 6]]
      await tail.count(expected.length)
      assert.deepEqual(
        tail.items.map(({ subject, rev }) => [subject, rev]),
        expected,
      )
      await tail.following.stop()
    }
  },

  'repeating the append of an entry that was archived away writes nothing': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await mustAppend(broker, subject, 0, ['mine'], 'mine')
    await fill(broker, subject, 2, 1)
    await mustArchive(broker, subject, 3)
    await broker.log.append(subject, ['"mine"'], { expect: 0, nonce: 'mine' })
    const entries = await readAll(broker, subject)
    assert.deepEqual(
      entries.map((entry) => [entry.rev, entry.tombstone]),
      [[4, true]],
    )
  },

  'the archive of one subject leaves those whose names begin alike': async (t) => {
    const broker = await t.connect()
    const stem = t.subject().slice(0, 20)
    const alike = [`${stem}a`, `${stem}_`, `${stem}-1`]
    for (const subject of [stem, ...alike]) await fill(broker, subject, 3)
    await mustArchive(broker, stem, 3)
    for (const subject of alike) assertDense(await readAll(broker, subject))
    for (const subject of alike) assert.equal((await readAll(broker, subject)).length, 3)
  },
})
