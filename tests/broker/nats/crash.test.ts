/** nats-server killed with SIGKILL under load, several times, on one folder: what was acknowledged is there. */

import { expect, test } from 'vitest'
import type { Entry } from '../../../src/broker/index.ts'
import { startNats } from '../../support/nats-server.ts'
import { newSubject, started, until } from './fixture.ts'

const ROUNDS = 4
const SUBJECTS = 40

test('[scenario 33] nothing that was acknowledged is lost or doubled, in the log, the queue, the keys and the objects', async () => {
  await using server = await startNats()
  await using broker = await started(server.url)
  await using reader = await started(server.url)
  const bucket = await broker.kv.bucket('keys')
  const followed: Entry[] = []
  const following = await reader.log.follow(
    { partitions: 'all' },
    'start',
    (batch) => void followed.push(...batch),
  )

  const told = {
    entries: new Map<string, number>(),
    items: new Set<string>(),
    keys: new Map<string, number>(),
  }
  let acknowledged = 0
  let over = false

  async function writeLog(subject: string): Promise<void> {
    for (let rev = 0; !over; rev++) {
      const outcome = await broker.log.append(subject, [`${rev + 1}`], { expect: rev })
      if (outcome.outcome !== 'appended') throw new Error(`${subject} on ${rev}: ${JSON.stringify(outcome)}`)
      told.entries.set(subject, outcome.rev)
      acknowledged++
    }
  }

  async function writeRest(): Promise<void> {
    for (let i = 0; !over; i++) {
      // A write that was not settled in the outage is tried again, as any caller would.
      const enqueued = await broker.queue.enqueue('work', i, { id: `item-${i}` }).catch(() => undefined)
      if (enqueued) told.items.add(`item-${i}`)
      const revision = await bucket.put(`key-${i % 50}`, i).catch(() => undefined)
      if (revision !== undefined) told.keys.set(`key-${i % 50}`, i)
      else told.keys.delete(`key-${i % 50}`)
    }
  }

  const writing = [...Array.from({ length: SUBJECTS }, () => writeLog(newSubject())), writeRest()]
  for (let round = 0; round < ROUNDS; round++) {
    const before = acknowledged
    await until(() => acknowledged > before + 500)
    await server.kill()
    await server.start()
  }
  const afterLast = acknowledged
  await until(() => acknowledged > afterLast + 500)
  over = true
  await Promise.all(writing)

  for (const [subject, rev] of told.entries) {
    const entries = await Array.fromAsync(reader.log.read(subject))
    expect(entries.map((entry) => entry.rev)).toEqual(Array.from({ length: rev }, (_, i) => i + 1))
    expect(entries.map((entry) => entry.records)).toEqual(Array.from({ length: rev }, (_, i) => [i + 1]))
  }

  await until(() => followed.length >= acknowledged)
  expect(followed.length).toBe(acknowledged)
  const next = new Map<string, number>()
  for (const { subject, rev } of followed) {
    expect(rev).toBe((next.get(subject) ?? 0) + 1)
    next.set(subject, rev)
  }
  await following.stop()

  const claimed = new Set<string>()
  while (claimed.size < told.items.size) {
    for (const item of await broker.queue.claim(['work'], 100, new AbortController().signal)) {
      claimed.add(item.id)
      await item.ack()
    }
  }
  for (const id of told.items) expect(claimed.has(id)).toBe(true)
  for (const [key, value] of told.keys) expect((await bucket.get(key))?.value).toBe(value)
})
