/** The scheduler and real hosts with real code, on one cluster. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createHost,
  type Host,
  type HostOptions,
  inlineRunner,
  type Program,
  type RunRecord,
} from '../../src/actors/index.ts'
import type { Broker } from '../../src/broker/index.ts'
import { createScheduler, LIMITS_BUCKET, type Scheduler } from '../../src/scheduler/index.ts'
import { type Machine, makeStage, type NewInput, POLICY, type Stage, until } from './stage.ts'

let stage: Stage
let hosts: [Host, Machine][]
const killed = new Set<Machine>()
beforeEach(async () => {
  stage = await makeStage()
  hosts = []
})
afterEach(async () => {
  for (const [host, machine] of hosts) if (!killed.has(machine)) await stage.drive(host.stop())
  await stage.close()
})

async function scheduler(name: string): Promise<Scheduler & { machine: Machine }> {
  const made = await stage.scheduler(name)
  await until(stage, () => made.status().holding.length === 64)
  return made
}

async function host(
  name: string,
  flows: Readonly<Record<string, Program>>,
  more: Pick<HostOptions, 'limitsOf'> = {},
): Promise<Machine> {
  const machine = await stage.machine(name)
  const { broker, deps } = machine
  const programs = new Map(Object.entries(flows).map(([flow, program]) => [flow, { program }]))
  const made = createHost({
    broker,
    deps,
    runners: [inlineRunner(deps, programs)],
    settings: { worker: name, queues: ['default'] },
    ...more,
  })
  await stage.drive(made.start())
  hosts.push([made, machine])
  return machine
}

function kill(machine: Machine): void {
  killed.add(machine)
  machine.kill()
}

const create = (flow: string, input: NewInput = {}) => stage.create({ flow, ...input })

async function untilTag(run: string, tag: string, withinMs = 120_000): Promise<void> {
  const end = stage.clock.monotonic() + withinMs
  for (let found = await stage.tagOf(run); found !== tag; found = await stage.tagOf(run)) {
    if (stage.clock.monotonic() > end) throw new Error(`The run is ${found}, not ${tag}.`)
    await stage.clock.advance(50)
  }
}

const eventsOf = (records: readonly RunRecord[]) =>
  records.flatMap((record) => (record.k === 'flow' ? [record.e.type] : []))

describe('a cluster of a scheduler and hosts', () => {
  test('starts a run at its time and brings it to its end', async () => {
    await scheduler('one')
    const started: number[] = []
    await host('a', {
      flow: async () => {
        started.push(stage.clock.now())
      },
    })
    const due = stage.clock.now() + 60_000
    const run = await create('flow', { scheduledTime: due })
    await untilTag(run, 'COMPLETED.Completed')
    expect(started).toHaveLength(1)
    expect(started[0]).toBeGreaterThanOrEqual(due)
    expect(started[0]).toBeLessThanOrEqual(due + 1_000)
  })

  test('leaves it to whoever creates a run to enqueue it: one that is claimed at once costs one item', async () => {
    const { broker, deps } = await stage.machine('one')
    let enqueued = 0
    const queue: Broker['queue'] = {
      ...broker.queue,
      enqueue(...item) {
        enqueued++
        return broker.queue.enqueue(...item)
      },
    }
    const one = createScheduler({ ...broker, queue }, deps, { id: 'one' })
    await stage.drive(one.start())
    await until(stage, () => one.status().holding.length === 64)
    const busy = await create('flow')
    await stage.clock.advance(2_000)
    expect(enqueued).toBe(1) // nobody has claimed it: its writer may have died
    await host('a', { flow: async () => 1 })
    await untilTag(busy, 'COMPLETED.Completed')
    await untilTag(await create('flow'), 'COMPLETED.Completed')
    await stage.clock.advance(2_000)
    expect(enqueued).toBe(1)
    await stage.drive(one.stop())
  })

  test('lets a run that sleeps long leave its process, and wakes it in another', async () => {
    await scheduler('one')
    const bodies: string[] = []
    const flow: Program = async (session) => {
      await session.task({ task: 'before' }, async () => void bodies.push('before'))
      await session.sleep(300_000)
      await session.task({ task: 'after' }, async () => void bodies.push('after'))
    }
    const first = await host('a', { flow })
    const run = await create('flow')
    await untilTag(run, 'PAUSED.Sleeping')
    kill(first)
    await host('b', { flow })
    await stage.clock.advance(200_000)
    expect(bodies).toEqual(['before'])
    await untilTag(run, 'COMPLETED.Completed', 200_000)
    expect(bodies).toEqual(['before', 'after'])
  })

  test('[scenario 22] goes on elsewhere within a second of a kill, and repeats no finished task', async () => {
    await scheduler('one')
    const bodies: string[] = []
    const flow: Program = async (session) => {
      for (let i = 0; i < 10; i++) {
        await session.task({ task: `step-${i}` }, async () => {
          bodies.push(`step-${i}`)
          await new Promise<void>((resolve) => stage.home.clock.setTimer(500, resolve))
        })
      }
      return bodies.length
    }
    const first = await host('a', { flow })
    const run = await create('flow')
    await until(stage, () => bodies.length === 5)
    await host('b', { flow })
    const killedAt = stage.clock.monotonic()
    kill(first)
    await until(stage, () => bodies.length === 6)
    expect(stage.clock.monotonic() - killedAt).toBeLessThan(1_500)
    await untilTag(run, 'COMPLETED.Completed')
    expect(bodies).toEqual([0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9].map((i) => `step-${i}`))
  })

  test('waits out the delays of retries over a change of the scheduler', async () => {
    const one = await scheduler('one')
    const times: number[] = []
    const flow: Program = async (session) =>
      session.task({ task: 'shaky', retry: { retries: 2, delayMs: [40_000] } }, async () => {
        times.push(stage.clock.now())
        if (times.length < 3) throw new Error('not yet')
      })
    await host('a', { flow })
    const run = await create('flow')
    await until(stage, () => times.length === 1)
    await stage.clock.advance(1_000)
    await stage.drive(one.stop())
    await scheduler('two')
    await untilTag(run, 'COMPLETED.Completed', 200_000)
    const [first = 0, second = 0, third = 0] = times
    for (const delay of [second - first, third - second]) {
      expect(delay).toBeGreaterThanOrEqual(40_000)
      expect(delay).toBeLessThanOrEqual(42_000)
    }
  })

  test('[prefect 79] never runs more at a time than a limit allows, on however many hosts, and all of them in the end', async () => {
    const limits = await stage.drive(stage.home.broker.kv.bucket(LIMITS_BUCKET, { ttlMs: 0 }))
    await stage.drive(limits.put('gpu', { name: 'gpu', slots: 2 }))
    await scheduler('one')
    let inside = 0
    let most = 0
    const flow: Program = async () => {
      most = Math.max(most, ++inside)
      await new Promise<void>((resolve) => stage.home.clock.setTimer(3_000, resolve))
      inside--
    }
    await host('a', { flow })
    await host('b', { flow })
    const runs: string[] = []
    for (let i = 0; i < 8; i++) runs.push(await create('flow', { policy: { limits: ['gpu'] } }))
    for (const run of runs) await untilTag(run, 'COMPLETED.Completed')
    expect(most).toBe(2)
  })

  describe('with a limit that the work queue of a run names', () => {
    /** One run at a time, 3 s each. */
    async function oneAtATime(strategy: string): Promise<void> {
      const limits = await stage.drive(stage.home.broker.kv.bucket(LIMITS_BUCKET, { ttlMs: 0 }))
      await stage.drive(limits.put('queue', { name: 'queue:default', slots: 1, strategy }))
      await scheduler('one')
      const flow: Program = (session) => session.sleep(3_000)
      const limitsOf: HostOptions['limitsOf'] = ({ policy }) => [`queue:${policy.target.queue}`]
      await host('a', { flow }, { limitsOf })
      await host('b', { flow }, { limitsOf })
    }

    test('a flow run that finds it full waits as AwaitingConcurrencySlot and starts when a slot is freed', async () => {
      await oneAtATime('enqueue')
      const [first, second, third] = [await create('flow'), await create('flow'), await create('flow')]
      await untilTag(first, 'RUNNING.Running', 1_000)
      await untilTag(second, 'SCHEDULED.AwaitingConcurrencySlot', 1_000)
      await untilTag(third, 'SCHEDULED.AwaitingConcurrencySlot', 1_000)
      await untilTag(second, 'RUNNING.Running', 3_500)
      expect(await stage.tagOf(first)).toBe('COMPLETED.Completed')
      await untilTag(third, 'RUNNING.Running', 3_500)
    })

    test('a flow run that finds it full is Cancelled where the strategy says cancelNew', async () => {
      await oneAtATime('cancelNew')
      const first = await create('flow')
      await untilTag(first, 'RUNNING.Running', 1_000)
      const second = await create('flow')
      await untilTag(second, 'CANCELLED.Cancelled', 1_000)
      await untilTag(first, 'COMPLETED.Completed', 4_000)
      const third = await create('flow')
      await untilTag(third, 'RUNNING.Running', 1_000)
    })

    test('a flow run that finds it full takes the place of the oldest where the strategy says cancelRunning', async () => {
      await oneAtATime('cancelRunning')
      const first = await create('flow')
      await untilTag(first, 'RUNNING.Running', 1_000)
      const second = await create('flow')
      await untilTag(first, 'CANCELLED.Cancelled', 1_000)
      await untilTag(second, 'RUNNING.Running', 1_000)
    })
  })

  test('frees the slot of a host that was killed, and keeps the limit while a new keeper takes over', async () => {
    const limits = await stage.drive(stage.home.broker.kv.bucket(LIMITS_BUCKET, { ttlMs: 0 }))
    await stage.drive(limits.put('gpu', { name: 'gpu', slots: 1 }))
    const one = await scheduler('one')
    const inside = new Set<string>()
    let most = 0
    const flow: Program = async (session) => {
      inside.add(session.start.run)
      most = Math.max(most, inside.size)
      await new Promise<void>((resolve) => stage.home.clock.setTimer(10_000, resolve))
      inside.delete(session.start.run)
    }
    const first = await host('a', { flow })
    const runs: string[] = []
    for (let i = 0; i < 3; i++) runs.push(await create('flow', { policy: { limits: ['gpu'] } }))
    await until(stage, () => inside.size === 1)
    await host('b', { flow })
    await stage.drive(one.stop())
    await scheduler('two')
    await stage.clock.advance(2_000)
    kill(first)
    inside.clear()
    for (const run of runs) await untilTag(run, 'COMPLETED.Completed', 300_000)
    expect(most).toBe(1)
  })

  test('wakes a parent when its child, run elsewhere, has ended', async () => {
    await scheduler('one')
    const child: Program = async () => {
      await new Promise<void>((resolve) => stage.home.clock.setTimer(5_000, resolve))
      return 42
    }
    const results: unknown[] = []
    const parent: Program = async (session) => {
      results.push(await session.child({ flow: 'child', parameters: null, policy: POLICY }))
    }
    await host('a', { parent, child })
    await host('b', { parent, child })
    const run = await create('parent')
    await untilTag(run, 'COMPLETED.Completed')
    expect(results).toEqual([42])
  })

  test('cancels a run whose code does not listen, within its grace', async () => {
    await scheduler('one')
    await host('a', { flow: () => new Promise(() => {}) })
    const run = await create('flow', { policy: { graceMs: 5_000 } })
    await untilTag(run, 'RUNNING.Running')
    const at = stage.clock.now()
    await stage.say(run, { type: 'CANCEL', at, by: { channel: 'test' } })
    await untilTag(run, 'CANCELLED.Cancelled', 10_000)
    expect(eventsOf(await stage.recordsOf(run))).toContain('CANCEL')
  })
})
