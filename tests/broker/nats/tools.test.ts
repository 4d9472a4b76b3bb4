/** What we write is what NATS's own tools read, and the other way round: our keys and objects are ordinary ones. */

import { Kvm } from '@nats-io/kv'
import { Objm } from '@nats-io/obj'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { KvChange } from '../../../src/broker/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { startProxy } from '../../support/proxy.ts'
import { jsApi, type OpenBroker, rawConnection, started, until } from './fixture.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server[Symbol.asyncDispose]())

let broker: OpenBroker
let nc: Awaited<ReturnType<typeof rawConnection>>
beforeEach(async () => {
  broker = await started(server.url)
  nc = await rawConnection(server.url)
})
afterEach(async () => {
  await nc.close()
  await broker.stop()
})

describe('keys', () => {
  test('written by us are read by the key-value layer of the NATS client', async () => {
    const bucket = await broker.kv.bucket('ours')
    const revision = await bucket.put('a.b', { n: 1 })
    await bucket.put('gone', 1)
    await bucket.delete('gone')
    const theirs = await new Kvm(nc).open('cb_ours')
    const entry = await theirs.get('a.b')
    expect([entry?.json(), entry?.revision, entry?.operation]).toEqual([{ n: 1 }, revision, 'PUT'])
    expect((await theirs.get('gone'))?.operation).toBe('DEL')
    expect(await Array.fromAsync(await theirs.keys())).toEqual(['a.b'])
  })

  test('written by it are read, listed, watched and updated by us', async () => {
    const bucket = await broker.kv.bucket('theirs')
    const theirs = await new Kvm(nc).open('cb_theirs')
    const changes: KvChange[] = []
    const watch = await bucket.watch('', (change) => void changes.push(change))
    const revision = await theirs.put('k', JSON.stringify('from a tool'))
    expect(await bucket.get('k')).toMatchObject({ key: 'k', value: 'from a tool', revision })
    expect((await Array.fromAsync(bucket.list())).map((entry) => entry.key)).toEqual(['k'])
    await theirs.delete('k')
    await until(() => changes.length === 2)
    expect(changes.map((change) => change.kind)).toEqual(['put', 'gone'])
    expect(await bucket.create('k', 'anew')).toBeGreaterThan(revision)
    await watch.stop()
  })

  test('cannot be purged, which on old servers would disturb other watchers', async () => {
    const bucket = await broker.kv.bucket('safe')
    await bucket.put('k', 1)
    const theirs = await new Kvm(nc).open('cb_safe')
    await expect(theirs.purge('k')).rejects.toThrow(/rollup/)
    expect((await bucket.get('k'))?.value).toBe(1)
  })

  test('whose update is refused though nobody changed them are updated in the end', async () => {
    const direct = await broker.kv.bucket('spoilt')
    const revision = await direct.put('k', 1)
    let spoilt = false
    const rewrite = (chunk: Buffer, direction: string) => {
      const text = chunk.toString('latin1')
      if (direction === 'to-client' || spoilt || !text.includes('Subject-Sequence: 1\r\n')) return chunk
      spoilt = true
      return Buffer.from(text.replace('Subject-Sequence: 1\r\n', 'Subject-Sequence: 9\r\n'), 'latin1')
    }
    await using proxy = await startProxy(() => server.port, { rewrite })
    await using spoiling = await started(`nats://127.0.0.1:${proxy.port}`)
    const bucket = await spoiling.kv.bucket('spoilt')
    expect(await bucket.update('k', 2, revision)).toBe(revision + 1)
    expect([spoilt, (await direct.get('k'))?.value]).toEqual([true, 2])
  })

  test('that were read from the leader are the same as those read from any replica', async () => {
    const bucket = await broker.kv.bucket('leader')
    const revision = await bucket.put('k', { deep: ['ä', null] })
    const answer = await jsApi<{ message: { seq: number; data: string } }>(
      nc,
      'STREAM.MSG.GET.KV_cb_leader',
      {
        last_by_subj: '$KV.cb_leader.k',
      },
    )
    expect(answer.message.seq).toBe(revision)
    expect(Buffer.from(answer.message.data, 'base64').toString()).toBe('{"deep":["ä",null]}')
    expect(await bucket.create('k', 1)).toBeUndefined()
  })
})

describe('a watch', () => {
  test('is one consumer for a bucket, however many watch it, and none once they have stopped', async () => {
    const bucket = await broker.kv.bucket('watched')
    await bucket.put('a', 1)
    const watches = await Promise.all(Array.from({ length: 20 }, () => bucket.watch('', () => {})))
    const names = async () =>
      (await jsApi<{ consumers?: string[] }>(nc, 'CONSUMER.NAMES.KV_cb_watched')).consumers ?? []
    expect(await names()).toHaveLength(1)
    for (const watch of watches) await watch.stop()
    expect(await names()).toEqual([])
  })

  test('tells of what is gone when the bucket was wiped and made anew', async () => {
    await using own = await startNats()
    await using ours = await started(own.url)
    const bucket = await ours.kv.bucket('b')
    await bucket.put('old', 1)
    await bucket.put('both', 1)
    const told: string[] = []
    await bucket.watch(
      '',
      (change) => void told.push(change.kind === 'put' ? change.entry.key : `-${change.key}`),
    )
    await until(() => told.length === 2)
    await own.kill()
    await own.start({ wipe: true })
    await using fresh = await started(own.url)
    await (await fresh.kv.bucket('b')).put('both', 2)
    await until(() => told.includes('-old'))
    expect(told).toEqual(['old', 'both', 'both', '-old'])
  })
})

describe('objects', () => {
  const bytes = Buffer.alloc(300_000, 'callboard ')

  test('written by us are read by the object layer of the NATS client', async () => {
    await broker.objects.put('results.run-1', bytes)
    const theirs = await new Objm(nc).open('cb_objects')
    expect(Buffer.from((await theirs.getBlob('results.run-1')) ?? []).equals(bytes)).toBe(true)
    expect(await theirs.info('results.run-1')).toMatchObject({ size: 300_000, chunks: 3, deleted: false })
  })

  test('leave nothing at the server once they are deleted, replaced or given up', async () => {
    const count = async () =>
      (await jsApi<{ state: { messages: number } }>(nc, 'STREAM.INFO.OBJ_cb_objects')).state.messages
    const before = await count()
    await broker.objects.put('k', bytes)
    await broker.objects.put('k', bytes.subarray(0, 200_000))
    expect(await count()).toBe(before + 3)
    const breaking = async function* () {
      yield bytes
      throw new Error('the source broke')
    }
    await expect(broker.objects.put('k', breaking())).rejects.toThrow('the source broke')
    expect(await count()).toBe(before + 3)
    expect(await broker.objects.delete('k')).toBe(true)
    expect(await count()).toBe(before)
  })

  test('that lost a chunk end with an error, never as a shorter object', async () => {
    await broker.objects.put('damaged', bytes)
    const { state } = await jsApi<{ state: { last_seq: number } }>(nc, 'STREAM.INFO.OBJ_cb_objects')
    await jsApi(nc, 'STREAM.MSG.DELETE.OBJ_cb_objects', { seq: state.last_seq - 2 })
    const found = await broker.objects.get('damaged')
    const reading = (async () => {
      for await (const _ of found?.data ?? []);
    })()
    await expect(reading).rejects.toMatchObject({ code: 'CB_E_OBJECT_MISSING' })
  })
})
