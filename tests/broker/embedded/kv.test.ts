/** What the conformance suite cannot see of the keys: expiry to the millisecond, and watchers that were away. */

import { describe, expect, test } from 'vitest'
import { memoryBroker, memoryPlace } from '../../../src/broker/embedded/index.ts'
import { kvFeed, kvTable, startWatch } from '../../../src/broker/embedded/kv/index.ts'
import { resolvePatience, takeSeat } from '../../../src/broker/embedded/seat.ts'
import { committer, openMemoryStore } from '../../../src/broker/embedded/store/index.ts'
import type { KvChange } from '../../../src/broker/index.ts'
import { systemDeps, virtualClock } from '../../../src/core/index.ts'
import { atEnd } from './support.ts'

/** Two machines on one place in memory, each with a clock of its own on one time line. */
async function twoMachines() {
  const clock = virtualClock()
  const place = memoryPlace({ clock: clock.view({ name: 'broker' }) })
  const machines = ['one', 'two'].map((name) => {
    const view = clock.view({ name })
    return { view, broker: memoryBroker(place, { ...systemDeps(), clock: view }) }
  })
  const [one, two] = machines
  if (!one || !two) throw new Error('two machines')
  await clock.drive(Promise.all(machines.map(({ broker }) => broker.start())))
  atEnd(() => clock.drive(Promise.all(machines.map(({ broker }) => broker.stop()))))
  return { clock, one, two }
}

/** `+key` and `-key`, in the order they were told. */
function recorder() {
  const told: string[] = []
  const handler = (change: KvChange) =>
    void told.push(change.kind === 'put' ? `+${change.entry.key}` : `-${change.key}`)
  return { told, handler }
}

describe('a key with a time to live', () => {
  test('is there until its last millisecond, and watchers learn at once that it is gone', async () => {
    const { clock, one, two } = await twoMachines()
    const bucket = await clock.drive(one.broker.kv.bucket('leases', { ttlMs: 1_000 }))
    const { told, handler } = recorder()
    const other = await clock.drive(two.broker.kv.bucket('leases'))
    await clock.drive(other.watch('', handler))
    await clock.drive(bucket.put('a', 1))
    await clock.advance(999)
    expect((await clock.drive(other.get('a')))?.value).toBe(1)
    expect(told).toEqual(['+a'])
    await clock.advance(1)
    expect(await clock.drive(other.get('a'))).toBeUndefined()
    expect(told).toEqual(['+a', '-a'])
  })

  test('lives by the clock of the broker, not by that of a machine that is an hour fast', async () => {
    const { clock, one, two } = await twoMachines()
    one.view.shift(3_600_000)
    const bucket = await clock.drive(one.broker.kv.bucket('leases', { ttlMs: 1_000 }))
    const other = await clock.drive(two.broker.kv.bucket('leases'))
    const revision = await clock.drive(other.create('a', 1))
    expect(await clock.drive(bucket.create('a', 2))).toBeUndefined()
    await clock.advance(1_000)
    expect(await clock.drive(bucket.create('a', 2))).toBeGreaterThan(revision ?? Number.POSITIVE_INFINITY)
  })

  test('that is renewed in time is never told to be gone', async () => {
    const { clock, one, two } = await twoMachines()
    const bucket = await clock.drive(one.broker.kv.bucket('leases', { ttlMs: 1_000 }))
    const other = await clock.drive(two.broker.kv.bucket('leases'))
    const { told, handler } = recorder()
    await clock.drive(other.watch('', handler))
    let revision = await clock.drive(bucket.create('a', 0))
    for (let i = 0; i < 5; i++) {
      await clock.advance(900)
      revision = await clock.drive(bucket.update('a', i, revision ?? 0))
    }
    await clock.advance(0)
    expect(told).toEqual(['+a', '+a', '+a', '+a', '+a', '+a'])
  })
})

describe('a watcher', () => {
  test('that stood still for an hour learns of everything that is gone meanwhile, also what was swept away', async () => {
    const { clock, one, two } = await twoMachines()
    const bucket = await clock.drive(one.broker.kv.bucket('b'))
    for (const key of ['stays', 'goes', 'changes']) await clock.drive(bucket.put(key, 1))
    const other = await clock.drive(two.broker.kv.bucket('b'))
    const { told, handler } = recorder()
    const watch = await clock.drive(other.watch('', handler))
    await clock.drive(watch.caughtUp)
    told.length = 0
    two.view.freeze()
    await clock.drive(bucket.delete('goes'))
    await clock.drive(bucket.put('changes', 2))
    await clock.advance(3_600_000)
    // Long after the deletion could be read as a change: this sweeps it away.
    await clock.drive(bucket.put('new', 1))
    two.view.thaw()
    await clock.advance(0)
    await clock.drive(bucket.put('last', 1))
    await clock.advance(0)
    expect(told.toSorted()).toEqual(['+changes', '+last', '+new', '-goes'])
  })

  test('in a process that stood still for an hour looks at everything again', async () => {
    const clock = virtualClock()
    const deps = { ...systemDeps(), clock }
    const store = openMemoryStore(deps)
    const table = kvTable(store)
    const feed = kvFeed(table, clock.now)
    const writer = committer(store, deps, { participants: [feed], announce() {} })
    const seat = takeSeat(deps, resolvePatience({}), store, writer)
    // What is written past the feed is what another process writes.
    const bucket = { name: 'b', ttlMs: 0 }
    const write = (key: string, value: string | null) => table.write(bucket, key, value, clock.now())
    for (const key of ['stays', 'goes', 'changes']) write(key, '1')
    const { told, handler } = recorder()
    const parts = { table, feed, now: clock.now }
    const watch = startWatch(seat, parts, { bucket: 'b', ttlMs: 0, prefix: '', handler })
    await clock.drive(watch.caughtUp)
    told.length = 0
    write('goes', null)
    write('changes', '2')
    await clock.advance(3_600_000)
    write('new', '1')
    expect(table.get('b', 'goes')).toBeUndefined()
    feed.poll()
    await clock.advance(0)
    expect(told.toSorted()).toEqual(['+changes', '+new', '-goes'])
    await clock.drive(seat.leave())
  })

  test('goes on when its handler throws', async () => {
    const { clock, one } = await twoMachines()
    const bucket = await clock.drive(one.broker.kv.bucket('b'))
    const { told, handler } = recorder()
    const watch = await clock.drive(
      bucket.watch('', (change) => {
        handler(change)
        throw new Error('no')
      }),
    )
    await clock.drive(bucket.put('a', 1))
    await clock.drive(bucket.delete('a'))
    await clock.advance(0)
    await clock.drive(watch.stop())
    expect(told).toEqual(['+a', '-a'])
  })
})

test('deleted and expired keys leave no rows behind for ever, and revisions go on', async () => {
  const { clock, one } = await twoMachines()
  const leases = await clock.drive(one.broker.kv.bucket('leases', { ttlMs: 1_000 }))
  const first = await clock.drive(leases.put('expires', 1))
  await clock.drive(leases.put('deleted', 1))
  await clock.drive(leases.delete('deleted'))
  await clock.advance(3_600_000)
  expect(await clock.drive(leases.put('other', 1))).toBe(first + 3)
  await clock.advance(3_600_000)
  expect(await clock.drive(leases.put('expires', 2))).toBe(first + 4)
})
