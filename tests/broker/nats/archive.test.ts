/** Archiving on a real server: what is deleted, what is not, and whom it disturbs. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import {
  codeOf,
  fill,
  jsApi,
  newSubject,
  rawConnection,
  rejection,
  revsOf,
  started,
  until,
} from './fixture.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats({
    config: `authorization { users: [
      { user: all, password: all },
      { user: careful, password: careful, permissions: { publish: { deny: ["$JS.API.STREAM.MSG.DELETE.>"] } } }
    ] }`,
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const urlOf = (user: string) => `nats://${user}:${user}@127.0.0.1:${server.port}`

/** How many messages the server holds for a subject of the log. */
async function countOf(subject: string): Promise<number> {
  await using nc = await rawConnectionAs()
  const info = await jsApi<{ state: { subjects?: Record<string, number> } }>(nc, 'STREAM.INFO.CB_LOG', {
    subjects_filter: `cb.1.log.*.${subject}`,
  })
  return Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0)
}

const rawConnectionAs = () => rawConnection(server.url, { user: 'all', pass: 'all' })

describe('archiving', () => {
  test('leaves one message, the tombstone, and survives a restart of the server', async () => {
    await using broker = await started(urlOf('all'))
    const subject = newSubject()
    await fill(broker, subject, 100)
    expect(await broker.log.archive(subject, ['"end"'], { expect: 100 })).toMatchObject({
      outcome: 'appended',
      rev: 101,
    })
    expect(await countOf(subject)).toBe(1)
    await server.kill()
    await server.start()
    const outcome = await until(() => broker.log.append(subject, ['1'], { expect: 0 }).catch(() => undefined))
    expect(outcome).toEqual({ outcome: 'conflict', rev: 101 })
    expect((await broker.log.last(subject))?.tombstone).toBe(true)
  })

  test('cut short after the tombstone is finished by calling it again, by anybody', async () => {
    await using careful = await started(urlOf('careful'))
    await using broker = await started(urlOf('all'))
    const subject = newSubject()
    await fill(careful, subject, 10)
    expect(codeOf(await rejection(careful.log.archive(subject, ['"end"'], { expect: 10 })))).toBe(
      'CB_E_BROKER_AUTH',
    )
    expect(await countOf(subject)).toBe(11)
    expect(await revsOf(broker, subject)).toEqual([11])
    expect(await broker.log.append(subject, ['1'], { expect: 11 })).toEqual({ outcome: 'conflict', rev: 11 })
    expect(await broker.log.archive(subject, [], { expect: 3 })).toMatchObject({
      outcome: 'appended',
      rev: 11,
    })
    expect(await countOf(subject)).toBe(1)
    expect((await broker.log.last(subject))?.records).toEqual(['end'])
  })

  test('[scenario 37] moves no other consumer past what it has not seen', async () => {
    await using broker = await started(urlOf('all'))
    const [gone, ...kept] = Array.from({ length: 6 }, () => newSubject())
    for (const subject of [gone ?? '', ...kept]) await fill(broker, subject, 4)
    await using nc = await rawConnectionAs()
    const config = { durable_name: 'others', ack_policy: 'explicit', filter_subject: 'cb.1.log.>' }
    await jsApi(nc, 'CONSUMER.CREATE.CB_LOG.others.cb.1.log.>', { stream_name: 'CB_LOG', config })
    await broker.log.archive(gone ?? '', ['"end"'], { expect: 4 })
    const heard = new Map<string, number>()
    const inbox = nc.subscribe('pulled', {
      callback: (_, message) => {
        const subject = message.subject.split('.').at(-1) ?? ''
        heard.set(subject, (heard.get(subject) ?? 0) + 1)
        message.respond()
      },
    })
    nc.publish('$JS.API.CONSUMER.MSG.NEXT.CB_LOG.others', '{"batch":1000}', { reply: 'pulled' })
    await until(() => kept.every((subject) => heard.get(subject) === 4) && heard.get(gone ?? '') === 1)
    inbox.unsubscribe()
    await jsApi(nc, 'CONSUMER.DELETE.CB_LOG.others')
  })

  test('while it is read gives the reader the entries or the tombstone, and never a part in silence', async () => {
    await using broker = await started(urlOf('all'))
    await using reader = await started(urlOf('all'))
    for (let round = 0; round < 5; round++) {
      const subject = newSubject()
      await fill(broker, subject, 300)
      const reading = revsOf(reader, subject)
      const archiving = broker.log.archive(subject, ['"end"'], { expect: 300 })
      const revs = await reading
      await archiving
      const last = revs.at(-1)
      expect(last === 300 ? revs.length === 300 : last === 301).toBe(true)
    }
  })
})
