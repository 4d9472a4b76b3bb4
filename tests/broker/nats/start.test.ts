/** The first connection, what it makes, and what it refuses. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { natsBroker } from '../../../src/broker/nats/index.ts'
import type { StreamInfo } from '../../../src/broker/nats/wire.ts'
import { type Clock, systemDeps } from '../../../src/core/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { startProxy } from '../../support/proxy.ts'
import {
  brokerAt,
  codeOf,
  fill,
  jsApi,
  mustAppend,
  newSubject,
  rawConnection,
  recorder,
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

let prefixes = 0
const freshUrl = () =>
  `${server.url}?prefix=s${prefixes++}&log_bytes=64M&work_bytes=8M&objects_bytes=8M&kv_bytes=4M`

const streamsOf = async (url: string): Promise<string[]> => {
  await using nc = await rawConnection(url)
  return (await jsApi<{ streams?: string[] }>(nc, 'STREAM.NAMES')).streams ?? []
}

/** Changes a stream's configuration behind the driver's back. */
async function reconfigure(name: string, change: object): Promise<void> {
  await using nc = await rawConnection(server.url)
  const { config } = await jsApi<StreamInfo>(nc, `STREAM.INFO.${name}`)
  const answer = await jsApi<{ error?: object }>(nc, `STREAM.UPDATE.${name}`, { ...config, ...change })
  expect(answer.error).toBeUndefined()
}

describe('start', () => {
  test('makes the streams as they must be', async () => {
    await using broker = await started(
      `${server.url}?prefix=made&log_bytes=64M&work_bytes=8M&objects_bytes=8M`,
    )
    await broker.kv.bucket('leases', { ttlMs: 10_000 })
    await using nc = await rawConnection(server.url)
    const configOf = async (name: string) => (await jsApi<StreamInfo>(nc, `STREAM.INFO.${name}`)).config
    const common = { discard: 'new', deny_purge: true, num_replicas: 1, storage: 'file', max_msgs: -1 }
    expect(await configOf('MADE_LOG')).toMatchObject({
      ...common,
      subjects: ['made.1.log.*.*'],
      retention: 'limits',
      max_age: 0,
      max_msgs_per_subject: -1,
      max_bytes: 64 * 1024 ** 2,
      duplicate_window: 120e9,
      allow_direct: true,
      deny_delete: false,
      allow_rollup_hdrs: false,
    })
    expect(await configOf('MADE_WORK')).toMatchObject({
      ...common,
      retention: 'workqueue',
      subjects: ['made.1.q.*.*'],
    })
    expect(await configOf('KV_made_leases')).toMatchObject({
      ...common,
      max_age: 10_000e6,
      max_msgs_per_subject: 1,
      subjects: ['$KV.made_leases.>'],
    })
    expect(await configOf('OBJ_made_objects')).toMatchObject({
      ...common,
      subjects: ['$O.made_objects.C.>', '$O.made_objects.M.>'],
    })
  })

  test('goes on with what is there, from several processes at once', async () => {
    const url = freshUrl()
    const brokers = Array.from({ length: 6 }, () => brokerAt(url))
    try {
      await Promise.all(brokers.map((broker) => broker.start()))
      const subject = newSubject()
      const [first, last] = [brokers[0], brokers.at(-1)]
      if (!first || !last) throw new Error('no brokers')
      await fill(first, subject, 3)
      expect(await revsOf(last, subject)).toEqual([1, 2, 3])
    } finally {
      await Promise.all(brokers.map((broker) => broker.stop()))
    }
  })

  test('tells what a person should know', async () => {
    await using broker = await started(freshUrl())
    expect(broker.capabilities).toMatchObject({
      driver: 'nats',
      version: '2.9.10',
      durability: 'process',
      replicas: 1,
      reach: 'cluster',
    })
    expect(broker.capabilities.warnings).toEqual([
      expect.stringMatching(/once a minute.*not a power cut.*2\.10\.0/),
      expect.stringMatching(/one replica.*2\.9\.21/),
    ])
  })

  test('changes a quota that is asked for, and leaves one that is not', async () => {
    const prefix = `s${prefixes++}`
    const quotaOf = async () => {
      await using nc = await rawConnection(server.url)
      return (await jsApi<StreamInfo>(nc, `STREAM.INFO.${prefix.toUpperCase()}_LOG`)).config.max_bytes
    }
    const rest = 'work_bytes=8M&objects_bytes=8M'
    for (const [option, bytes] of [
      ['&log_bytes=32M', 32],
      ['&log_bytes=48M', 48],
      ['', 48],
    ] as const) {
      await using _ = await started(`${server.url}?prefix=${prefix}&${rest}${option}`)
      expect(await quotaOf()).toBe(bytes * 1024 ** 2)
    }
  })

  test('and then says in the log when a stream fills up', async () => {
    const logger = recorder()
    const { clock } = systemDeps()
    const quick: Clock = {
      ...clock,
      setTimer: (ms, fn, options) => clock.setTimer(ms === 60_000 ? 20 : ms, fn, options),
    }
    const url = `${server.url}?prefix=fills&log_bytes=1M&work_bytes=1M&objects_bytes=1M`
    const broker = natsBroker(url, { ...systemDeps(logger), clock: quick }, { environment: {} })
    await broker.start()
    const subject = newSubject()
    const warnings = () =>
      logger.lines.filter(({ level, message }) => level === 'warn' && message.includes('% full'))
    for (let rev = 0; rev < 13; rev++) await mustAppend(broker, subject, rev, 'x'.repeat(60_000))
    await until(() => warnings().length > 0)
    expect(warnings()).toEqual([
      {
        level: 'warn',
        message: expect.stringMatching(/7\d % full/),
        facts: expect.objectContaining({ stream: 'FILLS_LOG' }),
      },
    ])
    await broker.stop()
  })

  test('takes smaller quotas when the server has no room for the usual ones, and leaves some for buckets', async () => {
    await using small = await startNats({ jetstreamConfig: 'max_file_store: 700MB' })
    await using broker = await started(small.url)
    await fill(broker, newSubject(), 1)
    await using nc = await rawConnection(small.url)
    expect((await jsApi<StreamInfo>(nc, 'STREAM.INFO.CB_LOG')).config.max_bytes).toBe(256 * 1024 ** 2)
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await broker.kv.bucket(name)
  })

  test('answers payloads of a server that takes less with smaller limits', async () => {
    await using small = await startNats({ config: 'max_payload: 32KB' })
    await using broker = await started(small.url)
    const { record, batch, kvValue } = broker.capabilities.limits
    expect([record, batch, kvValue].every((limit) => limit < 32 * 1024)).toBe(true)
    const text = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2))
    const subject = newSubject()
    const fits = await broker.log.append(subject, [text(record)], { expect: 0 })
    expect(fits.outcome).toBe('appended')
    const error = await rejection(broker.log.append(subject, [text(40_000)], { expect: 1 }))
    expect(codeOf(error)).toBe('CB_E_PAYLOAD_TOO_LARGE')
    expect(await revsOf(broker, subject)).toEqual([1])
  })
})

describe('start is refused with one clear error', () => {
  test('when nobody is there, naming the addresses that were tried', async () => {
    const error = await rejection(brokerAt('nats://127.0.0.1:1,localhost:2').start())
    expect(codeOf(error)).toBe('CB_E_BROKER_UNREACHABLE')
    expect(error.message).toMatch(/127\.0\.0\.1:1, localhost:2/)
  })

  test('when what is there is no NATS server', async () => {
    await using proxy = await startProxy(() => server.port, {
      rewrite: () => Buffer.from('HTTP/1.1 400 Bad\r\n\r\n'),
    })
    const error = await rejection(
      brokerAt(`nats://127.0.0.1:${proxy.port}`, { callTimeoutMs: 1_000 }).start(),
    )
    expect(codeOf(error)).toBe('CB_E_BROKER_UNREACHABLE')
  })

  test('when the server accepts and says nothing', async () => {
    await using proxy = await startProxy(() => server.port)
    proxy.stall()
    const error = await rejection(brokerAt(`nats://127.0.0.1:${proxy.port}`, { callTimeoutMs: 300 }).start())
    expect(codeOf(error)).toBe('CB_E_BROKER_UNREACHABLE')
  })

  test('when JetStream is off, and nothing is left open', async () => {
    await using plain = await startNats({ jetstream: false })
    const broker = brokerAt(plain.url)
    const error = await rejection(broker.start())
    expect(codeOf(error)).toBe('CB_E_JETSTREAM_OFF')
    expect(error.message).toMatch(/-js/)
    expect(broker.status).not.toBe('connected')
  })

  test('when JetStream is off for the account', async () => {
    await using accounts = await startNats({
      config:
        'accounts { A: { users: [{user: a, password: a}] }, B: { jetstream: enabled, users: [{user: b, password: b}] } }',
    })
    const error = await rejection(brokerAt(`nats://a:a@127.0.0.1:${accounts.port}`).start())
    expect(codeOf(error)).toBe('CB_E_JETSTREAM_OFF')
    await using fine = await started(`nats://b:b@127.0.0.1:${accounts.port}`)
    expect(fine.status).toBe('connected')
  })

  test('when the server is too old, naming both versions, and nothing is made', async () => {
    const rewrite = (chunk: Buffer) =>
      Buffer.from(chunk.toString('latin1').replace('"2.9.10"', '"2.9.9" '), 'latin1')
    await using proxy = await startProxy(() => server.port, { rewrite })
    const error = await rejection(brokerAt(`nats://127.0.0.1:${proxy.port}?prefix=old`).start())
    expect(codeOf(error)).toBe('CB_E_BROKER_TOO_OLD')
    expect(error.message).toMatch(/2\.9\.9.*2\.9\.10/)
    expect(await streamsOf(server.url)).not.toContain('OLD_LOG')
  })

  test('[scenario 36] when replicas are asked of a server on which they lose the compare-and-set', async () => {
    const error = await rejection(brokerAt(`${server.url}?prefix=rep&replicas=3`).start())
    expect(codeOf(error)).toBe('CB_E_BROKER_TOO_OLD')
    expect(error.message).toMatch(/replicas=3 needs nats-server 2\.9\.21.*2\.9\.10.*several appends/)
    expect(await streamsOf(server.url)).not.toContain('REP_LOG')
  })

  test.each([
    ['LOG', { max_age: 3_600e9 }, 'max_age'],
    ['LOG', { discard: 'old' }, 'discard'],
    ['LOG', { duplicate_window: 1e9 }, 'duplicate_window'],
    ['LOG', { max_msgs_per_subject: 100 }, 'max_msgs_per_subject'],
    ['LOG', { allow_direct: false }, 'allow_direct'],
    ['LOG', { max_bytes: -1 }, 'max_bytes'],
    ['WORK', { max_msgs: 5 }, 'max_msgs'],
  ])(
    '[scenario 36] when the stream %s has drifted to %o, naming the field',
    async (stream, change, field) => {
      const prefix = `s${prefixes++}`
      const url = `${server.url}?prefix=${prefix}&work_bytes=8M&objects_bytes=8M`
      await (await started(`${url}&log_bytes=16M`)).stop()
      await reconfigure(`${prefix.toUpperCase()}_${stream}`, change)
      const error = await rejection(brokerAt(url).start())
      expect(codeOf(error)).toBe('CB_E_STREAM_DRIFT')
      expect(error.message).toContain(`${prefix.toUpperCase()}_${stream}`)
      expect(error.message).toContain(field)
      expect(error).toMatchObject({ details: { field } })
    },
  )

  test('when a stream of that name is not ours, or from a newer layout; neither is touched', async () => {
    await using nc = await rawConnection(server.url)
    await jsApi(nc, 'STREAM.CREATE.THEIRS_LOG', {
      name: 'THEIRS_LOG',
      subjects: ['theirs.>'],
      max_bytes: 1e6,
    })
    const newer = {
      name: 'NEWER_LOG',
      description: 'callboard/2 run log',
      subjects: ['newer.>'],
      max_bytes: 1e6,
    }
    await jsApi(nc, 'STREAM.CREATE.NEWER_LOG', newer)
    const foreign = await rejection(brokerAt(`${server.url}?prefix=theirs`).start())
    expect(codeOf(foreign)).toBe('CB_E_STORE_FOREIGN')
    const tooNew = await rejection(brokerAt(`${server.url}?prefix=newer`).start())
    expect(codeOf(tooNew)).toBe('CB_E_STORE_TOO_NEW')
    expect(tooNew.message).toMatch(/layout 2/)
    const streams = await streamsOf(server.url)
    for (const name of ['THEIRS_WORK', 'NEWER_WORK']) expect(streams).not.toContain(name)
  })

  test('when the server has no room, naming what to change; the next start with room goes on', async () => {
    await using tiny = await startNats({ jetstreamConfig: 'max_file_store: 100MB' })
    const error = await rejection(brokerAt(tiny.url).start())
    expect(codeOf(error)).toBe('CB_E_STORE_FULL')
    expect(error.message).toMatch(/log_bytes/)
    await using broker = await started(`${tiny.url}?log_bytes=32M&work_bytes=8M&objects_bytes=8M`)
    await fill(broker, newSubject(), 1)
  })

  test('and a failed start logs no secret', async () => {
    const logger = recorder()
    await rejection(brokerAt('nats://joe:hunter2@127.0.0.1:1', { logger }).start())
    expect(JSON.stringify(logger.lines)).not.toContain('hunter2')
  })
})
