import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  LEASE_MS,
  parseRunMessage,
  SLOT_LEASE_MS,
  SLOTS_SUBJECT,
  type SlotHolder,
  type SlotReply,
  type Slots,
} from '../../../src/actors/index.ts'
import { createSlots } from '../../../src/actors/slot-client.ts'
import { openCatalog } from '../../../src/catalog/index.ts'
import type { JsonObject } from '../../../src/core/index.ts'
import { LIMITS_BUCKET, limitKey, resetLimit, type Scheduler } from '../../../src/scheduler/index.ts'
import { type Machine, makeStage, type Stage, until } from '../stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await makeStage()
})
afterEach(() => stage.close())

const by = { channel: 'test' }

async function holder(name: string): Promise<Scheduler & { machine: Machine }> {
  const made = await stage.scheduler(name)
  await until(stage, () => made.status().holding.length === 64)
  await stage.clock.advance(100)
  return made
}

async function setLimit(limit: { readonly name: string } & JsonObject): Promise<void> {
  const bucket = await stage.drive(stage.home.broker.kv.bucket(LIMITS_BUCKET, { ttlMs: 0 }))
  await stage.drive(bucket.put(limitKey(limit.name), limit))
  await stage.clock.advance(200)
}

const LIMITS = ['gpu']

/** A host's half of the slots, on a machine of its own, with a lease. */
interface Host {
  readonly machine: Machine
  readonly slots: Slots
  readonly granted: string[]
  readonly lost: string[]
}

async function host(name: string): Promise<Host> {
  const machine = await stage.worker(name)
  const granted: string[] = []
  const lost: string[] = []
  const slots = createSlots({
    bus: machine.broker.bus,
    deps: machine.deps,
    worker: name,
    onGranted: ({ run }) => granted.push(run),
    onLost: ({ run }) => lost.push(run),
    onDenied() {},
  })
  slots.start()
  return { machine, slots, granted, lost }
}

const want = (run: string, since = 0, limits: readonly string[] = LIMITS) => ({
  holder: { run },
  limits,
  since,
})

const acquire = ({ slots }: Host, run: string, since = 0) => stage.drive(slots.acquire(want(run, since)))

/** Someone who hosts this run: takes what is offered, or does not. */
async function listen(run: string, at: Host, isTaken: (holder: SlotHolder) => boolean): Promise<void> {
  const { bus } = at.machine.broker
  await stage.drive(
    bus.subscribe(`run.${run}`, ({ value }) => {
      const message = parseRunMessage(value)
      return message?.op === 'slots-granted'
        ? { outcome: 'slots', taken: isTaken(message.holder) }
        : undefined
    }),
  )
}

describe('slots over the bus', () => {
  test('[prefect 77] are given out up to the limit, and the next one is told when one comes back', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    await holder('keeper')
    const [a, b] = [await host('a'), await host('b')]
    expect(await acquire(a, 'run-a')).toEqual({ is: 'granted' })
    expect((await acquire(b, 'run-b')).is).toBe('queued')
    await listen('run-b', b, (held) => b.slots.granted(held))
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(100)
    expect(b.granted).toEqual(['run-b'])
    expect(await acquire(b, 'run-b')).toEqual({ is: 'granted' })
  })

  test('[prefect 78] are held by a run once, whoever claims it after its first host died', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const keeper = await holder('keeper')
    const [a, b] = [await host('a'), await host('b')]
    await acquire(a, 'run-a')
    expect(await acquire(b, 'run-a')).toEqual({ is: 'granted' })
    expect(keeper.status().slots).toEqual({ holders: 1, waiters: 0 })
  })

  test('that are not taken go to the next in line', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    await holder('keeper')
    const a = await host('a')
    await acquire(a, 'run-a')
    for (const [index, run] of ['run-b', 'run-c'].entries()) {
      await acquire(a, run, index + 1)
      await listen(run, a, (held) => run === 'run-c' && a.slots.granted(held))
    }
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(100)
    expect(a.granted).toEqual(['run-c'])
  })

  test('are not given to the next because somebody who tries to claim the run says that he does not have it', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    await holder('keeper')
    const [a, b] = [await host('a'), await host('b')]
    await acquire(a, 'run-a')
    const task = { ...want('run-b', 1), holder: { run: 'run-b', task: 'task' } }
    await stage.drive(b.slots.acquire(task))
    await acquire(a, 'run-c', 2)
    const claimer = await stage.machine('claimer')
    await stage.drive(claimer.broker.bus.subscribe('run.run-b', () => ({ outcome: 'elsewhere' })))
    await listen('run-b', b, (held) => b.slots.granted(held))
    await listen('run-c', a, (held) => a.slots.granted(held))
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(2_000)
    expect(b.granted).toEqual(['run-b'])
    expect(a.granted).toEqual([])
  })

  test('of a dead worker are free as soon as its lease has run out: until then its code may be alive', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    await holder('keeper')
    const [a, b] = [await host('a'), await host('b')]
    const run = await stage.create()
    const at = stage.clock.now()
    await stage.say(run, { type: 'CLAIM', at, worker: 'a' }, { type: 'START', at })
    expect(await acquire(a, run)).toEqual({ is: 'granted' })
    await acquire(b, 'run-b')
    await listen('run-b', b, (held) => b.slots.granted(held))
    a.machine.kill()
    await stage.clock.advance(1_500)
    expect(await stage.tagOf(run)).toBe('SCHEDULED.AwaitingRecovery')
    expect(b.granted).toEqual([])
    await stage.clock.advance(LEASE_MS)
    expect(b.granted).toEqual(['run-b'])
  })

  test('follow the limits as they are defined, changed and deleted; a wrong definition changes nothing', async () => {
    const keeper = await holder('keeper')
    const a = await host('a')
    await setLimit({ name: 'gpu', slots: 1 })
    await acquire(a, 'run-a')
    expect((await acquire(a, 'run-b')).is).toBe('queued')
    await listen('run-b', a, (held) => a.slots.granted(held))
    await setLimit({ name: 'gpu', slots: -1 })
    expect(keeper.machine.lines).toContainEqual(
      expect.objectContaining({ level: 'error', facts: expect.objectContaining({ key: 'gpu' }) }),
    )
    expect(a.granted).toEqual([])
    await setLimit({ name: 'gpu', slots: 2 })
    expect(a.granted).toEqual(['run-b'])
    const bucket = await stage.drive(stage.home.broker.kv.bucket(LIMITS_BUCKET))
    await stage.drive(bucket.delete('gpu'))
    await stage.clock.advance(200)
    for (const run of ['run-c', 'run-d']) expect(await acquire(a, run)).toEqual({ is: 'granted' })
  })

  test('[prefect 81] of names that no limit has are granted', async () => {
    await holder('keeper')
    expect(await acquire(await host('a'), 'run-a')).toEqual({ is: 'granted' })
  })

  test('[prefect 82] of a rate come back with time, and whoever waits is told', async () => {
    await setLimit({ name: 'gpu', slots: 1, decayPerSecond: 0.5 })
    await holder('keeper')
    const a = await host('a')
    const rate = (run: string) => stage.drive(a.slots.acquire({ ...want(run), rate: true }))
    expect((await rate('run-a')).is).toBe('granted')
    expect((await rate('run-b')).is).toBe('queued')
    await listen('run-b', a, (held) => a.slots.granted(held))
    await stage.clock.advance(1_900)
    expect(a.granted).toEqual([])
    await stage.clock.advance(200)
    expect(a.granted).toEqual(['run-b'])
  })

  test('are not answered to what is no request', async () => {
    await holder('keeper')
    for (const nonsense of [
      null,
      'acquire',
      { op: 'steal' },
      { op: 'acquire', worker: 'a', want: { limits: 3 } },
    ])
      expect(await stage.drive(stage.home.broker.bus.request(SLOTS_SUBJECT, nonsense))).toEqual({
        outcome: 'timeout',
      })
    expect(await acquire(await host('a'), 'run-a')).toEqual({ is: 'granted' })
  })
})

describe('a limit that is reset', () => {
  const reset = (name: string) => stage.drive(resetLimit(stage.home.broker, name))

  test('lets in who waits beside those who hold it, and is not filled by their renewals', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const keeper = await holder('keeper')
    const [a, b] = [await host('a'), await host('b')]
    await acquire(a, 'run-a')
    await acquire(b, 'run-b')
    await listen('run-b', b, (held) => b.slots.granted(held))
    expect(await reset('gpu')).toEqual({ freed: 1, holders: [{ run: 'run-a', slots: 1 }] })
    await stage.clock.advance(2 * SLOT_LEASE_MS)
    expect([a.lost, b.granted]).toEqual([[], ['run-b']])
    expect(keeper.status().slots).toEqual({ holders: 2, waiters: 0 })
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(100)
    expect((await acquire(a, 'run-c', 1)).is).toBe('queued')
  })

  test('frees slots that a host will never give back', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    await holder('keeper')
    const [leaking, b] = [await host('leaking'), await host('b')]
    await acquire(leaking, 'run-that-is-over')
    await stage.clock.advance(10 * SLOT_LEASE_MS)
    expect((await acquire(b, 'run-b')).is).toBe('queued')
    expect(await reset('gpu')).toMatchObject({ freed: 1 })
    expect(await acquire(b, 'run-b')).toEqual({ is: 'granted' })
  })

  test('counts what is held again for the next keeper, which lets nobody in until that has sunk', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const first = await holder('first')
    const [a, b] = [await host('a'), await host('b')]
    await acquire(a, 'run-a')
    await reset('gpu')
    expect(await acquire(b, 'run-b')).toEqual({ is: 'granted' })
    await stage.drive(first.stop())
    await holder('second')
    await stage.clock.advance(1_000)
    expect((await acquire(b, 'run-c', 1)).is).toBe('queued')
    await listen('run-c', b, (held) => b.slots.granted(held))
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(100)
    expect(b.granted).toEqual([])
    b.slots.release({ run: 'run-b' })
    await stage.clock.advance(100)
    expect(b.granted).toEqual(['run-c'])
  })

  test('may be one of a pool; one that is none is unknown', async () => {
    const { pools } = openCatalog(stage.home.broker, stage.home.deps)
    await stage.drive(pools.create({ name: 'p', paused: false, limit: 1 }))
    await holder('keeper')
    const a = await host('a')
    await stage.drive(a.slots.acquire(want('run-a', 0, ['pool:p'])))
    expect(await reset('pool:p')).toEqual({ freed: 1, holders: [{ run: 'run-a', slots: 1 }] })
    expect(await reset('nobody')).toBeUndefined()
  })

  test('is none as long as nobody keeps it, or who does has not heard from everybody', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const unkept = { code: 'CB_E_SLOTS_UNKEPT', message: expect.stringContaining("'gpu'") }
    await expect(reset('gpu')).rejects.toMatchObject(unkept)
    const first = await holder('first')
    const a = await host('a')
    await acquire(a, 'run-a')
    await stage.drive(first.stop())
    a.machine.clock.freeze()
    await holder('second')
    await expect(reset('gpu')).rejects.toMatchObject(unkept)
    a.machine.clock.thaw()
    await stage.clock.advance(SLOT_LEASE_MS)
    expect(await reset('gpu')).toEqual({ freed: 1, holders: [{ run: 'run-a', slots: 1 }] })
  })
})

describe('a run that waits for a slot without a host', () => {
  /** Claimed, found the limit full, put back into the line. */
  async function waiting(at: Host, own: readonly string[] = LIMITS): Promise<string> {
    const run = await stage.create({ policy: { limits: own } })
    const now = stage.clock.now()
    await stage.say(run, { type: 'CLAIM', at: now, worker: 'a' })
    expect((await acquire(at, run, now)).is).toBe('queued')
    await stage.say(run, { type: 'SLOT_WAIT', at: now, limits: LIMITS })
    await stage.clock.advance(100)
    return run
  }

  const depth = () => stage.drive(stage.home.broker.queue.depth('default'))

  test('[prefect 79] is put into its queue when it is its turn', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    await holder('keeper')
    const a = await host('a')
    await acquire(a, 'run-a')
    const run = await waiting(a)
    const before = await depth()
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(1_000)
    expect(await stage.tagOf(run)).toBe('SCHEDULED.Scheduled')
    expect(await depth()).toBe(before + 1)
  })

  test('keeps its slot until it is claimed, however long its queue is', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const keeper = await holder('keeper')
    const a = await host('a')
    await acquire(a, 'run-a')
    await waiting(a)
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(3 * SLOT_LEASE_MS)
    expect(keeper.status().slots).toEqual({ holders: 1, waiters: 0 })
    expect((await acquire(a, 'run-b')).is).toBe('queued')
  })

  test('keeps its place when the keeper changes, though nobody else speaks for it', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const first = await holder('first')
    const a = await host('a')
    await acquire(a, 'run-a')
    const early = await waiting(a)
    await stage.clock.advance(1_000)
    const late = await waiting(a)
    await stage.drive(first.stop())
    const second = await holder('second')
    await stage.clock.advance(SLOT_LEASE_MS)
    expect(second.status().slots).toEqual({ holders: 1, waiters: 2 })
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(1_000)
    expect(await stage.tagOf(early)).toBe('SCHEDULED.Scheduled')
    expect(await stage.tagOf(late)).toBe('SCHEDULED.AwaitingConcurrencySlot')
  })

  test('keeps its place also for a limit of its work queue or deployment, which stands in no policy', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const first = await holder('first')
    const a = await host('a')
    await acquire(a, 'run-a')
    const runs = [await waiting(a, []), await waiting(a, [])] as const
    await stage.drive(first.stop())
    const second = await holder('second')
    await stage.clock.advance(SLOT_LEASE_MS)
    expect(second.status().slots).toEqual({ holders: 1, waiters: 2 })
    await stage.say(runs[0], { type: 'CANCEL', at: stage.clock.now(), by })
    await stage.clock.advance(100)
    expect(second.status().slots).toEqual({ holders: 1, waiters: 1 })
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(1_000)
    expect(await stage.tagOf(runs[1])).toBe('SCHEDULED.Scheduled')
    expect(second.status().slots).toEqual({ holders: 1, waiters: 0 })
  })

  test('leaves the line when it is cancelled', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const keeper = await holder('keeper')
    const a = await host('a')
    await acquire(a, 'run-a')
    const run = await waiting(a)
    expect(keeper.status().slots).toEqual({ holders: 1, waiters: 1 })
    await stage.say(run, { type: 'CANCEL', at: stage.clock.now(), by })
    a.slots.release({ run })
    await stage.clock.advance(1_000)
    expect(keeper.status().slots).toEqual({ holders: 1, waiters: 0 })
  })

  test('is cancelled when the limit lets nobody wait any more', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const first = await holder('first')
    const a = await host('a')
    await acquire(a, 'run-a')
    const run = await waiting(a)
    await setLimit({ name: 'gpu', slots: 1, strategy: 'cancelNew' })
    await stage.drive(first.stop())
    await holder('second')
    await stage.clock.advance(SLOT_LEASE_MS)
    expect(await stage.tagOf(run)).toBe('CANCELLED.Cancelled')
  })
})

describe('the strategies', () => {
  test('[prefect 79] cancelNew denies whoever finds the limit full', async () => {
    await setLimit({ name: 'gpu', slots: 1, strategy: 'cancelNew' })
    await holder('keeper')
    const a = await host('a')
    await acquire(a, 'run-a')
    expect(await acquire(a, 'run-b')).toMatchObject({ is: 'denied', limit: 'gpu' })
  })

  test('cancelRunning cancels the oldest holder, whose slot goes to the new one', async () => {
    await setLimit({ name: 'gpu', slots: 1, strategy: 'cancelRunning' })
    await holder('keeper')
    const a = await host('a')
    const old = await stage.create({ policy: { limits: LIMITS } })
    await acquire(a, old)
    expect((await acquire(a, 'run-b')).is).toBe('queued')
    await listen('run-b', a, (held) => a.slots.granted(held))
    await stage.clock.advance(1_000)
    expect(await stage.tagOf(old)).toBe('CANCELLED.Cancelled')
    a.slots.release({ run: old })
    await stage.clock.advance(1_000)
    expect(a.granted).toEqual(['run-b'])
  })
})

describe('a keeper that takes over', () => {
  test('grants nothing that is held: it hears from every worker first, and that takes no lease', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const first = await holder('first')
    const [a, b] = [await host('a'), await host('b')]
    await acquire(a, 'run-a')
    await stage.drive(first.stop())
    const second = await holder('second')
    await stage.clock.advance(1_000)
    expect((await acquire(b, 'run-b')).is).toBe('queued')
    expect(second.status().slots).toEqual({ holders: 1, waiters: 1 })
    await listen('run-b', b, (held) => b.slots.granted(held))
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(100)
    expect(b.granted).toEqual(['run-b'])
  })

  test('waits a whole lease for a worker that is frozen, and no longer', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const first = await holder('first')
    const [a, b] = [await host('a'), await host('b')]
    await stage.drive(first.stop())
    const stalled = stage.clock.monotonic()
    a.machine.clock.freeze()
    await holder('second')
    expect((await acquire(b, 'run-b')).is).toBe('queued')
    await listen('run-b', b, (held) => b.slots.granted(held))
    await until(stage, () => b.granted.length > 0)
    const waited = stage.clock.monotonic() - stalled
    // The worker's own lease runs out first: whoever has none holds nothing.
    expect(waited).toBeGreaterThan(5_000)
    expect(waited).toBeLessThanOrEqual(SLOT_LEASE_MS + 1_000)
    a.machine.clock.thaw()
  })

  test('without any worker alive begins at once', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    await holder('keeper')
    expect(await acquire(await host('a'), 'run-a')).toEqual({ is: 'granted' })
  })

  test('is told at once by a request that a release may have been lost with the last one', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const first = await holder('first')
    const a = await host('a')
    await acquire(a, 'run-a')
    await stage.drive(first.stop())
    a.slots.release({ run: 'run-a' })
    await stage.clock.advance(100)
    const second = await holder('second')
    await stage.clock.advance(SLOT_LEASE_MS)
    expect(second.status().slots).toEqual({ holders: 0, waiters: 0 })
  })
})

describe('what a record asks for', () => {
  test('gives the slots back when the host of a run is lost', async () => {
    await setLimit({ name: 'gpu', slots: 1 })
    const keeper = await holder('keeper')
    const { bus } = stage.home.broker
    const run = await stage.create({ policy: { limits: LIMITS } })
    const request = { op: 'acquire', worker: 'somebody', want: want(run) } as const
    const reply = await stage.drive(bus.request(SLOTS_SUBJECT, request))
    expect(reply).toEqual({ outcome: 'reply', value: { is: 'granted' } satisfies SlotReply })
    await stage.say(run, { type: 'CANCEL', at: stage.clock.now(), by })
    await stage.clock.advance(1_000)
    expect(keeper.status().slots).toEqual({ holders: 0, waiters: 0 })
  })
})

describe('the limits of the catalogue', () => {
  const catalog = () => openCatalog(stage.home.broker, stage.home.deps)
  const wants = (at: Host, run: string, limit: string) => stage.drive(at.slots.acquire(want(run, 0, [limit])))

  test('of a pool, a queue and a deployment are kept like any other, as they change', async () => {
    const { deployments, pools, queues } = catalog()
    await stage.drive(pools.create({ name: 'p', paused: false, limit: 1 }))
    await stage.drive(queues.create({ pool: 'p', name: 'q', priority: 1, paused: false, limit: 1 }))
    await holder('one')
    const at = await host('a')
    await stage.drive(
      deployments.create({
        ...{
          flow: 'f',
          name: 'd',
          tags: [],
          parameters: {},
          entrypoint: 'f.ts',
          path: '/',
          pool: 'p',
          queue: 'q',
        },
        ...{ paused: false, limit: 1, limitStrategy: 'cancelNew' },
      }),
    )
    await stage.clock.advance(200)
    for (const name of ['pool:p', 'queue:p/q', 'deployment:f/d'])
      expect(await wants(at, `first-${name}`, name)).toEqual({ is: 'granted' })
    expect(await wants(at, 'second', 'pool:p')).toMatchObject({ is: 'queued' })
    expect(await wants(at, 'third', 'queue:p/q')).toMatchObject({ is: 'queued' })
    expect(await wants(at, 'fourth', 'deployment:f/d')).toMatchObject({ is: 'denied' })
    await stage.drive(pools.update('p', () => ({ limit: 2 })))
    await stage.drive(queues.update('p/q', () => ({ limit: undefined })))
    await stage.drive(deployments.delete('f/d'))
    await until(stage, () => at.granted.length === 2)
    expect(await wants(at, 'fifth', 'deployment:f/d')).toEqual({ is: 'granted' })
    expect(await wants(at, 'sixth', 'pool:p')).toMatchObject({ is: 'queued' })
  })
})
