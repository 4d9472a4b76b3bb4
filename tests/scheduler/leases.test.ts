import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Bucket, KeyValue } from '../../src/broker/index.ts'
import { CallboardError } from '../../src/core/index.ts'
import { createScheduler, type Scheduler } from '../../src/scheduler/index.ts'
import { SCHEDULER_BUCKET } from '../../src/scheduler/membership.ts'
import { OWNERS_BUCKET } from '../../src/scheduler/owners.ts'
import { stressService } from '../../src/testing/index.ts'
import { makeStage, type Stage, until } from './stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await makeStage()
})
afterEach(() => stage.close())

const LEASE_MS = 10_000

const holds = (scheduler: Scheduler) => scheduler.status().holding.length

/** Every partition is held by exactly one of these. */
function sharedBy(...schedulers: Scheduler[]): boolean {
  const held = schedulers.flatMap((each) => each.status().holding)
  return held.length === 64 && new Set(held).size === 64
}

describe('the members of a cluster', () => {
  test('alone, one holds all partitions', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => sharedBy(one))
  })

  test('share the partitions when another one comes, a step at a time', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => sharedBy(one))
    const two = await stage.scheduler('two')
    await until(stage, () => holds(two) === 32 && sharedBy(one, two), 15_000)
    const three = await stage.scheduler('three')
    await until(stage, () => sharedBy(one, two, three) && holds(three) >= 20, 30_000)
    expect(Math.max(holds(one), holds(two), holds(three))).toBeLessThanOrEqual(22)
  })

  test('do not pass partitions to and fro: once shared, nothing changes hands', async () => {
    const one = await stage.scheduler('one')
    const two = await stage.scheduler('two')
    await until(stage, () => holds(two) === 32 && sharedBy(one, two))
    let changes = 0
    one.onChange(() => changes++)
    two.onChange(() => changes++)
    await stage.clock.advance(300_000)
    expect(changes).toBe(0)
  })

  test('that start at the same moment take each partition once', async () => {
    const machines = [await stage.machine('a'), await stage.machine('b'), await stage.machine('c')]
    const all = machines.map(({ broker, deps, name }) => createScheduler(broker, deps, { id: name }))
    await stage.drive(Promise.all(all.map((each) => each.start())))
    await until(stage, () => sharedBy(...all))
    await stage.clock.advance(60_000)
    expect(sharedBy(...all)).toBe(true)
    await stage.drive(Promise.all(all.map((each) => each.stop())))
  })

  test('a script holds only while nobody else is there', async () => {
    const script = await stage.scheduler('script', { preferred: false })
    await until(stage, () => sharedBy(script))
    const gateway = await stage.scheduler('gateway')
    await until(stage, () => sharedBy(gateway), 15_000)
    expect(holds(script)).toBe(0)
    gateway.machine.kill()
    await until(stage, () => sharedBy(script), LEASE_MS + 1_000)
  })
})

test('members whose changes of the owners are never answered share and take over all the same', async () => {
  async function unanswered(id: string): Promise<Scheduler> {
    const { broker, deps } = await stage.machine(id)
    const kv: KeyValue = {
      async bucket(name, options) {
        const bucket = await broker.kv.bucket(name, options)
        if (name !== OWNERS_BUCKET) return bucket
        const lost = async (written: Promise<unknown>) => {
          await written
          throw new CallboardError('CB_E_BROKER_UNAVAILABLE', 'The answer was lost.')
        }
        const create: Bucket['create'] = (...args) => lost(bucket.create(...args))
        const update: Bucket['update'] = (...args) => lost(bucket.update(...args))
        return { ...bucket, create, update }
      },
    }
    return createScheduler({ ...broker, kv }, deps, { id })
  }
  const [one, two] = [await unanswered('one'), await unanswered('two')]
  await stage.drive(one.start())
  await until(stage, () => sharedBy(one), 10_000)
  await stage.drive(two.start())
  await until(stage, () => holds(two) === 32 && sharedBy(one, two), 60_000)
  await stage.drive(one.stop())
  await until(stage, () => sharedBy(two), LEASE_MS + 1_000)
  await stage.drive(two.stop())
})

describe('a holder', () => {
  test('that stops lets go, and the next one has everything without waiting for a lease to run out', async () => {
    const one = await stage.scheduler('one')
    const two = await stage.scheduler('two', { preferred: false })
    await until(stage, () => sharedBy(one))
    await stage.drive(one.stop())
    await until(stage, () => sharedBy(two), 1_000)
  })

  test('that is killed is replaced as soon as its leases have run out', async () => {
    const one = await stage.scheduler('one')
    const two = await stage.scheduler('two')
    await until(stage, () => holds(two) === 32 && sharedBy(one, two))
    one.machine.kill()
    await until(stage, () => sharedBy(two), LEASE_MS + 1_000)
  })

  test('[scenario 28] that is frozen acts no more when it wakes after its leases ran out, and gives way', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => sharedBy(one))
    one.machine.clock.freeze()
    const two = await stage.scheduler('two')
    await until(stage, () => sharedBy(two), LEASE_MS + 1_000)
    one.machine.clock.thaw()
    await until(stage, () => holds(one) === 32 && sharedBy(one, two), 30_000)
  })

  test('stops before anybody else can begin when its leases cannot be renewed', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => sharedBy(one))
    const bucket = await stage.drive(stage.home.broker.kv.bucket(SCHEDULER_BUCKET, { ttlMs: LEASE_MS }))
    const theft = async () => {
      for await (const { key } of bucket.list('member')) await bucket.delete(key)
    }
    await stage.drive(theft())
    await until(stage, () => holds(one) === 0, LEASE_MS)
  })

  test('keeps its partitions when the answer to a renewal is lost', async () => {
    const machine = await stage.machine('lossy')
    const { kv } = machine.broker
    let losses = 0
    const calls = new Map<string, number>()
    const lossy: typeof kv = {
      async bucket(...args) {
        const bucket = await kv.bucket(...args)
        return {
          ...bucket,
          async update(key, value, revision) {
            const written = await bucket.update(key, value, revision)
            const call = calls.get(key) ?? 0
            calls.set(key, call + 1)
            if (call % 3 !== 0) return written
            losses++
            throw new Error('the answer was lost')
          },
        }
      },
    }
    const one = createScheduler({ ...machine.broker, kv: lossy }, machine.deps, { id: 'one' })
    await stage.drive(one.start())
    await until(stage, () => sharedBy(one))
    let changes = 0
    one.onChange(() => changes++)
    await stage.clock.advance(120_000)
    expect(losses).toBeGreaterThan(20)
    expect(changes).toBe(0)
    await stage.drive(one.stop())
  })

  test('that stops in the middle of a renewal leaves no lease behind to wait for', async () => {
    for (let round = 0; round < 4; round++) {
      const one = await stage.scheduler(`one-${round}`)
      await until(stage, () => sharedBy(one))
      await stage.clock.advance(LEASE_MS / 3 - 1)
      for (let i = 0; i < round * 3; i++) await stage.clock.step()
      await stage.drive(one.stop())
      const bucket = await stage.drive(stage.home.broker.kv.bucket(SCHEDULER_BUCKET, { ttlMs: LEASE_MS }))
      expect(await stage.drive(Array.fromAsync(bucket.list()))).toEqual([])
    }
  })

  test('leaves no key behind when it stops', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => sharedBy(one))
    await stage.drive(one.stop())
    const bucket = await stage.drive(stage.home.broker.kv.bucket(SCHEDULER_BUCKET, { ttlMs: LEASE_MS }))
    expect(await stage.drive(Array.fromAsync(bucket.list()))).toEqual([])
  })
})

test('a scheduler keeps the contract of everything with a life', async () => {
  const { broker, deps } = stage.home
  const { clock, random } = stage
  let count = 0
  const make = () => createScheduler(broker, deps, { id: `scheduler-${count++}` })
  await stage.drive(stressService(make, { clock, random, callers: 4, rounds: 2 }))
})

test('a scheduler that cannot start leaves nothing running', async () => {
  const machine = await stage.machine('broken')
  const broken = createScheduler(machine.broker, machine.deps, { leaseMs: 5_000 })
  const first = await stage.scheduler('first')
  await until(stage, () => sharedBy(first))
  await expect(stage.drive(broken.start())).rejects.toMatchObject({ code: 'CB_E_STREAM_DRIFT' })
  const { armed } = stage.clock
  machine.clock.kill() // drops whatever is armed there
  expect(stage.clock.armed).toBe(armed)
})

test('a scheduler refuses a name that cannot be part of a key', () => {
  const { broker, deps } = stage.home
  expect(() => createScheduler(broker, deps, { id: 'not a token' })).toThrow(
    expect.objectContaining({ code: 'CB_E_NAME_INVALID' }),
  )
})
