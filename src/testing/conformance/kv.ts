/** Keys and values: reading, writing on a revision, listing, what is refused. */

import assert from 'node:assert/strict'
import type { Bucket, KvRevision } from '../../broker/index.ts'
import { longKey, NOT_KEYS, NOT_TOKENS, SHAPES, stringOfBytes, wideStringOfBytes } from './samples.ts'
import { assertRefused } from './stage.ts'
import { cases } from './suite.ts'

async function mustCreate(bucket: Bucket, key: string, value: string | number = key): Promise<KvRevision> {
  return (await bucket.create(key, value)) ?? assert.fail(`${key} should not be there`)
}

export async function keysOf(bucket: Bucket, prefix?: string): Promise<string[]> {
  return (await Array.fromAsync(bucket.list(prefix))).map((entry) => entry.key).sort()
}

export const kvCases = cases('kv', {
  'a key that was never written is not there': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    assert.equal(await bucket.get('nothing'), undefined)
    assert.equal(await bucket.delete('nothing'), false)
    assert.equal(await bucket.delete('nothing', 1), false)
    assert.equal(await bucket.update('nothing', 1, 1), undefined)
    assert.deepEqual(await keysOf(bucket), [])
  },

  'what was put is what every connection gets': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const [mine, theirs] = [await one.kv.bucket('b'), await two.kv.bucket('b')]
    const revision = await mine.put('a.b', { v: 1 })
    for (const bucket of [mine, theirs]) {
      const { key, value, revision: found, at } = (await bucket.get('a.b')) ?? assert.fail()
      assert.deepEqual({ key, value, found }, { key: 'a.b', value: { v: 1 }, found: revision })
      assert.ok(Number.isFinite(at) && at > 1.5e12, `at ${at} is no time in milliseconds`)
    }
    await theirs.put('a.b', 'second')
    assert.equal((await mine.get('a.b'))?.value, 'second')
  },

  'every JSON shape comes back as it was': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    for (const [i, shape] of SHAPES.entries()) await bucket.put(`s.${i}`, shape)
    for (const [i, shape] of SHAPES.entries()) assert.deepEqual((await bucket.get(`s.${i}`))?.value, shape)
  },

  'create writes a key that is not there, and only then': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const revision = await mustCreate(bucket, 'k', 'first')
    assert.equal(await bucket.create('k', 'second'), undefined)
    const entry = await bucket.get('k')
    assert.deepEqual([entry?.value, entry?.revision], ['first', revision])
  },

  'of twenty who create one key at once exactly one does': async (t) => {
    const connections = await Promise.all([t.connect(), t.connect(), t.connect()])
    const buckets = await Promise.all(connections.map((broker) => broker.kv.bucket('b')))
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (buckets[i % 3] ?? assert.fail()).create(`k${round}`, i)),
      )
      const winners = answers.flatMap((revision, i) => (revision === undefined ? [] : [{ revision, i }]))
      assert.equal(winners.length, 1)
      const entry = await buckets[0]?.get(`k${round}`)
      assert.deepEqual([entry?.value, entry?.revision], [winners[0]?.i, winners[0]?.revision])
    }
  },

  'update writes on top of the revision it names, and only then': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const first = await mustCreate(bucket, 'k', 1)
    const second = (await bucket.update('k', 2, first)) ?? assert.fail('the update on the newest revision')
    for (const stale of [first, second + 1, 0])
      assert.equal(await bucket.update('k', 'stale', stale), undefined)
    const entry = await bucket.get('k')
    assert.deepEqual([entry?.value, entry?.revision], [2, second])
    const third = await bucket.put('k', 3)
    assert.equal(await bucket.update('k', 'stale', second), undefined)
    assert.ok(await bucket.update('k', 4, third))
  },

  'of twenty who update one revision at once exactly one does': async (t) => {
    const connections = await Promise.all([t.connect(), t.connect()])
    const buckets = await Promise.all(connections.map((broker) => broker.kv.bucket('b')))
    let revision = await mustCreate(buckets[0] ?? assert.fail(), 'k', 0)
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (buckets[i % 2] ?? assert.fail()).update('k', i, revision)),
      )
      const winners = answers.filter((answer) => answer !== undefined)
      assert.equal(winners.length, 1, `round ${round}`)
      revision = winners[0] ?? assert.fail()
    }
  },

  'a deleted key is gone, and can be created anew': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const revision = await mustCreate(bucket, 'k')
    assert.equal(await bucket.delete('k'), true)
    assert.equal(await bucket.get('k'), undefined)
    assert.equal(await bucket.delete('k'), false)
    assert.equal(await bucket.update('k', 'undead', revision), undefined)
    assert.deepEqual(await keysOf(bucket), [])
    await mustCreate(bucket, 'k', 'anew')
    assert.equal((await bucket.get('k'))?.value, 'anew')
  },

  'delete on a revision deletes that one only': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const first = await mustCreate(bucket, 'k')
    const second = await bucket.put('k', 2)
    assert.equal(await bucket.delete('k', first), false)
    assert.equal((await bucket.get('k'))?.value, 2)
    assert.equal(await bucket.delete('k', second), true)
    assert.equal(await bucket.delete('k', second), false)
    assert.equal(await bucket.get('k'), undefined)
  },

  'the revision of a key grows with every write, also past a deletion': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const [mine, theirs] = [await one.kv.bucket('b'), await two.kv.bucket('b')]
    const revisions = [await mustCreate(mine, 'k')]
    for (let i = 0; i < 5; i++) {
      revisions.push(await theirs.put('k', i))
      await mine.put('other', i)
      revisions.push((await mine.update('k', i, revisions.at(-1) ?? 0)) ?? assert.fail())
      assert.equal(await theirs.delete('k'), true)
      revisions.push(await mustCreate(mine, 'k'))
    }
    for (const [i, revision] of revisions.entries())
      if (i > 0) assert.ok(revision > (revisions[i - 1] ?? 0), `${revision} after ${revisions[i - 1]}`)
  },

  'a list gives every key under a prefix of whole tokens': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const bucket = await one.kv.bucket('b')
    const keys = ['a', 'a.b', 'a.b.c', 'a.bc', 'ab', 'ab.c', 'b', 'b.a', 'A.b', 'a_b.c', 'a-b.c']
    for (const key of keys) await bucket.put(key, { key })
    const seen = await two.kv.bucket('b')
    assert.deepEqual(await keysOf(seen), [...keys].sort())
    assert.deepEqual(await keysOf(seen, ''), [...keys].sort())
    assert.deepEqual(await keysOf(seen, 'a'), ['a.b', 'a.b.c', 'a.bc'])
    assert.deepEqual(await keysOf(seen, 'a.b'), ['a.b.c'])
    assert.deepEqual(await keysOf(seen, 'b'), ['b.a'])
    assert.deepEqual(await keysOf(seen, 'none'), [])
    for await (const entry of seen.list('a')) assert.deepEqual(entry, await bucket.get(entry.key))
  },

  'a list of many keys is whole, and may be left in the middle': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const keys = Array.from({ length: 600 }, (_, i) => `w.${String(i).padStart(4, '0')}`)
    for (let i = 0; i < keys.length; i += 50)
      await Promise.all(keys.slice(i, i + 50).map((key) => bucket.put(key, key)))
    for await (const entry of bucket.list('w')) {
      assert.equal(entry.key, entry.value)
      break
    }
    assert.deepEqual(await keysOf(bucket, 'w'), keys)
  },

  'two buckets are separate, also when their names begin alike': async (t) => {
    const broker = await t.connect()
    const [one, two] = [await broker.kv.bucket('leases'), await broker.kv.bucket('leases-2')]
    await one.put('k', 'one')
    assert.equal(await two.get('k'), undefined)
    await mustCreate(two, 'k', 'two')
    await two.put('only.here', 2)
    assert.deepEqual([(await one.get('k'))?.value, (await two.get('k'))?.value], ['one', 'two'])
    assert.deepEqual(await keysOf(one), ['k'])
    await two.delete('k')
    assert.equal((await one.get('k'))?.value, 'one')
  },

  'a bucket keeps its keys when all connections have come anew': async (t) => {
    const one = await t.connect()
    const before = await one.kv.bucket('b')
    const revision = await mustCreate(before, 'kept', 'v')
    await one.stop()
    const after = await (await t.connect()).kv.bucket('b')
    assert.equal((await after.get('kept'))?.value, 'v')
    assert.ok(((await after.update('kept', 'w', revision)) ?? 0) > revision)
  },

  'keys are tokens joined by dots, at most 256 characters': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    for (const good of ['a', 'A-z_0.9', 'x'.repeat(64), longKey(256)]) {
      await bucket.put(good, good)
      assert.equal((await bucket.get(good))?.key, good)
    }
    for (const wrong of NOT_KEYS) {
      const calls = [
        () => bucket.get(wrong),
        () => bucket.create(wrong, 1),
        () => bucket.update(wrong, 1, 1),
        () => bucket.put(wrong, 1),
        () => bucket.delete(wrong),
      ]
      for (const call of calls) await assertRefused(call, 'CB_E_NAME_INVALID', wrong)
    }
    assert.equal((await keysOf(bucket)).length, 4)
  },

  'prefixes are tokens joined by dots, or nothing': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    for (const wrong of NOT_KEYS.filter((key) => key !== '')) {
      await assertRefused(() => Array.fromAsync(bucket.list(wrong)), 'CB_E_NAME_INVALID', wrong)
      await assertRefused(() => bucket.watch(wrong, () => {}), 'CB_E_NAME_INVALID', wrong)
    }
  },

  'a bucket whose name is not one token is refused': async (t) => {
    const { kv } = await t.connect()
    for (const wrong of NOT_TOKENS) await assertRefused(() => kv.bucket(wrong), 'CB_E_NAME_INVALID', wrong)
  },

  'a value of exactly the limit is accepted, one byte more is refused': async (t) => {
    const broker = await t.connect()
    const { kvValue } = broker.capabilities.limits
    const bucket = await broker.kv.bucket('b')
    const revision = await bucket.put('k', 'small')
    for (const tooLarge of [stringOfBytes(kvValue + 1), wideStringOfBytes(kvValue + 1)]) {
      await assertRefused(() => bucket.put('k', tooLarge), 'CB_E_PAYLOAD_TOO_LARGE')
      await assertRefused(() => bucket.create('new', tooLarge), 'CB_E_PAYLOAD_TOO_LARGE')
      await assertRefused(() => bucket.update('k', tooLarge, revision), 'CB_E_PAYLOAD_TOO_LARGE')
    }
    assert.deepEqual([(await bucket.get('k'))?.value, await bucket.get('new')], ['small', undefined])
    await bucket.put('k', stringOfBytes(kvValue))
    await mustCreate(bucket, 'wide', wideStringOfBytes(kvValue))
    assert.equal((await bucket.get('k'))?.value, stringOfBytes(kvValue))
    assert.equal((await bucket.get('wide'))?.value, wideStringOfBytes(kvValue))
  },

  'a value shares nothing with what was given or with what others get': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const given = { list: [1] }
    const put = bucket.put('k', given)
    given.list.push(2)
    await put
    const [one, two] = [await bucket.get('k'), await bucket.get('k')]
    assert.deepEqual([one?.value, two?.value], [{ list: [1] }, { list: [1] }])
    assert.notEqual(one?.value, two?.value)
  },
})
