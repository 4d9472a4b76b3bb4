/** Reading long subjects: any revision is found without reading everything before it. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
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
} from './fixture.ts'

const LENGTH = 4_500

let server: NatsServer
let broker: OpenBroker
let long: string
beforeAll(async () => {
  server = await startNats()
  broker = await started(server.url)
  long = newSubject()
  const other = newSubject()
  for (let rev = 0; rev < LENGTH; rev++) {
    await mustAppend(broker, long, rev, rev + 1, `n-${rev + 1}`)
    if (rev % 3 === 0) await mustAppend(broker, other, rev / 3)
  }
})
afterAll(async () => {
  await broker.stop()
  await server[Symbol.asyncDispose]()
})

describe('a subject of thousands of entries', () => {
  test.each([1, 2, 63, 64, 65, 128, 129, 4_032, 4_095, 4_096, 4_097, 4_160, 4_161, LENGTH - 1, LENGTH])(
    'is read from revision %i on, to its end',
    async (from) => {
      const entries = await Array.fromAsync(broker.log.read(long, { from }))
      expect(entries.map((entry) => entry.rev)).toEqual(
        Array.from({ length: LENGTH + 1 - from }, (_, i) => from + i),
      )
      expect(entries[0]?.records).toEqual([from])
    },
  )

  test('is read the same by a connection that has not written it', async () => {
    await using reader = await started(server.url)
    expect(await revsOf(reader, long, 4_000)).toHaveLength(501)
  })

  test('still knows who appended each of its entries', async () => {
    await using other = await started(server.url)
    for (const rev of [1, 64, 65, 2_000, 4_096, 4_097, LENGTH]) {
      const again = await other.log.append(long, [`${rev}`], { expect: rev - 1, nonce: `n-${rev}` })
      expect(again).toMatchObject({ outcome: 'appended', rev })
      const stranger = await other.log.append(long, [`${rev}`], { expect: rev - 1, nonce: 'stranger' })
      expect(stranger).toEqual({ outcome: 'conflict', rev: LENGTH })
    }
  })

  test('goes on with the right shortcuts when somebody else writes it', async () => {
    await using other = await started(server.url)
    for (let rev = LENGTH; rev < LENGTH + 130; rev++)
      await mustAppend(rev % 2 ? broker : other, long, rev, rev + 1, `n-${rev + 1}`)
    expect(await revsOf(other, long, LENGTH + 100)).toHaveLength(31)
  })

  test('from which somebody deleted ends reading with an error, never with a hole', async () => {
    const subject = newSubject()
    await fill(broker, subject, 20)
    const last = await broker.log.last(subject)
    const seq = Number(last?.cursor.split('.').at(-1)) - 5
    await using nc = await rawConnection(server.url)
    await jsApi(nc, 'STREAM.MSG.DELETE.CB_LOG', { seq })
    const error = await rejection(revsOf(broker, subject))
    expect(codeOf(error)).toBe('CB_E_STORE_DAMAGED')
    expect(error.message).toMatch(/Entry 15/)
  })
})
