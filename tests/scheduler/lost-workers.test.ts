import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { applyToRun, judgeFlow, WORKERS_BUCKET } from '../../src/actors/index.ts'
import type { BrokerStatus } from '../../src/broker/index.ts'
import { createScheduler, type Scheduler } from '../../src/scheduler/index.ts'
import { type Machine, makeStage, type Stage, until } from './stage.ts'

let stage: Stage
let holder: Scheduler & { machine: Machine }
beforeEach(async () => {
  stage = await makeStage()
  holder = await stage.scheduler('holder')
  await until(stage, () => holder.status().holding.length === 64)
})
afterEach(() => stage.close())

const LEASE_MS = 10_000

/** Runs that this worker runs. */
async function running(
  worker: string,
  count: number,
  over: Parameters<Stage['create']>[0] = {},
): Promise<string[]> {
  const runs = await stage.createMany(count, () => over)
  const at = stage.clock.now()
  for (const run of runs) await stage.say(run, { type: 'CLAIM', at, worker }, { type: 'START', at })
  await stage.clock.advance(100)
  return runs
}

async function tagsOf(runs: readonly string[]): Promise<Set<string | undefined>> {
  const tags = new Set<string | undefined>()
  for (const run of runs) tags.add(await stage.tagOf(run))
  return tags
}

describe('a worker', () => {
  test('that is killed loses its runs within a second: nobody is home at its address', async () => {
    const worker = await stage.worker('w')
    const runs = await running('w', 20)
    worker.kill()
    await stage.clock.advance(1_000)
    expect(await tagsOf(runs)).toEqual(new Set(['SCHEDULED.AwaitingRecovery']))
    for (const run of runs) {
      const records = await stage.recordsOf(run)
      expect(records.filter((record) => record.k === 'flow' && record.e.type === 'HOST_LOST')).toHaveLength(1)
    }
    expect(await stage.drive(stage.home.broker.queue.depth('default'))).toBe(2 * runs.length)
  })

  test('that is frozen keeps its runs until its lease has run out', async () => {
    const worker = await stage.worker('w')
    const runs = await running('w', 3)
    worker.clock.freeze()
    await stage.clock.advance(LEASE_MS - 4_000)
    expect(await tagsOf(runs)).toEqual(new Set(['RUNNING.Running']))
    await stage.clock.advance(6_000)
    expect(await tagsOf(runs)).toEqual(new Set(['SCHEDULED.AwaitingRecovery']))
    worker.clock.thaw()
  })

  test('that gives its lease back has its runs taken at once', async () => {
    await stage.worker('w')
    const runs = await running('w', 3)
    const bucket = await stage.drive(stage.home.broker.kv.bucket(WORKERS_BUCKET, { ttlMs: LEASE_MS }))
    await stage.drive(bucket.delete('w'))
    await stage.clock.advance(300)
    expect(await tagsOf(runs)).toEqual(new Set(['SCHEDULED.AwaitingRecovery']))
  })

  test('that is alive keeps its runs, however long they take', async () => {
    await stage.worker('w')
    const runs = await running('w', 3)
    await stage.clock.advance(120_000)
    expect(await tagsOf(runs)).toEqual(new Set(['RUNNING.Running']))
  })

  test('that is away from its address for a moment is not taken for dead', async () => {
    await stage.worker('w')
    const runs = await running('w', 1)
    const { broker } = holder.machine
    const bus = broker.bus
    let misses = 0
    const request: typeof bus.request = (subject, ...rest) =>
      subject === 'worker.w' && misses++ % 2 === 0
        ? Promise.resolve({ outcome: 'nobody-home' })
        : bus.request(subject, ...rest)
    const machine = await stage.machine('other')
    await stage.drive(holder.stop())
    const other = createScheduler(
      { ...machine.broker, bus: { ...machine.broker.bus, request } },
      machine.deps,
    )
    await stage.drive(other.start())
    await stage.clock.advance(20_000)
    expect(misses).toBeGreaterThan(10)
    expect(await tagsOf(runs)).toEqual(new Set(['RUNNING.Running']))
    await stage.drive(other.stop())
  })

  test('that is not home yet after the broker was away is given the time of a lease to come back', async () => {
    await stage.worker('w')
    const runs = await running('w', 1)
    const machine = await stage.machine('other')
    const { bus } = machine.broker
    let isBack = true
    const request: typeof bus.request = (subject, ...rest) =>
      subject === 'worker.w' && !isBack
        ? Promise.resolve({ outcome: 'nobody-home' })
        : bus.request(subject, ...rest)
    let say: (status: BrokerStatus) => void = () => {}
    const onStatus = (handler: typeof say) => {
      say = handler
      return () => {}
    }
    await stage.drive(holder.stop())
    const other = createScheduler({ ...machine.broker, bus: { ...bus, request }, onStatus }, machine.deps)
    await stage.drive(other.start())
    isBack = false
    const bucket = await stage.drive(machine.broker.kv.bucket(WORKERS_BUCKET, { ttlMs: LEASE_MS }))
    await stage.drive(bucket.delete('w'))
    say('connected')
    await stage.clock.advance(LEASE_MS / 2)
    expect(await tagsOf(runs)).toEqual(new Set(['RUNNING.Running']))
    await stage.clock.advance(LEASE_MS)
    expect(await tagsOf(runs)).toEqual(new Set(['SCHEDULED.AwaitingRecovery']))
    await stage.drive(other.stop())
  })

  test('that nobody ever heard of is gone: whoever claimed in its name is dead', async () => {
    const runs = await running('never-there', 2)
    await stage.clock.advance(1_000)
    expect(await tagsOf(runs)).toEqual(new Set(['SCHEDULED.AwaitingRecovery']))
  })

  test('that was claimed from a moment ago is not taken for dead because its lease was told late', async () => {
    // The claim is followed in the log; the lease is watched: nothing orders the two.
    const runs = await stage.createMany(1, () => ({}))
    const worker = stage.worker('w')
    const at = stage.clock.now()
    await worker
    for (const run of runs) await stage.say(run, { type: 'CLAIM', at, worker: 'w' })
    await stage.clock.advance(5_000)
    expect(await tagsOf(runs)).toEqual(new Set(['PENDING.Pending']))
  })

  test('leaves a run that was being cancelled Cancelled, and one that must not be recovered Crashed', async () => {
    const worker = await stage.worker('w')
    const [cancelled = ''] = await running('w', 1)
    const [crashed = ''] = await running('w', 1, { policy: { onCrash: 'crash' } })
    await stage.say(cancelled, { type: 'CANCEL', at: stage.clock.now(), by: { channel: 'test' } })
    worker.kill()
    await stage.clock.advance(1_000)
    expect(await stage.tagOf(cancelled)).toBe('CANCELLED.Cancelled')
    expect(await stage.tagOf(crashed)).toBe('CRASHED.Crashed')
  })

  test('that kills each who takes the run is stopped by the number of recoveries', async () => {
    const [run = ''] = await stage.createMany(1, () => ({ policy: { maxRecoveries: 2 } }))
    for (const name of ['a', 'b', 'c']) {
      const worker = await stage.worker(name)
      const at = stage.clock.now()
      await stage.say(run, { type: 'CLAIM', at, worker: name }, { type: 'START', at })
      await stage.clock.advance(100)
      worker.kill()
      await stage.clock.advance(1_000)
    }
    expect(await stage.tagOf(run)).toBe('CRASHED.Crashed')
  })

  test('that died while its runs had no scheduler is noticed by the next one', async () => {
    const worker = await stage.worker('w')
    const runs = await running('w', 5)
    await stage.drive(holder.stop())
    worker.kill()
    await stage.clock.advance(60_000)
    const next = await stage.scheduler('next')
    await until(stage, () => next.status().holding.length === 64)
    await stage.clock.advance(1_000)
    expect(await tagsOf(runs)).toEqual(new Set(['SCHEDULED.AwaitingRecovery']))
  })

  test('with a thousand runs loses them all, with a bound on the appends under way', async () => {
    const worker = await stage.worker('w')
    const runs = await stage.createMany(1_000, () => ({}))
    const { broker, deps } = stage.home
    const at = stage.clock.now()
    await stage.drive(
      Promise.all(
        runs.map((run) => applyToRun(broker, deps, run, judgeFlow({ type: 'CLAIM', at, worker: 'w' }))),
      ),
    )
    await stage.clock.advance(500)
    worker.kill()
    await stage.clock.advance(2_000)
    expect(await tagsOf(runs)).toEqual(new Set(['SCHEDULED.AwaitingRecovery']))
    expect(holder.machine.lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        facts: expect.objectContaining({ worker: 'w', runs: 1_000 }),
      }),
    )
  })
})
