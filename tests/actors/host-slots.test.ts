import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Program } from '../../src/actors/index.ts'
import { LIMITS_BUCKET, limitKey } from '../../src/scheduler/index.ts'
import { type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
  await stage.scheduler()
})
afterEach(() => stage.close())

const wait = (ms: number) => new Promise<void>((resolve) => stage.clock.setTimer(ms, resolve))

const limit = async (name: string, slots: number, strategy = 'enqueue') => {
  const bucket = await stage.drive(stage.home.broker.kv.bucket(LIMITS_BUCKET))
  await stage.drive(bucket.put(limitKey(name), { name, slots, strategy }))
  await stage.clock.advance(1_000)
}

describe('a task with a concurrency limit', () => {
  it('waits for a slot, and holds it while its body runs', async () => {
    await limit('db', 2)
    let running = 0
    let most = 0
    const one = await stage.host('one', {
      flow: (r) =>
        Promise.all(
          Array.from({ length: 6 }, () =>
            r.task({ task: 't', limits: ['db'] }, async () => {
              most = Math.max(most, ++running)
              await wait(1_000)
              running--
            }),
          ),
        ),
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(most).toBe(2)
    expect((await stage.historyOf(run)).filter((line) => line.includes('SLOT_WAIT'))).toHaveLength(4)
  })

  it('gives it back while it waits for a retry', async () => {
    await limit('db', 1)
    const order: string[] = []
    let failed = false
    const one = await stage.host('one', {
      flow: (r) =>
        Promise.all([
          r.task({ task: 'a', limits: ['db'], retry: { retries: 1, delayMs: 5_000 } }, () => {
            order.push('a')
            if (failed) return
            failed = true
            throw new Error('first')
          }),
          r.task({ task: 'b', limits: ['db'] }, () => {
            order.push('b')
            return wait(1_000)
          }),
        ]),
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(order).toEqual(['a', 'b', 'a'])
  })

  it('whose host dies gives its slot to others', async () => {
    await limit('db', 1)
    const flow: Program = (r) => r.task({ task: 't', limits: ['db'] }, () => wait(2_000))
    const one = await stage.host('one', { flow })
    const first = await stage.begin(one)
    await stage.clock.advance(500)
    one.kill()
    const two = await stage.host('two', { flow })
    const second = await stage.begin(two)
    await stage.untilTag(second, 'COMPLETED.Completed')
    await stage.untilTag(first, 'COMPLETED.Completed')
  })

  it('that can never be served is Cancelled, and says why', async () => {
    await limit('closed', 0)
    const one = await stage.host('one', { flow: (r) => r.task({ task: 't', limits: ['closed'] }, () => 1) })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'FAILED.Failed')
    const task = (await stage.stateOf(run)).tasks.get('t-0')
    expect(task?.snapshot.tag).toBe('CANCELLED.Cancelled')
    expect(task?.state.message).toContain('closed')
  })
})

describe('a flow with a concurrency limit', () => {
  const policy = { limits: ['flows'] }

  it('is claimed when a slot is free, in the order in which they came', async () => {
    await limit('flows', 1)
    const order: unknown[] = []
    await stage.host('one', {
      flow: async (_, name) => {
        order.push(name)
        await wait(1_000)
      },
    })
    const runs: string[] = []
    for (const v of ['a', 'b', 'c']) {
      runs.push(await stage.create({ policy, parameters: { v } }))
      await stage.clock.advance(100)
    }
    expect((await stage.stateOf(runs[2] ?? '')).flow.tag).toBe('SCHEDULED.AwaitingConcurrencySlot')
    for (const run of runs) await stage.untilTag(run, 'COMPLETED.Completed')
    expect(order).toEqual(['a', 'b', 'c'])
  })

  it('whose limit cancels what does not fit is Cancelled', async () => {
    await limit('flows', 1, 'cancelNew')
    await stage.host('one', { flow: () => wait(5_000) })
    const first = await stage.create({ policy })
    await stage.clock.advance(500)
    const second = await stage.create({ policy })
    await stage.untilTag(second, 'CANCELLED.Cancelled', 1_000)
    expect((await stage.stateOf(second)).state.message).toContain('flows')
    await stage.untilTag(first, 'COMPLETED.Completed')
  })

  it('waits for a keeper when there is none', async () => {
    await stage.host('one', { flow: async () => 1 })
    const run = await stage.create({ policy: { limits: ['unlimited'] } })
    await stage.untilTag(run, 'COMPLETED.Completed')
  })

  it('is hosted by whoever begins it, and waits in the log when it must', async () => {
    await limit('flows', 1)
    const one = await stage.host('one', { flow: () => wait(1_000) })
    const first = await stage.begin(one, { policy })
    const second = await stage.begin(one, { policy })
    expect((await stage.stateOf(second)).flow.tag).toBe('SCHEDULED.AwaitingConcurrencySlot')
    await stage.untilTag(first, 'COMPLETED.Completed')
    await stage.untilTag(second, 'COMPLETED.Completed')
  })
})

describe('a run whose host says that it needs a slot', () => {
  it('waits for it without a worker, and goes on as soon as it is free', async () => {
    await limit('pool:default', 1)
    const one = await stage.host(
      'one',
      { flow: () => wait(1_000) },
      {},
      { limitsOf: ({ deployment = '' }) => [`pool:${deployment}`] },
    )
    const [first, second] = [
      await stage.create({ deployment: 'default' }),
      await stage.create({ deployment: 'default' }),
    ]
    await stage.untilTag(second, 'SCHEDULED.AwaitingConcurrencySlot')
    expect(one.host.busy).toBe(1)
    await stage.untilTag(first, 'COMPLETED.Completed')
    await stage.untilTag(second, 'COMPLETED.Completed', 2_000)
    const third = await stage.create({ deployment: 'of-another-pool' })
    await stage.untilTag(third, 'COMPLETED.Completed', 2_000)
  })

  it('leaves the line when it is cancelled there', async () => {
    await limit('pool:default', 1)
    await stage.host('one', { flow: () => wait(5_000) }, {}, { limitsOf: () => ['pool:default'] })
    const [, second, third] = [await stage.create(), await stage.create(), await stage.create()]
    await stage.untilTag(second, 'SCHEDULED.AwaitingConcurrencySlot')
    await stage.untilTag(third, 'SCHEDULED.AwaitingConcurrencySlot')
    await stage.signal(second, 'cancel')
    await stage.untilTag(third, 'COMPLETED.Completed', 12_000)
    expect((await stage.stateOf(second)).flow.tag).toBe('CANCELLED.Cancelled')
  })
})
