/** Appending: revisions, the compare-and-set, nonces. */

import assert from 'node:assert/strict'
import type { Cursor, Entry } from '../../broker/index.ts'
import { NOT_TOKENS } from './samples.ts'
import { assertDense, assertRefused, below, fill, mustAppend, readAll } from './stage.ts'
import { cases } from './suite.ts'

const newestOrUnknown = (rev: number | undefined, newest: number) =>
  assert.ok(rev === undefined || rev === newest, `a conflict should tell ${newest} or nothing, not ${rev}`)

/** How many each of the thirty-two writers appends. */
const EVENTS = 6

export const appendCases = [
  ...cases('log', {
    'the first append creates the subject at revision 1': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      const { rev } = await mustAppend(broker, subject, 0, [{ hello: 'log' }], 'nonce-1')
      assert.equal(rev, 1)
      const [entry, ...more] = await readAll(broker, subject)
      assert.equal(more.length, 0)
      assert.ok(entry)
      assert.deepEqual(
        { subject: entry.subject, rev: entry.rev, nonce: entry.nonce, tombstone: entry.tombstone },
        { subject, rev: 1, nonce: 'nonce-1', tombstone: false },
      )
      assert.deepEqual(entry.records, [{ hello: 'log' }])
      assert.ok(Number.isFinite(entry.at) && entry.at > 1.5e12, `at ${entry.at} is no time in milliseconds`)
    },

    'appends one on top of the other give dense revisions': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      for (let rev = 0; rev < 50; rev++) assert.equal((await mustAppend(broker, subject, rev)).rev, rev + 1)
      const entries = await readAll(broker, subject)
      assert.equal(entries.length, 50)
      assertDense(entries)
    },

    'an append on a revision that is not the newest any more is a conflict and writes nothing': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      await fill(broker, subject, 3)
      for (const expect of [0, 1, 2]) {
        const late = await broker.log.append(subject, ['"late"'], { expect })
        assert.equal(late.outcome, 'conflict', `expecting ${expect}`)
        if (late.outcome === 'conflict') newestOrUnknown(late.rev, 3)
      }
      assert.equal((await readAll(broker, subject)).length, 3)
    },

    'an append on a revision that is not there yet is a conflict and writes nothing': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      assert.equal((await broker.log.append(subject, ['1'], { expect: 1 })).outcome, 'conflict')
      assert.deepEqual(await readAll(broker, subject), [])
      await fill(broker, subject, 2)
      const early = await broker.log.append(subject, ['1'], { expect: 5 })
      assert.equal(early.outcome, 'conflict')
      if (early.outcome === 'conflict') newestOrUnknown(early.rev, 2)
      assert.equal((await readAll(broker, subject)).length, 2)
    },

    'an append that is told where the entry stands that it builds on is judged like others': async (t) => {
      const [one, two] = [await t.connect(), await t.connect()]
      const subject = t.subject()
      const first = await mustAppend(one, subject, 0)
      const after = { expect: 1, after: first.cursor }
      assert.equal((await two.log.append(subject, ['2'], after)).outcome, 'appended')
      assert.equal((await two.log.append(subject, ['"late"'], after)).outcome, 'conflict')
      assert.equal((await one.log.append(subject, ['"late"'], after)).outcome, 'conflict')
      const unreadable = { expect: 2, after: 'anything' as Cursor }
      assert.equal((await one.log.append(subject, ['3'], unreadable)).outcome, 'appended')
      assert.deepEqual(
        (await readAll(two, subject)).slice(1).map(({ records }) => records),
        [[2], [3]],
      )
    },

    'a conflict is told to every connection alike': async (t) => {
      const [one, two] = [await t.connect(), await t.connect()]
      const subject = t.subject()
      await mustAppend(one, subject, 0)
      const second = await two.log.append(subject, ['"second create"'], { expect: 0 })
      assert.equal(second.outcome, 'conflict')
      if (second.outcome === 'conflict') newestOrUnknown(second.rev, 1)
      await mustAppend(two, subject, 1)
      assert.equal((await one.log.append(subject, ['"stale"'], { expect: 1 })).outcome, 'conflict')
    },

    '[scenario 1] of two writers on one revision exactly one wins, every time': async (t) => {
      const [one, two] = [await t.connect(), await t.connect()]
      const subject = t.subject()
      for (let rev = 0; rev < 40; rev++) {
        const outcomes = await Promise.all([
          one.log.append(subject, ['"one"'], { expect: rev }),
          two.log.append(subject, ['"two"'], { expect: rev }),
        ])
        assert.deepEqual(outcomes.map((o) => o.outcome).sort(), ['appended', 'conflict'], `at ${rev}`)
        const newest = await one.log.last(subject)
        assert.deepEqual(newest?.records, [outcomes[0].outcome === 'appended' ? 'one' : 'two'])
      }
      assertDense(await readAll(one, subject))
    },

    'of sixteen who create the same subject exactly one wins': async (t) => {
      const connections = await Promise.all([t.connect(), t.connect(), t.connect(), t.connect()])
      for (let round = 0; round < 5; round++) {
        const subject = t.subject()
        const outcomes = await Promise.all(
          Array.from({ length: 16 }, (_, i) =>
            (connections[i % 4] ?? assert.fail()).log.append(subject, [String(i)], { expect: 0 }),
          ),
        )
        const winners = outcomes.flatMap((o, i) => (o.outcome === 'appended' ? [i] : []))
        assert.equal(winners.length, 1)
        assert.deepEqual(
          (await readAll(connections[0], subject)).map((e) => e.records),
          [winners],
        )
      }
    },

    '[scenario 2] thirty-two writers on one subject land all their events, in dense revisions': async (t) => {
      const connections = await Promise.all([t.connect(), t.connect(), t.connect(), t.connect()])
      const subject = t.subject()
      const write = async (writer: number) => {
        const broker = connections[writer % 4] ?? assert.fail()
        for (let event = 0; event < EVENTS; event++) {
          for (;;) {
            const expect = (await broker.log.last(subject))?.rev ?? 0
            const { outcome } = await broker.log.append(subject, [`"${writer}/${event}"`], { expect })
            assert.notEqual(outcome, 'unknown')
            if (outcome === 'appended') break
          }
        }
      }
      await t.within(Promise.all(Array.from({ length: 32 }, (_, i) => write(i))), 'the thirty-two writers')
      const entries = await readAll(connections[0], subject)
      assertDense(entries)
      const events = entries.flatMap((entry) => entry.records)
      assert.equal(events.length, 32 * EVENTS)
      assert.equal(new Set(events).size, 32 * EVENTS)
      for (let writer = 0; writer < 32; writer++)
        assert.deepEqual(
          events.filter((event) => String(event).startsWith(`${writer}/`)),
          Array.from({ length: EVENTS }, (_, event) => `${writer}/${event}`),
        )
    },

    '[scenario 3] an append repeated with its nonce gets the first answer again': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      const first = await mustAppend(broker, subject, 0, ['once'], 'same')
      const again = await mustAppend(broker, subject, 0, ['once'], 'same')
      assert.equal(again.rev, first.rev)
      assert.equal(broker.log.compare(again.cursor, first.cursor), 0)
      assert.equal((await readAll(broker, subject)).length, 1)
    },

    '[scenario 4] a lost answer is found again after others have appended on top': async (t) => {
      const [one, two] = [await t.connect(), await t.connect()]
      const subject = t.subject()
      await mustAppend(one, subject, 0)
      const first = await mustAppend(one, subject, 1, ['mine'], 'mine')
      await fill(two, subject, 5, 2)
      const again = await mustAppend(one, subject, 1, ['mine'], 'mine')
      assert.equal(again.rev, 2)
      assert.equal(one.log.compare(again.cursor, first.cursor), 0)
      assert.equal((await readAll(one, subject)).length, 7)
    },

    'a lost answer is found again through another connection': async (t) => {
      const [one, two] = [await t.connect(), await t.connect()]
      const subject = t.subject()
      await mustAppend(one, subject, 0, ['mine'], 'mine')
      await one.stop()
      assert.equal((await mustAppend(two, subject, 0, ['mine'], 'mine')).rev, 1)
      assert.equal((await readAll(two, subject)).length, 1)
    },

    'the same append sent twice at once is written once and answered twice': async (t) => {
      const [one, two] = [await t.connect(), await t.connect()]
      for (let round = 0; round < 20; round++) {
        const subject = t.subject()
        const [a, b] = await Promise.all([
          mustAppend(one, subject, 0, ['twin'], 'twin'),
          mustAppend(two, subject, 0, ['twin'], 'twin'),
        ])
        assert.deepEqual([a.rev, b.rev], [1, 1])
        assert.equal((await readAll(one, subject)).length, 1)
      }
    },

    'a repeated append does not replace the records of the first': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      await mustAppend(broker, subject, 0, ['first'], 'same')
      await mustAppend(broker, subject, 0, ['second'], 'same')
      assert.deepEqual(
        (await readAll(broker, subject)).map((e) => e.records),
        [['first']],
      )
    },

    'the same records under another nonce are another append': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      await mustAppend(broker, subject, 0, ['same'], 'one')
      const other = await broker.log.append(subject, ['"same"'], { expect: 0, nonce: 'two' })
      assert.equal(other.outcome, 'conflict')
    },

    'a nonce on another revision or subject is another append': async (t) => {
      const broker = await t.connect()
      const [subject, other] = [t.subject(), t.subject()]
      await mustAppend(broker, subject, 0, ['a'], 'same')
      assert.equal((await mustAppend(broker, subject, 1, ['b'], 'same')).rev, 2)
      assert.equal((await mustAppend(broker, other, 0, ['c'], 'same')).rev, 1)
      assert.deepEqual(
        (await readAll(broker, subject)).map((e) => e.records),
        [['a'], ['b']],
      )
    },

    'a conflict repeated with its nonce is a conflict again': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      await mustAppend(broker, subject, 0)
      for (let i = 0; i < 3; i++) {
        const outcome = await broker.log.append(subject, ['"late"'], { expect: 0, nonce: 'late' })
        assert.equal(outcome.outcome, 'conflict')
      }
      assert.equal((await readAll(broker, subject)).length, 1)
    },

    'nonces that are made up differ from each other': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      await fill(broker, subject, 20)
      const nonces = (await readAll(broker, subject)).map((entry) => entry.nonce)
      assert.equal(new Set(nonces).size, 20)
      assert.ok(nonces.every((nonce) => /^[A-Za-z0-9_-]{1,64}$/.test(nonce)))
    },

    'a name that is not one token is refused before anything is written': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      for (const wrong of NOT_TOKENS) {
        const { log } = broker
        await assertRefused(() => log.append(wrong, ['1'], { expect: 0 }), 'CB_E_NAME_INVALID', wrong)
        await assertRefused(() => log.archive(wrong, ['1'], { expect: 0 }), 'CB_E_NAME_INVALID', wrong)
        await assertRefused(() => log.last(wrong), 'CB_E_NAME_INVALID', wrong)
        await assertRefused(() => Array.fromAsync(log.read(wrong)), 'CB_E_NAME_INVALID', wrong)
        const odd = { expect: 0, nonce: wrong }
        await assertRefused(() => log.append(subject, ['1'], odd), 'CB_E_NAME_INVALID', `nonce ${wrong}`)
      }
      assert.deepEqual(await readAll(broker, subject), [])
    },

    'a subject and a nonce of 64 characters are accepted, and case matters': async (t) => {
      const broker = await t.connect()
      const long = `Az09_-${'x'.repeat(58)}`
      await mustAppend(broker, long, 0, ['long'], long)
      assert.equal((await broker.log.last(long))?.nonce, long)
      await mustAppend(broker, 'Case', 0, ['upper'])
      await mustAppend(broker, 'case', 0, ['lower'])
      assert.deepEqual(
        (await readAll(broker, 'Case')).map((e) => e.records),
        [['upper']],
      )
    },

    'subjects that begin alike do not mix': async (t) => {
      const broker = await t.connect()
      const stem = t.subject().slice(0, 20)
      const subjects = [stem, `${stem}a`, `${stem}-`, `${stem}_`, `${stem}aa`, `x${stem}`]
      for (const [i, subject] of subjects.entries()) await mustAppend(broker, subject, 0, [i])
      for (const [i, subject] of subjects.entries())
        assert.deepEqual(
          (await readAll(broker, subject)).map((e) => e.records),
          [[i]],
        )
    },

    'two hundred subjects appended to at once all keep their own order': async (t) => {
      const broker = await t.connect()
      const subjects = Array.from({ length: 200 }, () => t.subject())
      await t.within(Promise.all(subjects.map((subject) => fill(broker, subject, 3))), 'the 600 appends')
      for (const subject of subjects) {
        const entries: Entry[] = await readAll(broker, subject)
        assert.equal(entries.length, 3)
        assertDense(entries)
      }
    },

    'what the broker answered is what any connection reads next': async (t) => {
      const connections = await Promise.all([t.connect(), t.connect(), t.connect()])
      const subject = t.subject()
      for (let rev = 0; rev < 30; rev++) {
        const writer = connections[below(3)] ?? assert.fail()
        const reader = connections[below(3)] ?? assert.fail()
        await mustAppend(writer, subject, rev)
        assert.equal((await reader.log.last(subject))?.rev, rev + 1)
        assert.equal((await readAll(reader, subject, rev + 1)).length, 1)
      }
    },

    'an append that was taken before stop is settled by it, and there for others': async (t) => {
      const [one, two] = [await t.connect(), await t.connect()]
      const subjects = Array.from({ length: 20 }, () => t.subject())
      const appends = subjects.map((subject) => one.log.append(subject, ['1'], { expect: 0 }))
      await one.stop()
      const outcomes = await t.within(Promise.all(appends), 'the appends in flight at stop')
      for (const [i, subject] of subjects.entries()) {
        assert.equal(outcomes[i]?.outcome, 'appended')
        assert.equal((await two.log.last(subject))?.rev, 1)
      }
    },
  }),
]
