/** The permissions that docs/how-to/nats-permissions.md recommends, taken from that page, on a real server. */

import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Broker } from '../../../src/broker/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import {
  brokerAt,
  codeOf,
  fill,
  jsApi,
  newSubject,
  rawConnection,
  rejection,
  revsOf,
  started,
} from './fixture.ts'

const ROLES = ['admin', 'worker', 'gateway', 'client'] as const
type Role = (typeof ROLES)[number]

let page: string
let server: NatsServer
beforeAll(async () => {
  page = await readFile(new URL('../../../docs/how-to/nats-permissions.md', import.meta.url), 'utf8')
  server = await startNats({ config: /```conf\n([\s\S]*?)```/.exec(page)?.[1] ?? '' })
})
afterAll(() => server[Symbol.asyncDispose]())

const urlOf = (role: Role, options = '') =>
  `nats://${role}:change-me-${role}@127.0.0.1:${server.port}${options}`
const as = (role: Role) => started(urlOf(role))

/** What every role does: reads and writes everything but work. */
async function everyday(broker: Broker): Promise<void> {
  const subject = newSubject()
  await fill(broker, subject, 70)
  expect(await revsOf(broker, subject, 60)).toHaveLength(11)
  const following = await broker.log.follow({ partitions: 'all' }, 'start', () => {})
  await following.caughtUp
  await following.stop()
  await broker.queue.enqueue('work', 1, { id: newSubject() })
  const bucket = await broker.kv.bucket('leases', { ttlMs: 60_000 })
  const revision = await bucket.create(subject, 1)
  expect(await bucket.update(subject, 2, revision ?? 0)).toBeGreaterThan(revision ?? 0)
  expect((await Array.fromAsync(bucket.list())).length).toBeGreaterThan(0)
  const watch = await bucket.watch('', () => {})
  await watch.caughtUp
  await watch.stop()
  expect(await bucket.delete(subject)).toBe(true)
  await broker.objects.put(subject, new Uint8Array(300_000))
  const found = await broker.objects.get(subject)
  expect((await Array.fromAsync(found?.data ?? [])).length).toBe(3)
  const subscription = await broker.bus.subscribe(`host.${subject}`, (message) => message.value)
  expect(await broker.bus.request(`host.${subject}`, 7)).toEqual({ outcome: 'reply', value: 7 })
  await subscription.stop()
}

describe('the page', () => {
  test('has every role in its table and in its configuration', () => {
    for (const role of ROLES) {
      expect(page).toContain(`| \`${role}\` |`)
      expect(page).toContain(`user: ${role}, password: "change-me-${role}"`)
    }
  })
})

describe('before the streams are made', () => {
  test.each(ROLES.filter((role) => role !== 'admin'))(
    '%s is refused, saying who must start first',
    async (role) => {
      const error = await rejection(brokerAt(urlOf(role)).start())
      expect(codeOf(error)).toBe('CB_E_BROKER_AUTH')
      expect(error.message).toMatch(/CB_LOG.*admin role.*nats-permissions/)
    },
  )
})

describe('once admin has made the streams', () => {
  beforeAll(async () => {
    await using admin = await as('admin')
    await admin.kv.bucket('leases', { ttlMs: 60_000 })
    for (const name of ['api-keys', 'secrets']) {
      const bucket = await admin.kv.bucket(name)
      await bucket.put('one', 'of the gateway')
    }
  })

  test.each(ROLES)('%s does everyday things', async (role) => {
    await using broker = await as(role)
    await everyday(broker)
  })

  test('worker claims, acknowledges and gives back', async () => {
    await using worker = await as('worker')
    await using client = await as('client')
    await client.queue.enqueue('claims', 'x', { id: newSubject() })
    const forever = new AbortController().signal
    const [first] = await worker.queue.claim(['claims'], 1, forever)
    await first?.release()
    const [again] = await worker.queue.claim(['claims'], 1, forever)
    expect(again).toMatchObject({ item: 'x', delivery: 2 })
    await again?.ack()
    expect(await worker.queue.depth('claims')).toBe(0)
  })

  test.each(['gateway', 'client'] as const)('%s may not claim, and is told so at once', async (role) => {
    await using broker = await as(role)
    const claim = broker.queue.claim(['work'], 1, new AbortController().signal)
    expect(codeOf(await rejection(claim))).toBe('CB_E_BROKER_AUTH')
  })

  test.each(['admin', 'worker', 'gateway'] as const)('%s archives', async (role) => {
    await using broker = await as(role)
    const subject = newSubject()
    await fill(broker, subject, 5)
    expect(await broker.log.archive(subject, [], { expect: 5 })).toMatchObject({
      outcome: 'appended',
      rev: 6,
    })
    expect(await revsOf(broker, subject)).toEqual([6])
  })

  test('client may not delete from the log', async () => {
    await using client = await as('client')
    const subject = newSubject()
    await fill(client, subject, 2)
    const error = await rejection(client.log.archive(subject, [], { expect: 2 }))
    expect(codeOf(error)).toBe('CB_E_BROKER_AUTH')
    expect(error.message).toMatch(/delete message \d+ of CB_LOG/)
  })

  test.each(['worker', 'client'] as const)('%s may neither write keys nor read the secret', async (role) => {
    await using broker = await as(role)
    const [keys, secrets] = await Promise.all([broker.kv.bucket('api-keys'), broker.kv.bucket('secrets')])
    const refusals = await Promise.all(
      [
        keys.put('mine', 'a key'),
        keys.delete('one'),
        secrets.put('one', 'mine'),
        secrets.get('one'),
        Array.fromAsync(secrets.list()),
        secrets.watch('', () => {}),
      ].map(rejection),
    )
    expect(refusals.map(codeOf)).toEqual(refusals.map(() => 'CB_E_BROKER_AUTH'))
    expect((await keys.get('one'))?.value).toBe('of the gateway')
  })

  test('gateway reads and writes both', async () => {
    await using gateway = await as('gateway')
    for (const name of ['api-keys', 'secrets']) {
      const bucket = await gateway.kv.bucket(name)
      expect((await bucket.get('one'))?.value).toBe('of the gateway')
      await bucket.put('two', 'of the gateway')
    }
  })

  test.each(['worker', 'gateway', 'client'] as const)(
    '%s may neither make nor change a stream',
    async (role) => {
      await using broker = await as(role)
      expect(codeOf(await rejection(broker.kv.bucket('new-bucket')))).toBe('CB_E_BROKER_AUTH')
      const changed = brokerAt(urlOf(role, '?log_bytes=77MiB'))
      expect(codeOf(await rejection(changed.start()))).toBe('CB_E_BROKER_AUTH')
    },
  )

  test.each(ROLES)('%s may neither purge nor delete a stream', async (role) => {
    await using nc = await rawConnection(server.url, { user: role, pass: `change-me-${role}` })
    for (const operation of ['STREAM.PURGE.CB_LOG', 'STREAM.DELETE.CB_LOG'])
      await expect(jsApi(nc, operation)).rejects.toThrow(/Permissions Violation/i)
  })
})

test('a role that may not even ask for the account is refused at once, not after a time-out', async () => {
  await using strict = await startNats({
    config:
      'authorization { users: [{ user: u, password: p, permissions: { publish: ["cb.>"], subscribe: ["_INBOX.>"] } }] }',
  })
  const broker = brokerAt(`nats://u:p@127.0.0.1:${strict.port}`, { callTimeoutMs: 60_000 })
  const error = await rejection(broker.start())
  expect(codeOf(error)).toBe('CB_E_BROKER_AUTH')
})

test('a bus that may not be listened to says so when subscribing', async () => {
  await using strict = await startNats({
    config:
      'authorization { users: [{ user: u, password: p, permissions: { publish: [">"], subscribe: ["_INBOX.>"] } }] }',
  })
  await using broker = await started(`nats://u:p@127.0.0.1:${strict.port}`)
  const error = await rejection(broker.bus.subscribe('x', () => undefined))
  expect(codeOf(error)).toBe('CB_E_BROKER_AUTH')
  expect(error.message).toContain('cb.1.bus.x')
})
