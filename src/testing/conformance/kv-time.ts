/** Keys that live for a while, and watching keys come and go. */

import assert from 'node:assert/strict'
import type { Bucket, KvChange } from '../../broker/index.ts'
import { keysOf } from './kv.ts'
import { assertRefused, type Gathering, type Stage } from './stage.ts'
import { cases } from './suite.ts'

/** Short enough to wait for; long enough that a busy machine finds a key alive right after writing it. */
const TTL = { ttlMs: 1_500 }

const gone = (t: Stage, bucket: Bucket, key: string) =>
  t.eventually(async () => (await bucket.get(key)) === undefined, `${key} to expire`)

/** A change in one word: `key=value`, or `-key`. */
const told = (change: KvChange) =>
  change.kind === 'put' ? `${change.entry.key}=${change.entry.value}` : `-${change.key}`

async function watched(t: Stage, bucket: Bucket, prefix = ''): Promise<Gathering<string>> {
  const changes = t.gather<string>('changes')
  const watch = await bucket.watch(prefix, (change) => changes.add(told(change)))
  await t.within(watch.caughtUp, 'the watch to catch up')
  return changes
}

export const expiryCases = cases('kv', {
  'a key in a bucket with a time to live expires, and can be created anew': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const [mine, theirs] = [await one.kv.bucket('leases', TTL), await two.kv.bucket('leases', TTL)]
    const first = (await mine.create('l', 'mine')) ?? assert.fail()
    assert.equal(await theirs.create('l', 'theirs'), undefined)
    const second = await t.eventually(() => theirs.create('l', 'theirs'), 'the lease to expire')
    assert.ok(second > first, `the fencing token went from ${first} to ${second}`)
    assert.equal((await mine.get('l'))?.value, 'theirs')
  },

  'an expired key is neither listed nor deleted nor updated': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('leases', TTL)
    const revision = await bucket.put('l', 1)
    assert.deepEqual(await keysOf(bucket), ['l'])
    await gone(t, bucket, 'l')
    assert.deepEqual(await keysOf(bucket), [])
    assert.equal(await bucket.delete('l'), false)
    assert.equal(await bucket.update('l', 2, revision), undefined)
    assert.equal(await bucket.get('l'), undefined)
  },

  'a key that is renewed stays, and the one beside it goes': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('leases', TTL)
    let revision = (await bucket.create('renewed', 0)) ?? assert.fail()
    await bucket.put('left', 0)
    await t.eventually(async () => {
      revision = (await bucket.update('renewed', 0, revision)) ?? assert.fail('a renewed lease expired')
      return (await bucket.get('left')) === undefined
    }, 'the key beside it to expire')
    assert.equal((await bucket.get('renewed'))?.revision, revision)
    await gone(t, bucket, 'renewed')
  },

  'a key in a bucket without a time to live outlives one that has it': async (t) => {
    const broker = await t.connect()
    const [forever, leases] = [await broker.kv.bucket('config'), await broker.kv.bucket('leases', TTL)]
    await forever.put('k', 1)
    await leases.put('k', 1)
    await gone(t, leases, 'k')
    assert.equal((await forever.get('k'))?.value, 1)
  },

  'a bucket reopened with another time to live is refused': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const bucket = await one.kv.bucket('leases', { ttlMs: 60_000 })
    await bucket.put('k', 1)
    for (const broker of [one, two])
      for (const ttlMs of [0, 30_000])
        await assertRefused(() => broker.kv.bucket('leases', { ttlMs }), 'CB_E_STREAM_DRIFT', `ttl ${ttlMs}`)
    await two.kv.bucket('plain', { ttlMs: 0 })
    await assertRefused(() => one.kv.bucket('plain', { ttlMs: 60_000 }), 'CB_E_STREAM_DRIFT')
    assert.equal((await (await two.kv.bucket('leases', { ttlMs: 60_000 })).get('k'))?.value, 1)
  },

  'a bucket opened without options has the time to live it was made with': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    await one.kv.bucket('leases', TTL)
    const bucket = await two.kv.bucket('leases')
    await bucket.put('l', 1)
    await gone(t, bucket, 'l')
    await two.kv.bucket('fresh')
    await one.kv.bucket('fresh', { ttlMs: 0 })
  },

  'a watch tells that a key has expired': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('leases', TTL)
    const changes = await watched(t, bucket)
    await bucket.put('l', 1)
    await changes.until((all) => all.includes('-l'), 'the watch to tell of the expiry')
    assert.deepEqual(changes.items, ['l=1', '-l'])
    assert.equal(await bucket.get('l'), undefined)
  },

  'a watch does not tell that a renewed key has expired': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('leases', TTL)
    const changes = await watched(t, bucket)
    let revision = (await bucket.create('renewed', 0)) ?? assert.fail()
    await bucket.put('left', 0)
    await t.eventually(async () => {
      revision = (await bucket.update('renewed', 0, revision)) ?? assert.fail('a renewed lease expired')
      return changes.items.includes('-left')
    }, 'the watch to tell of the other')
    assert.ok(!changes.items.includes('-renewed'))
  },
})

export const watchCases = cases('kv', {
  'a watch tells the state, then has caught up, then tells the changes': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const [mine, theirs] = [await one.kv.bucket('b'), await two.kv.bucket('b')]
    await mine.put('a', 1)
    await mine.put('b', 1)
    await mine.put('b', 2)
    await mine.put('deleted', 1)
    await mine.delete('deleted')
    const changes = await watched(t, theirs)
    assert.deepEqual([...changes.items].filter((change) => change !== '-deleted').sort(), ['a=1', 'b=2'])
    const before = changes.items.length
    await mine.put('a', 3)
    await changes.count(before + 1)
    await mine.delete('b')
    await changes.count(before + 2)
    await theirs.create('c', 4)
    await changes.count(before + 3)
    assert.deepEqual(changes.items.slice(before), ['a=3', '-b', 'c=4'])
  },

  'a watch of an empty bucket has caught up at once': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    assert.deepEqual((await watched(t, bucket)).items, [])
    assert.deepEqual((await watched(t, bucket, 'some.prefix')).items, [])
  },

  'a watch of a prefix tells only what is under it': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    for (const key of ['w', 'w.1', 'ww.1', 'x.w']) await bucket.put(key, 0)
    const changes = await watched(t, bucket, 'w')
    for (const key of ['w', 'ww.1', 'x.w', 'w.2', 'w.1.deep']) await bucket.put(key, 1)
    await bucket.delete('ww.1')
    await bucket.delete('w.1')
    await changes.until((all) => all.includes('-w.1'), 'the last change under the prefix')
    assert.deepEqual(changes.items, ['w.1=0', 'w.2=1', 'w.1.deep=1', '-w.1'])
  },

  'the changes of a key come in order and end with its newest state': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const [mine, theirs] = [await one.kv.bucket('b'), await two.kv.bucket('b')]
    const changes = await watched(t, theirs)
    for (let i = 0; i < 100; i++) await mine.put(`k${i % 2}`, i)
    await changes.until((all) => all.includes('k0=98') && all.includes('k1=99'), 'the newest states')
    for (const key of ['k0', 'k1']) {
      const values = changes.items.filter((change) => change.startsWith(key)).map((c) => Number(c.slice(3)))
      assert.deepEqual(
        values,
        [...values].sort((a, b) => a - b),
      )
      assert.equal(new Set(values).size, values.length)
    }
  },

  'a watch tells the entry whole': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const seen = t.gather<KvChange>('changes')
    await bucket.put('before', { deep: ['ü'] })
    await bucket.watch('', (change) => seen.add(change))
    await seen.count(1)
    await bucket.put('after', [1])
    await seen.count(2)
    assert.deepEqual(seen.items, [
      { kind: 'put', entry: await bucket.get('before') },
      { kind: 'put', entry: await bucket.get('after') },
    ])
  },

  'a watch that was stopped tells nothing, and others go on': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const seen: string[] = []
    const watch = await bucket.watch('', (change) => seen.push(told(change)))
    await t.within(watch.caughtUp, 'the watch to catch up')
    const witness = await watched(t, bucket)
    await watch.stop()
    await watch.stop()
    await bucket.put('k', 1)
    await witness.count(1)
    assert.deepEqual([seen, witness.items], [[], ['k=1']])
  },

  'watches of two buckets do not mix': async (t) => {
    const broker = await t.connect()
    const [one, two] = [await broker.kv.bucket('one'), await broker.kv.bucket('two')]
    const [a, b] = [await watched(t, one), await watched(t, two)]
    await one.put('k', 1)
    await two.put('k', 2)
    await a.count(1)
    await b.count(1)
    assert.deepEqual([a.items, b.items], [['k=1'], ['k=2']])
  },

  'two hundred keys that were there are all told before the watch has caught up': async (t) => {
    const bucket = await (await t.connect()).kv.bucket('b')
    const keys = Array.from({ length: 200 }, (_, i) => `w.${i}`)
    await Promise.all(keys.map((key) => bucket.put(key, 0)))
    const changes = await watched(t, bucket, 'w')
    assert.deepEqual([...changes.items].sort(), keys.map((key) => `${key}=0`).sort())
  },
})
