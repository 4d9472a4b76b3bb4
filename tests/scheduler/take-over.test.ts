import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { applyToRun, type FlowRecord, judgeChild, type RunRecord } from '../../src/actors/index.ts'
import type { Broker, Bucket } from '../../src/broker/index.ts'
import { CallboardError, mintId, partitionOf } from '../../src/core/index.ts'
import { checkpointKey } from '../../src/scheduler/checkpoint.ts'
import { createScheduler, type Scheduler } from '../../src/scheduler/index.ts'
import { SCHEDULER_BUCKET } from '../../src/scheduler/membership.ts'
import { makeStage, type Stage, until } from './stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await makeStage()
})
afterEach(() => stage.close())

const LEASE_MS = 10_000
const by = { channel: 'test' }
const isHolding = (scheduler: Scheduler) => scheduler.status().holding.length === 64

/** A broker whose buckets tell of nothing that happens after the first look. */
function withoutWatch(broker: Broker): Broker {
  const { kv } = broker
  return {
    ...broker,
    kv: {
      async bucket(...args) {
        const bucket = await kv.bucket(...args)
        const watch: Bucket['watch'] = async () => ({ caughtUp: Promise.resolve(), stop: async () => {} })
        return { ...bucket, watch }
      },
    },
  }
}

function startsOf(records: readonly RunRecord[]): FlowRecord['e'][] {
  return records.flatMap((record) =>
    record.k === 'flow' && record.e.type === 'TIMER.start' ? [record.e] : [],
  )
}

/** Checks that every one of these runs was started by its timer once, at most so late. */
async function expectStarted(runs: readonly string[], due: number, latestMs: number): Promise<void> {
  const all = await stage.everything()
  for (const run of runs) {
    const starts = startsOf(all.get(run) ?? [])
    expect(starts).toHaveLength(1)
    expect(starts[0]?.at).toBeGreaterThanOrEqual(due)
    expect(starts[0]?.at).toBeLessThanOrEqual(due + latestMs)
  }
  expect(await stage.drive(stage.home.broker.queue.depth('default'))).toBe(runs.length)
}

vi.setConfig({ testTimeout: 120_000 }) // ten thousand of something

describe('ten thousand timers', () => {
  const COUNT = 10_000

  test('[scenario 32] due in one second all fire, each once, with a bound on the appends under way', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const due = stage.clock.now() + 20_000
    const runs = await stage.createMany(COUNT, (index) => ({ scheduledTime: due + (index % 1_000) }))
    await stage.clock.advance(due - stage.clock.now())
    let most = 0
    await until(stage, () => {
      const { firing, fired } = one.status().timers
      most = Math.max(most, firing)
      return fired === COUNT
    })
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(256)
    await expectStarted(runs, due, 2_000)
  })

  test('[scenario 27] survive the death of their holder: each fires, late by a lease and a second at most, and once', async () => {
    const one = await stage.scheduler('one', { leaseMs: LEASE_MS })
    await until(stage, () => isHolding(one))
    const two = await stage.scheduler('two', { leaseMs: LEASE_MS, preferred: false })
    const due = stage.clock.now() + 20_000
    const runs = await stage.createMany(COUNT, () => ({ scheduledTime: due }))
    await stage.clock.advance(due - stage.clock.now() - 1)
    one.machine.kill()
    await until(stage, () => two.status().timers.fired >= COUNT, 2 * LEASE_MS)
    await expectStarted(runs, due, LEASE_MS + 1_000)
    const late = startsOf((await stage.everything()).get(runs[0] ?? '') ?? [])
    expect(late[0]).toMatchObject({ lateMs: expect.any(Number) })
  })

  test('[scenario 27] survive a holder killed in the middle of firing them', async () => {
    const one = await stage.scheduler('one', { leaseMs: LEASE_MS })
    await until(stage, () => isHolding(one))
    const two = await stage.scheduler('two', { leaseMs: LEASE_MS, preferred: false })
    const due = stage.clock.now() + 20_000
    const runs = await stage.createMany(2_000, () => ({ scheduledTime: due }))
    await until(stage, () => one.status().timers.fired > 700)
    one.machine.kill()
    await stage.clock.advance(LEASE_MS + 2_000)
    expect(isHolding(two)).toBe(true)
    await expectStarted(runs, due, LEASE_MS + 1_000)
  })
})

describe('two holders of the same partitions', () => {
  test('[scenario 28] [scenario 11] harm nothing: each timer is accepted once, each run is in its queue once', async () => {
    // A broker that lost its leases: the old holder, who is told nothing, goes on until its deadline; the new one begins.
    const deaf = await stage.machine('one')
    const one = createScheduler(withoutWatch(deaf.broker), deaf.deps, { id: 'one', leaseMs: LEASE_MS })
    await stage.drive(one.start())
    await until(stage, () => isHolding(one))
    const due = stage.clock.now() + 2_000
    const runs = await stage.createMany(300, (index) => ({ scheduledTime: index % 2 === 0 ? due : 0 }))
    const bucket = await stage.drive(stage.home.broker.kv.bucket(SCHEDULER_BUCKET, { ttlMs: LEASE_MS }))
    const forget = async () => {
      for await (const { key } of bucket.list('member')) await bucket.delete(key)
    }
    const machine = await stage.machine('two')
    const two = createScheduler(machine.broker, machine.deps, { id: 'two', leaseMs: LEASE_MS })
    await stage.drive(forget().then(() => two.start()))
    await until(stage, () => two.status().holding.length > 0)
    const overlap = two.status().holding.filter((partition) => one.status().holding.includes(partition))
    expect(overlap.length).toBeGreaterThan(0)
    await stage.clock.advance(30_000)
    const all = await stage.everything()
    for (const [index, run] of runs.entries())
      expect(startsOf(all.get(run) ?? [])).toHaveLength(index % 2 === 0 ? 1 : 0)
    expect(await stage.drive(stage.home.broker.queue.depth('default'))).toBe(runs.length)
    await stage.drive(one.stop())
    await stage.drive(two.stop())
  })
})

describe('effects', () => {
  /** A creator that dies between append and effect: it writes the run and enqueues nothing. */
  async function createAndDie(): Promise<string> {
    const machine = await stage.machine('creator')
    const { broker } = machine
    const queue = { ...broker.queue, enqueue: () => Promise.reject(new Error('it is dead')) }
    return stage.create({}, { ...broker, queue })
  }

  const depth = () => stage.drive(stage.home.broker.queue.depth('default'))

  test('[scenario 9] of a record whose writer died are performed by the holder', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    await createAndDie()
    await stage.clock.advance(600)
    expect(await depth()).toBe(1)
  })

  test('[scenario 9] written while nobody held the partition are performed by whoever takes it over', async () => {
    await createAndDie()
    expect(await depth()).toBe(0)
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    await stage.clock.advance(100)
    expect(await depth()).toBe(1)
  })

  test('[scenario 10] performed twice enqueue once: by writer and holder, and by one holder after another', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const runs = await stage.createMany(20, () => ({}))
    await stage.clock.advance(1_000)
    expect(await depth()).toBe(runs.length)
    // The next holder has no checkpoint to begin from: it sees every entry anew.
    one.machine.kill()
    const two = await stage.scheduler('two')
    await until(stage, () => isHolding(two))
    await stage.clock.advance(1_000)
    expect(await depth()).toBe(runs.length)
  })

  test('of runs that moved on meanwhile are not performed again by a holder that reads from the start', async () => {
    const runs = await stage.createMany(20, () => ({}))
    const at = stage.clock.now()
    for (const run of runs.slice(0, 10)) await stage.say(run, { type: 'CANCEL', at, by })
    const { broker } = stage.home
    const claimed = await stage.drive(broker.queue.claim(['default'], 100, new AbortController().signal))
    await stage.drive(Promise.all(claimed.map((item) => item.ack())))
    await stage.clock.advance(300_000)
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    await stage.clock.advance(1_000)
    expect(await depth()).toBe(10)
  })

  test('[scenario 12] are not lost while the queue takes nothing', async () => {
    const machine = await stage.machine('full')
    let isFull = true
    const queue = {
      ...machine.broker.queue,
      enqueue: (...args: Parameters<typeof machine.broker.queue.enqueue>) =>
        isFull ? Promise.reject(new Error('the queue is full')) : machine.broker.queue.enqueue(...args),
    }
    const one = createScheduler({ ...machine.broker, queue }, machine.deps, { id: 'one' })
    await stage.drive(one.start())
    await until(stage, () => isHolding(one))
    for (let i = 0; i < 5; i++) await createAndDie()
    await stage.clock.advance(60_000)
    expect(await depth()).toBe(0)
    expect(machine.lines.filter(({ facts }) => facts.effect === 'enqueue').length).toBeGreaterThan(5)
    isFull = false
    await stage.clock.advance(5_000)
    expect(await depth()).toBe(5)
    await stage.drive(one.stop())
  })

  test('tell a host to look', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    await stage.worker('w')
    const run = await stage.create()
    const at = stage.clock.now()
    await stage.say(run, { type: 'CLAIM', at, worker: 'w' }, { type: 'START', at })
    const heard: unknown[] = []
    await stage.drive(stage.home.broker.bus.subscribe(`run.${run}`, ({ value }) => void heard.push(value)))
    await stage.say(run, { type: 'CANCEL', at, by })
    heard.length = 0 // what its sender said
    await stage.clock.advance(1_000)
    expect(heard).toContainEqual({ op: 'nudge' })
  })
})

describe('parents and children', () => {
  async function family(children: number): Promise<{ parent: string; children: string[] }> {
    await stage.worker('w')
    const at = stage.clock.now()
    const parent = await stage.create({ flow: 'parent' })
    await stage.say(parent, { type: 'CLAIM', at, worker: 'w' }, { type: 'START', at })
    const made: string[] = []
    for (let index = 0; index < children; index++) {
      const run = mintId(stage.home.deps, partitionOf(parent))
      const id = `child-${index}`
      const judge = judgeChild({ id, run, flow: 'child' }, at)
      await stage.drive(applyToRun(stage.home.broker, stage.home.deps, parent, judge))
      await stage.create({ id: run, flow: 'child', parent: { run: parent, key: id }, root: parent })
      made.push(run)
    }
    return { parent, children: made }
  }

  test('a cancelled parent cancels its children', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const { parent, children } = await family(5)
    await stage.say(parent, { type: 'CANCEL', at: stage.clock.now(), by })
    await stage.clock.advance(1_000)
    for (const child of children) expect(await stage.tagOf(child)).toBe('CANCELLED.Cancelled')
  })

  test('a child that is made after its parent was cancelled is cancelled too', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const { parent } = await family(0)
    await stage.say(parent, { type: 'CANCEL', at: stage.clock.now(), by })
    await stage.clock.advance(1_000)
    const input = { parent: { run: parent, key: 'late' }, root: parent }
    const late = await stage.create(input)
    await stage.clock.advance(1_000)
    expect(await stage.tagOf(late)).toBe('CANCELLED.Cancelled')
    await stage.say(parent, { type: 'CANCELLED', at: stage.clock.now() })
    await stage.clock.advance(1_000)
    const later = await stage.create(input)
    await stage.clock.advance(1_000)
    expect(await stage.tagOf(later)).toBe('CANCELLED.Cancelled')
  })

  test('a child of a parent that has completed goes on', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const { parent, children } = await family(1)
    await stage.say(parent, { type: 'COMPLETE', at: stage.clock.now() })
    const late = await stage.create({ parent: { run: parent, key: 'late' }, root: parent })
    await stage.clock.advance(1_000)
    for (const child of [...children, late]) expect(await stage.tagOf(child)).toBe('SCHEDULED.Scheduled')
  })

  test('a parent’s host hears that a child has ended', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const { parent, children } = await family(1)
    const heard: unknown[] = []
    await stage.drive(stage.home.broker.bus.subscribe(`run.${parent}`, ({ value }) => void heard.push(value)))
    await stage.say(children[0] ?? '', { type: 'CANCEL', at: stage.clock.now(), by })
    await stage.clock.advance(1_000)
    expect(heard).toContainEqual({ op: 'child-ended', child: children[0] })
  })

  test('what a parent said while nobody held its partition reaches its children', async () => {
    const { parent, children } = await family(3)
    await stage.say(parent, { type: 'CANCEL', at: stage.clock.now(), by })
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    await stage.clock.advance(1_000)
    for (const child of children) expect(await stage.tagOf(child)).toBe('CANCELLED.Cancelled')
  })
})

describe('a take-over', () => {
  const object = async (partition: number) => {
    const found = await stage.drive(stage.home.broker.objects.get(checkpointKey(partition)))
    return found && Buffer.concat(await stage.drive(Array.fromAsync(found.data))).toString()
  }

  test('begins from the checkpoint of the holder that let go, and needs no older entry', async () => {
    const due = stage.clock.now() + 60_000
    const one = await stage.scheduler('one', { checkpointEvery: 1 })
    await until(stage, () => isHolding(one))
    const run = await stage.create({ scheduledTime: due })
    await stage.clock.advance(100)
    await stage.drive(one.stop())
    // As if the log had been read long ago: nothing but the checkpoint knows of the run.
    const machine = await stage.machine('two')
    const read: number[] = []
    const log = {
      ...machine.broker.log,
      follow: (...[filter, from, handler]: Parameters<typeof machine.broker.log.follow>) =>
        machine.broker.log.follow(filter, from, (entries) => {
          read.push(entries.length)
          return handler(entries)
        }),
    }
    const two = createScheduler({ ...machine.broker, log }, machine.deps, { id: 'two' })
    await stage.drive(two.start())
    await until(stage, () => isHolding(two))
    expect(two.status().runs).toBe(1)
    expect(read).toEqual([])
    await stage.clock.advance(61_000)
    expect(startsOf(await stage.recordsOf(run))).toHaveLength(1)
    await stage.drive(two.stop())
  })

  test('from a damaged checkpoint reads the log from its start, says so, and comes to the same', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const due = stage.clock.now() + 60_000
    const runs = await stage.createMany(10, () => ({ scheduledTime: due }))
    await stage.clock.advance(100)
    await stage.drive(one.stop())
    for (let partition = 0; partition < 64; partition++)
      await stage.drive(stage.home.broker.objects.put(checkpointKey(partition), Buffer.from('{}\n')))
    const two = await stage.scheduler('two')
    await until(stage, () => isHolding(two))
    expect(two.status().runs).toBe(10)
    expect(two.machine.lines.filter(({ message }) => message.includes('damaged'))).toHaveLength(64)
    await stage.clock.advance(61_000)
    await expectStarted(runs, due, 1_000)
  })

  test('waits for a checkpoint that cannot be read just now, and reads no more of the log for it', async () => {
    const one = await stage.scheduler('one', { checkpointEvery: 1 })
    await until(stage, () => isHolding(one))
    await stage.createMany(5, () => ({ scheduledTime: stage.clock.now() + 60_000 }))
    await stage.clock.advance(100)
    await stage.drive(one.stop())
    const machine = await stage.machine('two')
    const { objects, log } = machine.broker
    let failures = 100
    const get: typeof objects.get = (key) =>
      failures-- > 0
        ? Promise.reject(new CallboardError('CB_E_BROKER_UNAVAILABLE', 'It did not answer in time.'))
        : objects.get(key)
    const begun: unknown[] = []
    const follow: typeof log.follow = (filter, from, handler) => {
      begun.push(from)
      return log.follow(filter, from, handler)
    }
    const broker = { ...machine.broker, objects: { ...objects, get }, log: { ...log, follow } }
    const two = createScheduler(broker, machine.deps, { id: 'two' })
    await stage.drive(two.start())
    await until(stage, () => isHolding(two))
    expect(two.status().runs).toBe(5)
    expect(begun).not.toContain('start')
    await stage.drive(two.stop())
  })

  test('can be called off at any moment without anything to complain of', async () => {
    for (let steps = 0; steps < 400; steps += 3) {
      const machine = await stage.machine(`hasty-${steps}`)
      const hasty = createScheduler(machine.broker, machine.deps, { id: `hasty-${steps}` })
      await stage.drive(hasty.start())
      for (let step = 0; step < steps && !isHolding(hasty); step++) await stage.clock.step()
      for (let step = 0; step < steps % 20; step++) await stage.clock.step()
      await stage.drive(hasty.stop())
      expect(machine.lines.filter(({ level }) => level === 'error')).toEqual([])
    }
  })

  test('happens again and again without losing or doubling anything', async () => {
    const due = stage.clock.now() + 45_000
    const runs: string[] = []
    for (let round = 0; round < 6; round++) {
      const holder = await stage.scheduler(`holder-${round}`, { checkpointEvery: 5 })
      await until(stage, () => isHolding(holder))
      runs.push(...(await stage.createMany(30, () => ({ scheduledTime: due }))))
      await stage.clock.advance(1_000)
      if (round % 2 === 0) await stage.drive(holder.stop())
      else holder.machine.kill()
    }
    const last = await stage.scheduler('last')
    await until(stage, () => isHolding(last), 30_000)
    expect(last.status().runs).toBe(runs.length)
    await stage.clock.advance(Math.max(0, due - stage.clock.now()) + LEASE_MS)
    await expectStarted(runs, due, LEASE_MS + 1_000)
  })

  test('writes checkpoints as the log grows, without being asked', async () => {
    const one = await stage.scheduler('one', { checkpointEvery: 10 })
    await until(stage, () => isHolding(one))
    const run = await stage.create()
    const others = await stage.createMany(30, () => ({ root: run }))
    await stage.clock.advance(1_000)
    const written: string[] = []
    for (let partition = 0; partition < 64; partition++) written.push((await object(partition)) ?? '')
    expect(written.filter((text) => text !== '')).toEqual([expect.stringContaining(others[0] ?? '?')])
  })

  test('forgets no run that began again while the broker stuttered', async () => {
    const run = await stage.create()
    const at = stage.clock.now()
    await stage.say(run, { type: 'CANCEL', at, by })
    const machine = await stage.machine('stuttering')
    const { log } = machine.broker
    let failures = 3
    const last: typeof log.last = (subject) => {
      if (failures-- > 0)
        return Promise.reject(new CallboardError('CB_E_BROKER_UNAVAILABLE', 'It did not answer in time.'))
      return log.last(subject)
    }
    const one = createScheduler({ ...machine.broker, log: { ...log, last } }, machine.deps, { id: 'one' })
    await stage.drive(one.start())
    await until(stage, () => isHolding(one))
    await stage.say(run, { type: 'RETRY', at, by })
    await stage.clock.advance(10_000)
    expect(failures).toBeLessThanOrEqual(0)
    expect(one.status().runs).toBe(1)
    await stage.drive(one.stop())
  })

  test('passes by an entry that cannot be read, and says so', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const { log } = stage.home.broker
    const damaged = await stage.create()
    await stage.drive(log.append(damaged, ['{"k":"head","v":1,"snap":0}', '{"k":"what"}'], { expect: 1 }))
    const newer = await stage.create()
    await stage.drive(log.append(newer, ['{"k":"head","v":999,"snap":0}'], { expect: 1 }))
    const after = await stage.create({ scheduledTime: stage.clock.now() + 5_000 })
    await stage.clock.advance(6_000)
    expect(startsOf(await stage.recordsOf(after))).toHaveLength(1)
    const told = one.machine.lines.filter(({ level, facts }) => level === 'error' && facts.rev === 2)
    expect(told.map(({ facts }) => facts.run)).toEqual([damaged, newer])
  })
})
