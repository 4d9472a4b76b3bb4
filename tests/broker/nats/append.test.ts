/** What becomes of an append whose answer is lost, late, or not the one hoped for. */

import { headers } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { type CutableProxy, startProxy } from '../../support/proxy.ts'
import {
  codeOf,
  fill,
  jsApi,
  mustAppend,
  newSubject,
  type OpenBroker,
  rawConnection,
  rejection,
  revsOf,
  started,
  until,
} from './fixture.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server[Symbol.asyncDispose]())

/** `near` reaches the server over a network that can be cut, `far` does not. */
let proxy: CutableProxy
let near: OpenBroker
let far: OpenBroker
let subject: string
beforeEach(async () => {
  proxy = await startProxy(() => server.port)
  // A loss is to be noticed by the loss, not by a time-out: this one is longer than any test.
  near = await started(`nats://127.0.0.1:${proxy.port}`, { callTimeoutMs: 60_000, settleMs: 60_000 })
  far = await started(server.url)
  subject = newSubject()
})
afterEach(async () => {
  proxy.restore()
  await near.stop()
  await far.stop()
  await proxy[Symbol.asyncDispose]()
})

const standsAt = (rev: number) => until(async () => (await far.log.last(subject))?.rev === rev)

function reconnect(): void {
  proxy.cut()
  proxy.restore()
}

describe('an append whose answer is lost', () => {
  test('[scenario 3] is found to have landed, and is there once', async () => {
    proxy.stall('to-client')
    const appending = near.log.append(subject, ['"mine"'], { expect: 0, nonce: 'n' })
    await standsAt(1)
    reconnect()
    expect(await appending).toMatchObject({ outcome: 'appended', rev: 1 })
    expect(await revsOf(far, subject)).toEqual([1])
  })

  test('[scenario 4] is found under what others have appended on top of it', async () => {
    await fill(near, subject, 2)
    proxy.stall('to-client')
    const appending = near.log.append(subject, ['"mine"'], { expect: 2, nonce: 'n' })
    await standsAt(3)
    await fill(far, subject, 4, 3)
    reconnect()
    expect(await appending).toMatchObject({ outcome: 'appended', rev: 3 })
    expect(await revsOf(far, subject)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test('is found also when the server has forgotten its message id', async () => {
    await using forgetful = await startNats()
    await using through = await startProxy(() => forgetful.port)
    await using writer = await started(`nats://127.0.0.1:${through.port}`)
    await using reader = await started(forgetful.url)
    await using nc = await rawConnection(forgetful.url)
    const { config } = await jsApi<{ config: object }>(nc, 'STREAM.INFO.CB_LOG')
    await jsApi(nc, 'STREAM.UPDATE.CB_LOG', { ...config, duplicate_window: 100e6 })
    through.stall('to-client')
    const appending = writer.log.append(subject, ['"mine"'], { expect: 0, nonce: 'n' })
    await until(async () => (await reader.log.last(subject))?.rev === 1)
    await until(async () => {
      const again = await nc.request(`cb.1.log.00.${newSubject()}`, '{}', { timeout: 1_000 })
      const { seq } = again.json<{ seq: number }>()
      const { state } = await jsApi<{ state: { last_ts: string } }>(nc, 'STREAM.INFO.CB_LOG')
      const first = await reader.log.last(subject)
      return seq > 1 && first && Date.parse(state.last_ts) - first.at > 300
    })
    through.cut()
    through.restore()
    expect(await appending).toMatchObject({ outcome: 'appended', rev: 1 })
    expect(await revsOf(reader, subject)).toEqual([1])
  })

  test('and that never reached the server is appended after the reconnect', async () => {
    proxy.stall('to-server')
    const appending = near.log.append(subject, ['"mine"'], { expect: 0 })
    await proxy.passes('to-server')
    reconnect()
    expect(await appending).toMatchObject({ outcome: 'appended', rev: 1 })
  })

  test('is a conflict when somebody else stands where it would', async () => {
    proxy.stall('to-server')
    const appending = near.log.append(subject, ['"mine"'], { expect: 0 })
    await proxy.passes('to-server')
    await mustAppend(far, subject, 0, 'theirs')
    reconnect()
    expect(await appending).toEqual({ outcome: 'conflict', rev: 1 })
    await fill(far, subject, 2, 1)
    expect((await far.log.last(subject))?.rev).toBe(3)
  })

  test('is a conflict when it arrives late, after somebody else', async () => {
    await fill(near, subject, 1)
    proxy.stall('to-server')
    const appending = near.log.append(subject, ['"mine"'], { expect: 1 })
    await proxy.passes('to-server')
    await fill(far, subject, 2, 1)
    proxy.restore()
    expect(await appending).toEqual({ outcome: 'conflict', rev: 3 })
    expect(await revsOf(far, subject)).toEqual([1, 2, 3])
  })
})

describe('an append that the server calls outdated', () => {
  test('though nothing stands where it would, is tried again and lands', async () => {
    let spoilt = 0
    const rewrite = (chunk: Buffer, direction: string) => {
      const text = chunk.toString('latin1')
      const spoil = direction === 'to-server' && spoilt < 2 && text.includes('Subject-Sequence: 0\r\n')
      if (spoil) spoilt++
      return spoil
        ? Buffer.from(text.replace('Subject-Sequence: 0\r\n', 'Subject-Sequence: 9\r\n'), 'latin1')
        : chunk
    }
    await using spoiling = await startProxy(() => server.port, { rewrite })
    await using broker = await started(`nats://127.0.0.1:${spoiling.port}`)
    expect(await mustAppend(broker, subject, 0)).toMatchObject({ rev: 1 })
    expect(spoilt).toBe(2)
    expect(await revsOf(far, subject)).toEqual([1])
  })
})

describe('a server that stands still', () => {
  const hasty = { settleMs: 600, callTimeoutMs: 200 }

  test('[scenario 5] makes an append unknown; what lands late is found by repeating it, and is there once', async () => {
    await using broker = await started(server.url, hasty)
    await fill(broker, subject, 1)
    await server.pause()
    const options = { expect: 1, nonce: 'late' }
    const outcome = await broker.log.append(subject, ['"late"'], options)
    server.resume()
    expect(outcome).toMatchObject({ outcome: 'unknown', cause: { code: 'CB_E_BROKER_UNAVAILABLE' } })
    expect(await broker.log.append(subject, ['"late"'], options)).toMatchObject({
      outcome: 'appended',
      rev: 2,
    })
    expect(await revsOf(far, subject)).toEqual([1, 2])
  })

  test('[scenario 5] never lets two stand on one revision, whoever lands first', async () => {
    await using one = await started(server.url, hasty)
    await using two = await started(server.url, hasty)
    for (let round = 0; round < 3; round++) {
      const contested = newSubject()
      await fill(one, contested, 1)
      await server.pause()
      const tries = [one, two].map((broker, i) =>
        broker.log.append(contested, [`${i}`], { expect: 1, nonce: `n${i}` }),
      )
      const unknown = await Promise.all(tries)
      server.resume()
      expect(unknown.map((outcome) => outcome.outcome)).toEqual(['unknown', 'unknown'])
      const settled = await Promise.all(
        [one, two].map((broker, i) =>
          until(async () => {
            const outcome = await broker.log.append(contested, [`${i}`], { expect: 1, nonce: `n${i}` })
            return outcome.outcome !== 'unknown' && outcome.outcome
          }),
        ),
      )
      expect(settled.toSorted()).toEqual(['appended', 'conflict'])
      const [, entry, ...more] = await Array.fromAsync(far.log.read(contested))
      expect([entry?.nonce, more]).toEqual([`n${settled.indexOf('appended')}`, []])
    }
  })

  test('takes a bounded number of appends, refuses the next by name, and settles the others', async () => {
    await using broker = await started(server.url, { callTimeoutMs: 60_000 })
    await server.pause()
    const waiting = Array.from({ length: 256 + 16_384 }, (_, i) =>
      broker.log.append(`s-${subject}-${i}`, ['1'], { expect: 0 }),
    )
    const error = await rejection(broker.log.append(subject, ['1'], { expect: 0 }))
    server.resume()
    expect(codeOf(error)).toBe('CB_E_BUSY')
    const outcomes = await Promise.all(waiting)
    expect(outcomes.every((outcome) => outcome.outcome === 'appended')).toBe(true)
  })
})

describe('a stream', () => {
  test('that is full refuses appends, writes nothing, and takes them again once there is room', async () => {
    const url = `${server.url}?prefix=full&log_bytes=2M&work_bytes=1M&objects_bytes=1M`
    await using broker = await started(url)
    const record = JSON.stringify('x'.repeat(60_000))
    const run = newSubject()
    let rev = 0
    const error = await rejection(
      (async () => {
        for (;;) {
          const outcome = await broker.log.append(run, [record], { expect: rev })
          if (outcome.outcome !== 'appended') throw new Error(JSON.stringify(outcome))
          rev++
        }
      })(),
    )
    expect(codeOf(error)).toBe('CB_E_STORE_FULL')
    expect(await revsOf(broker, run)).toEqual(Array.from({ length: rev }, (_, i) => i + 1))
    await using nc = await rawConnection(server.url)
    const full = await broker.log.last(run)
    for (let seq = 1; seq <= 5; seq++) await jsApi(nc, 'STREAM.MSG.DELETE.FULL_LOG', { seq })
    expect(await broker.log.append(run, [record], { expect: full?.rev ?? 0 })).toMatchObject({
      outcome: 'appended',
    })
  })

  test('that is gone leaves an append unknown, saying so', async () => {
    const url = `${server.url}?prefix=gone&log_bytes=2M&work_bytes=1M&objects_bytes=1M`
    await using broker = await started(url, { settleMs: 300, callTimeoutMs: 200 })
    await using nc = await rawConnection(server.url)
    await jsApi(nc, 'STREAM.DELETE.GONE_LOG')
    const outcome = await broker.log.append(subject, ['1'], { expect: 0 })
    if (outcome.outcome !== 'unknown') throw new Error(JSON.stringify(outcome))
    expect(String(outcome.cause)).toMatch(/stream is gone/)
  })

  test('shows an entry to any NATS tool as plain JSON', async () => {
    await mustAppend(far, subject, 0, 'first', 'nonce-1')
    await using nc = await rawConnection(server.url)
    const found = await nc.request(
      '$JS.API.DIRECT.GET.CB_LOG',
      JSON.stringify({ last_by_subj: `cb.1.log.*.${subject}` }),
    )
    expect(found.json()).toEqual({ v: 1, rev: 1, nonce: 'nonce-1', records: ['first'] })
    expect(found.headers?.get('Nats-Msg-Id')).toBe(`${subject}@0`)
    expect(found.headers?.get('Nats-Subject')).toMatch(/^cb\.1\.log\.\d\d\.[0-9a-v]{28}$/)
  })

  test('[scenario 37] refuses purges and rollups, which would lose entries', async () => {
    await fill(far, subject, 3)
    await using nc = await rawConnection(server.url)
    const purge = await jsApi<{ error?: { description: string } }>(nc, 'STREAM.PURGE.CB_LOG', {
      filter: 'cb.1.log.>',
    })
    expect(purge.error?.description).toMatch(/purge/)
    const rollup = headers()
    rollup.set('Nats-Rollup', 'sub')
    const answer = await nc.request(`cb.1.log.00.${subject}`, '{}', { headers: rollup, timeout: 1_000 })
    expect(answer.json()).toMatchObject({ error: { description: expect.stringMatching(/rollup/) } })
    expect(await revsOf(far, subject)).toEqual([1, 2, 3])
  })
})

test('an append that is told where its base stands asks nobody for it', async () => {
  await using observer = await rawConnection(server.url)
  const asked: string[] = []
  observer.subscribe('$JS.API.>', { callback: (_, { subject: question }) => void asked.push(question) })
  await observer.flush()
  const lookUps = () => asked.filter((question) => /\.(DIRECT|MSG)\.GET\./.test(question)).length
  const { cursor } = await mustAppend(far, subject, 0)
  expect(await near.log.append(subject, ['2'], { expect: 1, after: cursor })).toMatchObject({ rev: 2 })
  await observer.flush()
  expect(lookUps()).toBe(0)
  await mustAppend(far, subject, 2)
  await observer.flush()
  expect(lookUps()).toBeGreaterThan(0)
})
