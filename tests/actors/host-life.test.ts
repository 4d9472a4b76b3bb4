import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createHost,
  inlineRunner,
  type Program,
  runAddress,
  WORKERS_BUCKET,
  workerAddress,
} from '../../src/actors/index.ts'
import { memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import { systemDeps } from '../../src/core/index.ts'
import { stressService } from '../../src/testing/index.ts'
import { type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
})
afterEach(() => stage.close())

const wait = (ms: number) => new Promise<void>((resolve) => stage.clock.setTimer(ms, resolve))

describe('a host', () => {
  it('hosts 1,000 runs at a time, on two timers and one address each', async () => {
    await stage.scheduler()
    const one = await stage.host('one', {
      flow: (r) => r.sleep(20_000).then(() => r.task({ task: 't' }, () => 1)),
    })
    const armed = stage.clock.armed
    const input = stage.newRun()
    const begun = await stage.drive(Promise.all(Array.from({ length: 1_000 }, () => one.host.begin(input))))
    await stage.clock.advance(1_000)
    expect(one.host.hosted).toBe(1_000)
    expect(stage.clock.armed - armed).toBeLessThan(20)
    const states = await stage.drive(Promise.all(begun.map(({ over }) => over)))
    expect(new Set(states.map((state) => state?.flow.tag))).toEqual(new Set(['COMPLETED.Completed']))
  })

  it('is heard by a run that it has claimed, also when the address could not be opened at first', async () => {
    await stage.scheduler()
    // Its subscriptions: the worker's own address, the keeper's word, the run.
    const rule = { operation: 'bus.subscribe', fault: 'lose-before', nth: 3 } as const
    const one = await stage.host(
      'one',
      { flow: (r) => r.waitForSignal('go', { timeoutMs: 3_600_000 }) },
      {},
      { plan: { rules: [rule] } },
    )
    const run = await stage.create()
    await stage.untilTag(run, 'RUNNING.Running')
    await stage.clock.advance(20_000)
    expect(one.broker.faults).toMatchObject([{ operation: 'bus.subscribe' }])
    expect(one.host.hosted).toBe(1)
    const reply = await stage.drive(stage.home.broker.bus.request(runAddress(run), { op: 'ping' }))
    expect(reply).toMatchObject({ outcome: 'reply', value: { outcome: 'pong', worker: 'one' } })
  })

  it('[scenario 26] claims no more than it has slots, and more as they come free', async () => {
    let running = 0
    let most = 0
    const one = await stage.host(
      'one',
      {
        flow: async (r) => {
          most = Math.max(most, ++running)
          await r.task({ task: 't' }, () => wait(1_000))
          running--
        },
      },
      { slots: 10 },
    )
    const runs = []
    for (let i = 0; i < 50; i++) runs.push(await stage.create())
    await stage.until(() => one.host.hosted === 10)
    for (const run of runs) await stage.untilTag(run, 'COMPLETED.Completed')
    expect(most).toBe(10)
  })

  it.each([
    ['the last thing that a run had to write', 'delay', 1],
    ['no more than a while for it', 'lose-before', 0],
  ] as const)('that stops waits for %s', async (_, fault, written) => {
    const rules = [{ operation: 'objects.put', fault, nth: 1 } as const]
    const one = await stage.host(
      'one',
      { flow: (r) => Promise.all(Array.from({ length: 2_100 }, () => r.task({ task: 't' }, () => 1))) },
      { drainMs: 2_000 },
      { plan: { rules, longestDelayMs: 2_000, silenceMs: 60_000 } },
    )
    const { over, run } = await stage.drive(one.host.begin(stage.newRun()))
    expect((await stage.drive(over ?? Promise.resolve(undefined)))?.flow.tag).toBe('COMPLETED.Completed')
    const before = stage.clock.monotonic()
    await stage.drive(one.host.stop())
    expect(stage.clock.monotonic() - before).toBeLessThan(5_000)
    const records = await stage.recordsOf(run)
    expect(records.filter(({ k }) => k === 'snapshot')).toHaveLength(written)
  })

  it('keeps the slot of code that was told to leave until it has gone, or its grace is over', async () => {
    await stage.scheduler()
    const left: string[] = []
    const polite = async () => {
      await wait(3_000)
      left.push('polite')
    }
    const { host } = await stage.host(
      'one',
      { polite, deaf: () => wait(3_600_000), next: async () => void left.push('next') },
      { slots: 1 },
    )
    const policy = { timeoutMs: 1_000, graceMs: 10_000 }
    for (const flow of ['polite', 'deaf']) {
      const run = await stage.create({ flow, policy })
      await stage.untilTag(run, 'FAILED.TimedOut')
      const ended = stage.clock.now()
      const next = await stage.create({ flow: 'next' })
      await stage.untilTag(next, 'COMPLETED.Completed', 15_000)
      left.push(`${flow}: ${Math.round((stage.clock.now() - ended) / 1_000)} s`)
    }
    expect(left).toEqual(['polite', 'next', 'polite: 2 s', 'next', 'deaf: 10 s'])
    expect(host.isIdle).toBe(true)
  })

  it('[scenario 21] acknowledges a work item for a run that somebody else has, and forgets it', async () => {
    const { host } = await stage.host('one', { flow: () => wait(5_000) })
    const run = await stage.create()
    await stage.untilTag(run, 'RUNNING.Running')
    const { queue } = stage.home.broker
    await stage.drive(queue.enqueue('default', { run }, { id: 'doubled' }))
    await stage.drive(queue.enqueue('default', { run: 'nobody' }, { id: 'unknown' }))
    await stage.drive(queue.enqueue('default', ['not a work item'], { id: 'strange' }))
    await stage.clock.advance(2_000)
    expect(await stage.drive(queue.depth('default'))).toBe(0)
    expect(host.hosted).toBe(1)
    expect((await stage.historyOf(run)).filter((line) => line.startsWith('CLAIM'))).toHaveLength(1)
  })

  it('gives back what it has no code for, to a worker that has', async () => {
    await stage.host('one', { other: async () => 1 })
    const run = await stage.create()
    await stage.clock.advance(3_000)
    await stage.host('two', { flow: async () => 'served' })
    await stage.untilTag(run, 'COMPLETED.Completed')
  })

  it('takes runs from other queues as soon as it is told, and from none when there are none', async () => {
    const { host } = await stage.host('one', { flow: async () => 1 }, { queues: [] })
    const run = await stage.create()
    await stage.clock.advance(1_000)
    expect((await stage.stateOf(run)).flow.tag).toBe('SCHEDULED.Scheduled')
    host.serve(['other', 'default'])
    await stage.untilTag(run, 'COMPLETED.Completed', 1_000)
    host.serve([])
    const second = await stage.create()
    await stage.clock.advance(1_000)
    expect((await stage.stateOf(second)).flow.tag).toBe('SCHEDULED.Scheduled')
    host.serve(['default'])
    await stage.untilTag(second, 'COMPLETED.Completed', 1_000)
  })

  it('says in its lease which queues it serves and whether it takes more, at once', async () => {
    const { host } = await stage.host('one', { flow: () => wait(3_000) }, { drainMs: 5_000 })
    const bucket = await stage.drive(stage.home.broker.kv.bucket(WORKERS_BUCKET))
    const told = async () => (await stage.drive(bucket.get('one')))?.value
    expect(await told()).toMatchObject({ status: 'ready', queues: ['default'] })
    host.serve(['a', 'b'])
    await stage.clock.advance(10)
    expect(await told()).toMatchObject({ status: 'ready', queues: ['a', 'b'] })
    await stage.drive(host.begin(stage.newRun()))
    expect(host).toMatchObject({ hosted: 1, busy: 1, isIdle: false, hasLease: true, isDraining: false })
    const stopped = host.stop()
    await stage.clock.advance(10)
    expect(host.isDraining).toBe(true)
    expect(await told()).toMatchObject({ status: 'draining', hosted: 1 })
    await stage.drive(stopped)
    expect(host.isIdle).toBe(true)
    expect(await told()).toBeUndefined()
  })

  it('takes no more runs once it is told to drain, and ends those it has', async () => {
    let asked = 0
    const { host } = await stage.host(
      'one',
      { flow: (r) => r.task({ task: 'a' }, () => wait(1_000)).then(() => r.task({ task: 'b' }, () => 1)) },
      {},
      { toldToDrain: () => void asked++ },
    )
    const [first, second] = [await stage.create(), await stage.create()]
    await stage.untilTag(second, 'RUNNING.Running')
    const reply = await stage.drive(stage.home.broker.bus.request(workerAddress('one'), { op: 'drain' }))
    expect(reply).toMatchObject({ value: { status: 'ready', hosted: 2 } })
    expect(asked).toBe(1)
    host.drain()
    host.serve(['default'])
    const third = await stage.create()
    for (const run of [first, second]) await stage.untilTag(run, 'COMPLETED.Completed', 2_000)
    await stage.clock.advance(1_000)
    expect((await stage.stateOf(third)).flow.tag).toBe('SCHEDULED.Scheduled')
    expect(host.isIdle).toBe(true)
  })

  it('that begins a run needs one entry for its creation, its claim and its start', async () => {
    const one = await stage.host('one', { flow: async () => 1 })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await stage.entriesOf(run)).toBe(2)
    expect(await stage.drive(stage.home.broker.queue.depth('default'))).toBe(0)
  })

  it('[scenario 6] that begins a run under a key that is taken tells which one it is', async () => {
    const one = await stage.host('one', { flow: () => wait(1_000) })
    const first = await stage.begin(one, { idempotencyKey: 'same' })
    expect(await stage.begin(one, { idempotencyKey: 'same' })).toBe(first)
    expect(await stage.create({ idempotencyKey: 'same' })).toBe(first)
    await stage.untilTag(first, 'COMPLETED.Completed')
  })

  it('tells when a run that it began is over, with its state', async () => {
    const one = await stage.host('one', { flow: async () => 'over' })
    const begun = await stage.drive(one.host.begin(stage.newRun()))
    expect((await stage.drive(begun.over ?? Promise.reject(new Error('not hosted')))).result).toEqual({
      v: 'over',
    })
  })

  it('keeps the start and stop contract', async () => {
    const deps = systemDeps()
    const broker = memoryBroker(memoryPlace(), deps)
    await broker.start()
    await stressService(() =>
      createHost({
        broker,
        deps,
        runners: [inlineRunner(deps, new Map())],
        settings: { queues: ['default'] },
      }),
    )
    await broker.stop()
  })
})

describe('a host that stops', () => {
  const flow =
    (bodies: string[], ms: number): Program =>
    async (r) => {
      for (const name of ['a', 'b'])
        await r.task({ task: name }, async () => {
          await wait(ms)
          bodies.push(name)
        })
    }

  it('[scenario 25] lets running bodies end, begins nothing new, and gives its runs back at no cost', async () => {
    const bodies: string[] = []
    const one = await stage.host('one', { flow: flow(bodies, 5_000) })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    await stage.drive(one.host.stop())
    expect(bodies).toEqual(['a'])
    expect((await stage.historyOf(run)).slice(-2)).toEqual([
      'a-0 COMPLETE COMPLETED.Completed',
      'RELEASE SCHEDULED.AwaitingRecovery',
    ])
    await stage.host('two', { flow: flow(bodies, 1_000) })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(bodies).toEqual(['a', 'b'])
    expect((await stage.stateOf(run)).flow.context).toMatchObject({ recoveryCount: 0, runCount: 1 })
  })

  it('[scenario 25] lets code that asks for nothing go on to its end', async () => {
    const one = await stage.host('one', { flow: () => wait(5_000) })
    const run = await stage.begin(one)
    await stage.drive(one.host.stop())
    expect((await stage.stateOf(run)).flow.tag).toBe('COMPLETED.Completed')
  })

  it('[scenario 25] gives back at once what only waits', async () => {
    const one = await stage.host('one', { flow: (r) => r.sleep(20_000) })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    const began = stage.clock.now()
    await stage.drive(one.host.stop())
    expect(stage.clock.now() - began).toBeLessThan(100)
    expect((await stage.historyOf(run)).at(-1)).toBe('RELEASE SCHEDULED.AwaitingRecovery')
  })

  it('[scenario 25] does not wait for bodies longer than it was told', async () => {
    const bodies: string[] = []
    const one = await stage.host('one', { flow: flow(bodies, 600_000) }, { drainMs: 3_000 })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    const began = stage.clock.now()
    await stage.drive(one.host.stop())
    expect(stage.clock.now() - began).toBeLessThan(4_000)
    expect((await stage.stateOf(run)).flow.tag).toBe('SCHEDULED.AwaitingRecovery')
  })

  it('leaves its runs to be recovered when the broker is away', async () => {
    await stage.scheduler()
    const bodies: string[] = []
    const one = await stage.host('one', { flow: flow(bodies, 1_000) }, { drainMs: 3_000 })
    const run = await stage.begin(one)
    await stage.clock.advance(500)
    one.broker.cut()
    await stage.drive(one.host.stop())
    one.kill()
    await stage.host('two', { flow: flow(bodies, 1_000) })
    await stage.untilTag(run, 'COMPLETED.Completed')
  })
})
