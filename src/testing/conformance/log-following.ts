/** The life of a following: back-pressure, endings; and the cursors it lives by. */

import assert from 'node:assert/strict'
import type { Cursor, Entry } from '../../broker/index.ts'
import { isCallboardError } from '../../core/index.ts'
import { assertDense, assertRefused, fill, mustAppend, readAll } from './stage.ts'
import { cases } from './suite.ts'

/** A door that a handler can be made to wait at. */
function door() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open: () => open(), opened }
}

export const followingCases = cases('log', {
  'caught up means that everything there has been handled, promises included': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    await fill(broker, subject, 30)
    let handled = 0
    const gate = door()
    const following = await broker.log.follow({ partitions: 'all' }, 'start', async (batch) => {
      await gate.opened
      handled += batch.length
    })
    let caughtUp = false
    const waiting = following.caughtUp.then(() => {
      caughtUp = true
    })
    await mustAppend(broker, subject, 30)
    assert.equal(caughtUp, false)
    gate.open()
    await t.within(waiting, 'the follower to catch up')
    assert.ok(handled >= 30, `${handled} of 30 were handled when it said that it had caught up`)
  },

  'a follower of an empty log, or from the tail, has caught up at once': async (t) => {
    const broker = await t.connect()
    const empty = await t.tail(broker, 'start')
    await t.within(empty.following.caughtUp, 'the follower of an empty log to catch up')
    await fill(broker, t.subject(), 3)
    const tail = await t.tail(broker, 'tail')
    await t.within(tail.following.caughtUp, 'the follower from the tail to catch up')
    const elsewhere = await t.tail(broker, 'start', new Set([1]))
    await t.within(elsewhere.following.caughtUp, 'the follower of an empty partition to catch up')
  },

  'a handler never has two calls running, and never an empty batch': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subjects = [t.subject(), t.subject(), t.subject()]
    const seen = t.gather<Entry>('entries')
    let running = 0
    let most = 0
    let empty = 0
    await reader.log.follow({ partitions: 'all' }, 'start', async (batch) => {
      most = Math.max(most, ++running)
      if (batch.length === 0) empty++
      await t.eventually(async () => true, 'a turn')
      seen.add(...batch)
      running--
    })
    await Promise.all(subjects.map((subject) => fill(writer, subject, 100)))
    await seen.count(300)
    assert.deepEqual([most, empty], [1, 0])
  },

  'five thousand entries wait for a handler that is held back, and none is lost': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subjects = Array.from({ length: 50 }, () => t.subject())
    const seen = t.gather<Entry>('entries')
    const gate = door()
    let calls = 0
    await mustAppend(writer, subjects[0] ?? '', 0)
    await reader.log.follow({ partitions: 'all' }, 'start', async (batch) => {
      calls++
      seen.add(...batch)
      await gate.opened
    })
    await seen.count(1)
    await Promise.all(
      subjects.map((subject, i) => fill(writer, subject, i === 0 ? 99 : 100, i === 0 ? 1 : 0)),
    )
    assert.equal(calls, 1, 'the handler was called again while it was still busy')
    gate.open()
    await seen.count(5_000)
    assert.equal(seen.items.length, 5_000)
    for (const subject of subjects) assertDense(seen.items.filter((entry) => entry.subject === subject))
  },

  'a slow follower does not hold back another': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const gate = door()
    const slow = await reader.log.follow({ partitions: 'all' }, 'start', () => gate.opened)
    const fast = await t.tail(reader, 'start')
    await fill(writer, t.subject(), 200)
    await fast.count(200)
    gate.open()
    await t.within(slow.caughtUp, 'the slow follower to catch up')
  },

  'a handler that throws ends its following with what it threw': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const thrown = new Error('from the handler')
    let calls = 0
    const following = await broker.log.follow({ partitions: 'all' }, 'start', () => {
      calls++
      throw thrown
    })
    await mustAppend(broker, subject, 0)
    await assert.rejects(t.within(following.ended, 'the following to end'), thrown)
    const other = await t.tail(broker, 'start')
    await fill(broker, subject, 10, 1)
    await other.count(11)
    assert.equal(calls, 1)
    await following.stop()
  },

  'a handler whose promise rejects ends its following the same way': async (t) => {
    const broker = await t.connect()
    await fill(broker, t.subject(), 3)
    const thrown = new Error('later')
    const following = await broker.log.follow({ partitions: 'all' }, 'start', async () => {
      await Promise.resolve()
      throw thrown
    })
    await assert.rejects(t.within(following.ended, 'the following to end'), thrown)
    await assert.rejects(t.within(following.caughtUp, 'caughtUp to settle'))
  },

  'an ending that nobody waits for is not an unhandled rejection': async (t) => {
    const unhandled: unknown[] = []
    const listen = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listen)
    try {
      const broker = await t.connect()
      await fill(broker, t.subject(), 1)
      const ended = t.gather<string>('endings')
      await broker.log.follow({ partitions: 'all' }, 'start', () => {
        ended.add('threw')
        throw new Error('nobody waits')
      })
      await ended.count(1)
      const early = await t.tail(broker, 'start', new Set([1]))
      await early.following.stop()
      const witness = await t.tail(broker, 'start')
      await witness.count(1)
      await broker.stop()
    } finally {
      process.off('unhandledRejection', listen)
    }
    assert.deepEqual(unhandled, [])
  },

  'a follower that gathers gets every entry once and in order, and stops at once': async (t) => {
    const [writer, reader] = [await t.connect(), await t.connect()]
    const subjects = [t.subject(), t.subject(), t.subject()]
    const seen = t.gather<Entry>('entries')
    const following = await reader.log.follow({ partitions: 'all' }, 'start', (all) => seen.add(...all), {
      gatherMs: 50,
    })
    await Promise.all(subjects.map((subject) => fill(writer, subject, 200)))
    await seen.count(600)
    for (const subject of subjects) {
      assertDense(seen.items.filter((entry) => entry.subject === subject))
      await fill(writer, subject, 1, 200)
    }
    await seen.count(603)
    assert.equal(seen.items.length, 603)
    await t.within(following.stop(), 'a following to stop that may be gathering')
    await t.within(following.ended, 'it to end')
  },

  'after stop no handler is called, and stopping again is fine': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const tail = await t.tail(broker, 'start')
    await fill(broker, subject, 5)
    await tail.count(5)
    await tail.following.stop()
    await t.within(tail.following.ended, 'the following to end')
    const witness = await t.tail(broker, 'tail')
    await fill(broker, subject, 5, 5)
    await witness.count(5)
    assert.equal(tail.items.length, 5)
    await tail.following.stop()
  },

  'stop waits for the call that is running, and no other follows': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const gate = door()
    const calls = t.gather<string>('calls')
    const following = await broker.log.follow({ partitions: 'all' }, 'start', async () => {
      calls.add('begin')
      await gate.opened
      calls.add('end')
    })
    await fill(broker, subject, 1)
    await calls.count(1)
    await fill(broker, subject, 20, 1)
    const stopped = following.stop().then(() => [...calls.items])
    gate.open()
    assert.deepEqual(await t.within(stopped, 'stop'), ['begin', 'end'])
    await t.within(following.ended, 'the following to end')
    assert.equal(calls.items.length, 2)
  },

  'stopped before it caught up, a following does not leave anybody waiting': async (t) => {
    const broker = await t.connect()
    await fill(broker, t.subject(), 50)
    const gate = door()
    const following = await broker.log.follow({ partitions: 'all' }, 'start', () => gate.opened)
    await mustAppend(broker, t.subject(), 0)
    const stopped = following.stop()
    gate.open()
    await stopped
    await t.within(following.ended, 'the following to end')
    await t.within(
      following.caughtUp.catch(() => {}),
      'caughtUp to settle',
    )
  },

  'a cursor that no broker gave out is refused': async (t) => {
    const broker = await t.connect()
    await fill(broker, t.subject(), 2)
    const garbage: Cursor[] = JSON.parse('["", "garbage", "-1", "1e9", "{}", "0 or 1=1", "✂"]')
    const end = await broker.log.end()
    for (const cursor of garbage) {
      await assertRefused(
        () => broker.log.follow({ partitions: 'all' }, cursor, () => {}),
        'CB_E_CURSOR_INVALID',
      )
      assert.throws(() => broker.log.compare(cursor, end), { code: 'CB_E_CURSOR_INVALID' })
    }
  },

  'a cursor from past the end of the log is refused: the broker was replaced': async (t) => {
    const [broker, other] = [await t.connect(), await t.elsewhere()]
    await fill(broker, t.subject(), 1)
    const subject = t.subject()
    await fill(other, subject, 50)
    const foreign = (await other.log.last(subject))?.cursor ?? assert.fail()
    await assert.rejects(
      broker.log.follow({ partitions: 'all' }, foreign, () => {}),
      (error: unknown) =>
        isCallboardError(error, 'CB_E_CURSOR_LOST') || isCallboardError(error, 'CB_E_CURSOR_INVALID'),
    )
  },

  'cursors compare as their entries were appended': async (t) => {
    const broker = await t.connect()
    const subjects = [t.subject(), t.subject(), t.subject()]
    const cursors: Cursor[] = [await broker.log.end()]
    for (let i = 0; i < 30; i++) {
      const subject = subjects[i % 3] ?? assert.fail()
      cursors.push((await mustAppend(broker, subject, Math.floor(i / 3))).cursor)
    }
    for (const [i, a] of cursors.entries())
      for (const [j, b] of cursors.entries())
        assert.equal(Math.sign(broker.log.compare(a, b)), Math.sign(i - j), `position ${i} against ${j}`)
  },

  'the end of the log is at its newest entry': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const before = await one.log.end()
    assert.equal(one.log.compare(before, await two.log.end()), 0)
    const { cursor } = await mustAppend(two, t.subject(), 0)
    const after = await one.log.end()
    assert.ok(one.log.compare(before, after) < 0)
    assert.equal(one.log.compare(after, cursor), 0)
  },

  'following from the end is following from the tail': async (t) => {
    const broker = await t.connect()
    const subject = t.subject()
    const empty = await broker.log.end()
    await fill(broker, subject, 4)
    const all = await t.tail(broker, empty)
    await all.count(4)
    const none = await t.tail(broker, await broker.log.end())
    await t.within(none.following.caughtUp, 'the follower to catch up')
    await fill(broker, subject, 1, 4)
    await none.count(1)
    assertDense(none.items, 5)
    assert.deepEqual(none.items, await readAll(broker, subject, 5))
  },
})
