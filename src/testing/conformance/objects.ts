/** Objects: whole or not at all, of any size. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Broker } from '../../broker/index.ts'
import { longKey, NOT_KEYS } from './samples.ts'
import { assertRefused } from './stage.ts'
import { cases } from './suite.ts'

const MIB = 1024 * 1024

/** Bytes that differ from place to place and from `seed` to `seed`, so that swapped chunks are noticed. */
function bytes(length: number, seed = 1): Uint8Array {
  const data = new Uint8Array(length)
  for (let i = 0; i < length; i++) data[i] = (i * 31 + (i >>> 8) * 17 + (i >>> 16) * 7 + seed * 101) & 255
  return data
}

const digest = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

async function* inChunks(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < data.length; from += size) yield data.subarray(from, from + size)
}

async function read(broker: Broker, key: string): Promise<Uint8Array | undefined> {
  const found = await broker.objects.get(key)
  if (!found) return undefined
  const data = Buffer.concat(await Array.fromAsync(found.data))
  assert.equal(data.length, found.bytes, `${key} says it has ${found.bytes} bytes`)
  assert.equal(found.key, key)
  return data
}

async function assertHolds(broker: Broker, key: string, expected: Uint8Array): Promise<void> {
  const data = (await read(broker, key)) ?? assert.fail(`${key} should be there`)
  assert.equal(data.length, expected.length)
  assert.equal(digest(data), digest(expected))
}

export const objectCases = cases('objects', {
  'objects of any size come back as they were, through every connection': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    for (const length of [0, 1, 2, 1_000, 65_535, 65_536, 65_537, 128 * 1024, MIB, MIB + 1, 3 * MIB]) {
      const data = bytes(length, length)
      const info = await one.objects.put(`size.${length}`, data)
      assert.deepEqual(info, { key: `size.${length}`, bytes: length })
      await assertHolds(two, `size.${length}`, data)
    }
  },

  'a key that was never put is not there': async (t) => {
    const broker = await t.connect()
    assert.equal(await broker.objects.get('nothing'), undefined)
    assert.equal(await broker.objects.delete('nothing'), false)
  },

  'five mebibytes stream in and out in chunks of any size': async (t) => {
    const broker = await t.connect()
    const data = bytes(5 * MIB, 5)
    for (const size of [1_000_003, 65_536, 7_777]) {
      const info = await broker.objects.put(`by.${size}`, inChunks(data, size))
      assert.equal(info.bytes, data.length)
      await assertHolds(broker, `by.${size}`, data)
    }
  },

  'a stream with empty chunks, or none, is the object it spells': async (t) => {
    const broker = await t.connect()
    await broker.objects.put('none', inChunks(new Uint8Array(0), 1))
    await assertHolds(broker, 'none', new Uint8Array(0))
    const gaps = async function* () {
      for (const text of ['', 'a', '', '', 'bc', '']) yield new TextEncoder().encode(text)
    }
    await broker.objects.put('gaps', gaps())
    await assertHolds(broker, 'gaps', new TextEncoder().encode('abc'))
  },

  'a chunk may be reused by its writer once the next is asked for': async (t) => {
    const broker = await t.connect()
    const buffer = new Uint8Array(50_000)
    const reusing = async function* () {
      for (let i = 1; i <= 5; i++) yield buffer.fill(i)
    }
    await broker.objects.put('reused', reusing())
    const expected = Buffer.concat([1, 2, 3, 4, 5].map((i) => new Uint8Array(50_000).fill(i)))
    await assertHolds(broker, 'reused', expected)
  },

  'a put whose data throws leaves nothing behind': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const thrown = new Error('the source broke')
    const breaking = async function* () {
      yield bytes(300_000)
      throw thrown
    }
    await assert.rejects(one.objects.put('half', breaking()), thrown)
    assert.equal(await one.objects.get('half'), undefined)
    assert.equal(await two.objects.get('half'), undefined)
    assert.equal(await two.objects.delete('half'), false)
    await one.objects.put('half', bytes(10))
    await assertHolds(two, 'half', bytes(10))
  },

  'a put whose data throws leaves what was there': async (t) => {
    const broker = await t.connect()
    await broker.objects.put('k', bytes(200_000, 1))
    const thrown = new Error('the source broke')
    const breaking = async function* () {
      yield bytes(300_000, 2)
      throw thrown
    }
    await assert.rejects(broker.objects.put('k', breaking()), thrown)
    await assertHolds(broker, 'k', bytes(200_000, 1))
  },

  'an object is not visible before it is whole': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    let finish = () => {}
    const finishing = new Promise<void>((resolve) => {
      finish = resolve
    })
    const halfway = t.gather<string>('halves sent')
    const slow = async function* () {
      yield bytes(400_000, 1)
      halfway.add('half')
      await finishing
      yield bytes(400_000, 2)
    }
    const putting = one.objects.put('slow', slow())
    await halfway.count(1)
    assert.equal(await one.objects.get('slow'), undefined)
    assert.equal(await two.objects.get('slow'), undefined)
    finish()
    await t.within(putting, 'the put')
    await assertHolds(two, 'slow', Buffer.concat([bytes(400_000, 1), bytes(400_000, 2)]))
  },

  'a second put under a key takes the place of the first': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    await one.objects.put('k', bytes(500_000, 1))
    await two.objects.put('k', bytes(100, 2))
    await assertHolds(one, 'k', bytes(100, 2))
    await one.objects.put('k', bytes(700_000, 3))
    await assertHolds(two, 'k', bytes(700_000, 3))
  },

  'puts of one key at once leave one of them, never a mix': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const versions = Array.from({ length: 6 }, (_, i) => bytes(300_000 + i, i + 1))
    const digests = versions.map(digest)
    for (let round = 0; round < 4; round++) {
      const putting = versions.map((data, i) => (i % 2 ? one : two).objects.put('k', inChunks(data, 40_000)))
      const settled = await Promise.allSettled(putting)
      assert.ok(settled.some((each) => each.status === 'fulfilled'))
      for (const broker of [one, two])
        assert.ok(
          digests.includes(digest((await read(broker, 'k')) ?? new Uint8Array(0))),
          'a mix of two puts',
        )
    }
  },

  'a reader sees one whole version while it is being replaced, or is told': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const versions = Array.from({ length: 8 }, (_, i) => bytes(400_000, i + 1))
    const digests = versions.map(digest)
    await one.objects.put('k', versions[0] ?? assert.fail())
    const writing = (async () => {
      for (const data of versions) await one.objects.put('k', data)
    })()
    for (let i = 0; i < 8; i++) {
      // A version replaced under its reader may break off with an error; what is handed out whole is one version.
      const data = await read(two, 'k').catch((error: unknown) =>
        error instanceof assert.AssertionError ? Promise.reject(error) : undefined,
      )
      if (data) assert.ok(digests.includes(digest(data)), 'a mix of two versions')
    }
    await writing
    await assertHolds(two, 'k', versions.at(-1) ?? assert.fail())
  },

  'a deleted object is gone, and can be put anew': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    await one.objects.put('k', bytes(200_000))
    assert.equal(await two.objects.delete('k'), true)
    assert.equal(await one.objects.get('k'), undefined)
    assert.equal(await one.objects.delete('k'), false)
    await one.objects.put('k', bytes(9, 9))
    await assertHolds(two, 'k', bytes(9, 9))
  },

  'objects with names alike do not mix, and deleting one leaves the others': async (t) => {
    const broker = await t.connect()
    const keys = ['a', 'a.b', 'a.b.c', 'ab', 'A', 'a_b', 'a-b', longKey(256), longKey(255)]
    for (const [i, key] of keys.entries()) await broker.objects.put(key, bytes(100 + i, i))
    await broker.objects.delete('a.b')
    for (const [i, key] of keys.entries())
      if (key !== 'a.b') await assertHolds(broker, key, bytes(100 + i, i))
    assert.equal(await broker.objects.get('a.b'), undefined)
  },

  'keys that are none are refused': async (t) => {
    const { objects } = await t.connect()
    for (const wrong of NOT_KEYS) {
      await assertRefused(() => objects.put(wrong, bytes(1)), 'CB_E_NAME_INVALID', wrong)
      await assertRefused(() => objects.get(wrong), 'CB_E_NAME_INVALID', wrong)
      await assertRefused(() => objects.delete(wrong), 'CB_E_NAME_INVALID', wrong)
    }
  },

  'twenty objects put and got at once are each whole': async (t) => {
    const [one, two] = [await t.connect(), await t.connect()]
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
    await Promise.all(keys.map((key, i) => (i % 2 ? one : two).objects.put(key, bytes(150_000, i))))
    await Promise.all(keys.map((key, i) => assertHolds(i % 3 ? one : two, key, bytes(150_000, i))))
  },

  'a reader may leave in the middle, or never begin': async (t) => {
    const broker = await t.connect()
    await broker.objects.put('k', bytes(2 * MIB))
    for (let round = 0; round < 5; round++) {
      const found = (await broker.objects.get('k')) ?? assert.fail()
      for await (const chunk of found.data) {
        assert.ok(chunk.length > 0)
        break
      }
      await broker.objects.get('k')
    }
    await assertHolds(broker, 'k', bytes(2 * MIB))
  },

  'objects are still there when all connections have come anew': async (t) => {
    const one = await t.connect()
    await one.objects.put('k', bytes(300_000, 4))
    await one.stop()
    await assertHolds(await t.connect(), 'k', bytes(300_000, 4))
  },
})
