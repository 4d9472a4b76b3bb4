import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ChildOptions, Program } from '../../src/actors/index.ts'
import { partitionOf } from '../../src/core/index.ts'
import { type HostStage, makeHostStage } from './support/host-stage.ts'
import { FLOW_POLICY } from './support/run.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
  await stage.scheduler()
})
afterEach(() => stage.close())

const wait = (ms: number) => new Promise<void>((resolve) => stage.clock.setTimer(ms, resolve))

const child = (flow: string, parameters: unknown = null): ChildOptions => ({
  flow,
  parameters,
  policy: FLOW_POLICY,
})

const childOf = async (run: string): Promise<string> => {
  const [first] = (await stage.stateOf(run)).children.values()
  if (first === undefined) throw new Error('There is no child.')
  return first.run
}

describe('a child run', () => {
  it('is a run of its own, in the partition of its root; its result is the caller’s', async () => {
    const one = await stage.host('one', {
      flow: async (r) => Number(await r.child(child('double', 21))) + 0,
      double: async (_, n) => Number(n) * 2,
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: 42 })
    const id = await childOf(run)
    expect(partitionOf(id)).toBe(partitionOf(run))
    expect((await stage.stateOf(id)).created).toMatchObject({ parent: { run, key: 'double-0' }, root: run })
  })

  it('may go to another worker', async () => {
    const one = await stage.host('one', { flow: (r) => r.child(child('far')) }, { queues: [] })
    await stage.host('two', { far: async () => 'from afar' })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: 'from afar' })
  })

  it('does not wait for the slot that its waiting parent has: nothing is stuck with a single slot', async () => {
    const flow: Program = async (r, depth) =>
      Number(depth) === 0 ? 0 : Number(await r.child(child('flow', Number(depth) - 1))) + 1
    await stage.host('one', { flow }, { slots: 1 })
    const run = await stage.create({ parameters: { v: 5 } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: 5 })
  })

  it('that failed fails its caller with what it failed with', async () => {
    const one = await stage.host('one', {
      flow: (r) => r.child(child('bad')),
      bad: async () => {
        throw new TypeError('bad child')
      },
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'FAILED.Failed')
    expect((await stage.stateOf(run)).failure).toMatchObject({ name: 'TypeError', message: 'bad child' })
  })

  it('that completed is not run again when its parent is; one that failed is', async () => {
    const calls: string[] = []
    const one = await stage.host('one', {
      flow: async (r) => {
        await r.child(child('good'))
        await r.child(child('bad'))
      },
      good: async () => void calls.push('good'),
      bad: async () => {
        calls.push('bad')
        if (calls.length < 3) throw new Error('not yet')
      },
    })
    const run = await stage.begin(one, { policy: { retries: 1 } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(calls).toEqual(['good', 'bad', 'bad'])
  })

  it('goes on when its parent fails, and is there for the parent that is retried', async () => {
    const calls: string[] = []
    const one = await stage.host('one', {
      flow: async (r) => {
        calls.push('parent')
        const long = r.child(child('long'))
        if (calls.length === 1)
          await r.task({ task: 'bad' }, () => wait(500).then(() => Promise.reject(new Error('bad'))))
        return long
      },
      long: () => wait(3_000).then(() => calls.push('child')),
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'FAILED.Failed')
    const id = await childOf(run)
    expect((await stage.stateOf(id)).flow.tag).toBe('RUNNING.Running')
    await stage.signal(run, 'retry')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).children.size).toBe(1)
    expect(calls).toEqual(['parent', 'parent', 'child'])
  })

  it('goes on when its parent crashes', async () => {
    const one = await stage.host('one', { flow: (r) => r.child(child('far')) }, { queues: [] })
    await stage.host('two', { far: () => wait(5_000).then(() => 'done') })
    const run = await stage.begin(one, { policy: { onCrash: 'crash' } })
    await stage.clock.advance(500)
    one.kill()
    await stage.untilTag(run, 'CRASHED.Crashed')
    const id = await childOf(run)
    expect((await stage.stateOf(id)).flow.tag).toBe('RUNNING.Running')
    await stage.untilTag(id, 'COMPLETED.Completed')
  })

  it('is found again by the next host of its parent, whenever that one died', async () => {
    for (const [nth, fault] of [
      [2, 'crash-before'],
      [2, 'crash-after'],
      [3, 'crash-before'],
      [3, 'crash-after'],
    ] as const) {
      const flow: Program = async (r) => {
        await r.task({ task: 'before' }, () => 1)
        return r.child(child('child'))
      }
      const name = `parent-${nth}-${fault}`
      const one = await stage.host(
        name,
        { flow },
        { queues: [] },
        {
          plan: { rules: [{ operation: 'log.append', fault, nth: nth + 1 }] },
        },
      )
      const run = await stage.begin(one)
      await stage.until(() => one.broker.faults.length > 0)
      one.kill()
      const two = await stage.host(`${name}-next`, { flow, child: () => wait(1_000).then(() => 'child') })
      await stage.untilTag(run, 'COMPLETED.Completed')
      expect((await stage.stateOf(run)).result).toEqual({ v: 'child' })
      expect((await stage.stateOf(run)).children.size).toBe(1)
      await stage.drive(two.host.stop())
    }
  })

  it('is waited for also when the word of its end is lost', async () => {
    const one = await stage.host(
      'one',
      { flow: (r) => r.child(child('far')) },
      { queues: [] },
      {
        plan: { rates: { 'bus.message': { 'lose-before': 1 } } },
      },
    )
    await stage.host('two', { far: () => wait(1_000) })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed', 120_000)
  })
})

describe('what a parent is told, its children are told', () => {
  const family = {
    flow: ((r) => r.child(child('child'))) as Program,
    child: (async (r) => {
      await r.task({ task: 'first' }, ({ signal }) => {
        const stopped = new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        )
        return Promise.race([wait(10_000), stopped])
      })
      await r.task({ task: 'second' }, () => 2)
    }) as Program,
  }

  it('cancel', async () => {
    const one = await stage.host('one', family)
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    await stage.signal(run, 'cancel')
    await stage.untilTag(await childOf(run), 'CANCELLED.Cancelled', 1_000)
    await stage.untilTag(run, 'CANCELLED.Cancelled', 1_000)
  })

  it('pause and resume', async () => {
    const one = await stage.host('one', family)
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    const id = await childOf(run)
    await stage.signal(run, 'pause')
    await stage.untilTag(id, 'PAUSED.Paused', 2_000)
    await stage.clock.advance(30_000)
    expect((await stage.stateOf(id)).tasks.size).toBe(2)
    expect((await stage.stateOf(id)).tasks.get('second-0')?.snapshot.tag).toBe('PENDING.Pending')
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
  })

  it('also when the host of the parent dies before it has passed it on', async () => {
    // Its appends: the run, the child's place in it, the child, the cancel.
    const rule = { operation: 'log.append', fault: 'crash-after', nth: 4 } as const
    const one = await stage.host('one', family, { queues: [] }, { plan: { rules: [rule] } })
    await stage.host('two', family)
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    const id = await childOf(run)
    await stage.signal(run, 'cancel', { graceMs: 1_000 })
    expect(one.broker.faults).not.toEqual([])
    one.kill()
    await stage.untilTag(run, 'CANCELLED.Cancelled')
    await stage.untilTag(id, 'CANCELLED.Cancelled')
  })
})
