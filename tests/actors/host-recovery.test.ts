import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Program } from '../../src/actors/index.ts'
import type { FaultKind, Operation } from '../../src/testing/index.ts'
import { type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
  await stage.scheduler()
})
afterEach(() => stage.close())

const wait = (ms: number) => new Promise<void>((resolve) => stage.clock.setTimer(ms, resolve))

/** Five tasks in sequence; the sum of their results. `bodies` counts how often each body ran. */
function fiveTasks(bodies: Map<string, number>, taskMs = 0): Program {
  return async (run) => {
    let sum = 0
    for (let i = 0; i < 5; i++)
      sum += Number(
        await run.task({ task: 'step' }, async ({ idempotencyKey }) => {
          bodies.set(idempotencyKey, (bodies.get(idempotencyKey) ?? 0) + 1)
          if (taskMs > 0) await wait(taskMs)
          return i
        }),
      )
    return sum
  }
}

/** Too long to be copied into its work item: who claims the run reads its log. */
const LONG = { parameters: { v: 'x'.repeat(20_000) } }

describe('a host that dies', () => {
  const crashes: readonly [Operation, FaultKind, number][] = [
    ['queue.claim', 'crash-after', 1],
    ['bus.subscribe', 'crash-after', 2],
    ['log.last', 'crash-before', 1],
    ['queue.ack', 'crash-before', 1],
    ['queue.ack', 'crash-after', 1],
    ...[1, 2, 3, 4, 5, 6, 7].flatMap((nth): [Operation, FaultKind, number][] => [
      ['log.append', 'crash-before', nth],
      ['log.append', 'crash-after', nth],
    ]),
  ]
  for (const [operation, fault, nth] of crashes)
    it(`[scenario 20, 21] at the ${nth}. ${operation} (${fault}) is followed by another; no finished task is run again`, async () => {
      const bodies = new Map<string, number>()
      const flow = fiveTasks(bodies)
      const one = await stage.host('one', { flow }, {}, { plan: { rules: [{ operation, fault, nth }] } })
      const run = await stage.create(operation === 'log.last' ? LONG : {})
      await stage.until(() => one.broker.faults.length > 0)
      one.kill()
      await stage.host('two', { flow })
      await stage.untilTag(run, 'COMPLETED.Completed')
      const state = await stage.stateOf(run)
      expect(state.result).toEqual({ v: 10 })
      expect(bodies.size).toBe(5)
      expect([...bodies.values()].reduce((sum, count) => sum + count)).toBeLessThanOrEqual(6)
      expect(state.flow.context.runCount).toBe(1)
      const results = (await stage.historyOf(run)).filter((line) => /^step-.* COMPLETE /.test(line))
      expect(results).toEqual([0, 1, 2, 3, 4].map((i) => `step-${i} COMPLETE COMPLETED.Completed`))
    })

  for (const jumpMs of [-3_600_000, 3_600_000])
    it(`leaves its pause to one whose clock jumps by ${jumpMs / 60_000} min: it ends in its time all the same`, async () => {
      const flow: Program = (run) => run.pause({ timeoutMs: 5_000 })
      const one = await stage.host('one', { flow })
      const run = await stage.create()
      await stage.untilTag(run, 'PAUSED.Paused')
      const two = await stage.host('two', { flow })
      two.clock.shift(jumpMs)
      one.kill()
      await stage.untilTag(run, 'SCHEDULED.AwaitingRecovery', 4_000)
      await stage.untilTag(run, 'PAUSED.Paused', 1_000)
      await stage.untilTag(run, 'FAILED.Failed', 6_000)
      expect((await stage.historyOf(run)).at(-1)).toContain('TIMER.hold')
    })

  it('[scenario 22] is followed within the time that the scheduler takes to notice, and the recovery is counted', async () => {
    const bodies = new Map<string, number>()
    const flow = fiveTasks(bodies, 1_000)
    const one = await stage.host('one', { flow })
    const run = await stage.begin(one)
    await stage.clock.advance(2_500)
    one.kill()
    await stage.host('two', { flow })
    await stage.untilTag(run, 'SCHEDULED.AwaitingRecovery')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).flow.context).toMatchObject({ recoveryCount: 1, runCount: 1, epoch: 2 })
    expect(await stage.historyOf(run)).toContain('step-2 RECOVER SCHEDULED.Scheduled')
    expect([...bodies.values()]).toEqual([1, 1, 2, 1, 1])
  })

  it('takes its run down with it when that kills every host', async () => {
    const run = await stage.create({ policy: { maxRecoveries: 2 } })
    for (const name of ['one', 'two', 'three']) {
      const host = await stage.host(name, { flow: () => new Promise(() => {}) })
      await stage.untilTag(run, 'RUNNING.Running')
      host.kill()
      await stage.until(() => true)
      await stage.clock.advance(15_000)
    }
    const state = await stage.stateOf(run)
    expect(state.flow.tag).toBe('CRASHED.Crashed')
    expect(state.flow.context.recoveryCount).toBe(2)
  })
})

describe('a zombie', () => {
  it('[scenario 23] frozen past its lease and thawed is fenced, stops its code, and changes nothing', async () => {
    const aborted: unknown[] = []
    const bodies: string[] = []
    const flow =
      (name: string, ms: number): Program =>
      async (run) => {
        await run.task({ task: 'slow' }, async ({ signal }) => {
          bodies.push(name)
          signal.addEventListener('abort', () => aborted.push(signal.reason))
          await wait(ms)
          return name
        })
        return run.task({ task: 'last' }, () => name)
      }
    const one = await stage.host('one', { flow: flow('one', 120_000) })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    one.clock.freeze()
    await stage.host('two', { flow: flow('two', 1_000) })
    await stage.untilTag(run, 'COMPLETED.Completed')
    const history = await stage.historyOf(run)
    one.clock.thaw()
    await stage.clock.advance(60_000)
    expect(await stage.historyOf(run)).toEqual(history)
    expect((await stage.stateOf(run)).result).toEqual({ v: 'two' })
    expect(bodies).toEqual(['one', 'two'])
    expect(aborted).toEqual(['fenced'])
    expect(one.host.hosted).toBe(0)
  })

  it('that is only slow is not heard after the other host has claimed the run', async () => {
    const flow: Program = async (run) => run.task({ task: 'slow' }, () => wait(5_000))
    const one = await stage.host('one', { flow })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    one.clock.freeze()
    await stage.untilTag(run, 'SCHEDULED.AwaitingRecovery')
    one.clock.thaw()
    await stage.host('two', { flow })
    await stage.untilTag(run, 'COMPLETED.Completed')
    const { context } = (await stage.stateOf(run)).flow
    expect(context.epoch).toBe(2)
  })
})

describe('a log that cannot be read any more', () => {
  it('takes its own run down, and no other', async () => {
    const flow: Program = (run) => run.task({ task: 'long' }, () => wait(5_000))
    const one = await stage.host('one', { flow })
    const broken = await stage.begin(one)
    const other = await stage.begin(one)
    await stage.clock.advance(1_000)
    const { log } = stage.home.broker
    const last = await stage.drive(log.last(broken))
    await stage.drive(log.append(broken, ['"nobody of ours"'], { expect: last?.rev ?? 0 }))
    await stage.untilTag(other, 'COMPLETED.Completed')
    await stage.until(() => one.host.hosted === 0)
    await expect(stage.stateOf(broken)).rejects.toMatchObject({ code: 'CB_E_STORE_DAMAGED' })
  })
})

describe('a worker that loses its lease', () => {
  it('stops its code when it cannot renew for two thirds of its time, though the broker is there', async () => {
    const aborted: unknown[] = []
    const one = await stage.host(
      'one',
      {
        flow: (run) =>
          run.task(
            { task: 'long' },
            ({ signal }) =>
              new Promise((_, reject) => {
                signal.addEventListener('abort', () => {
                  aborted.push(signal.reason)
                  reject(signal.reason)
                })
              }),
          ),
      },
      {},
      { plan: { rates: { 'kv.update': { 'lose-before': 1 } }, silenceMs: 1_000_000 } },
    )
    const run = await stage.begin(one)
    await stage.until(() => one.host.hosted === 0, 12_000)
    expect(aborted).toEqual(['fenced'])
    await stage.untilTag(run, 'SCHEDULED.AwaitingRecovery')
  })

  it('[scenario 34] goes on when the broker was away for a minute: what runs finishes, nothing new begins, then all is written', async () => {
    const began: string[] = []
    const flow: Program = async (run) => {
      const body = (name: string, ms: number) => () => {
        began.push(name)
        return wait(ms)
      }
      await Promise.all([
        run.task({ task: 'long' }, body('long', 40_000)),
        run
          .task({ task: 'short' }, body('short', 10_000))
          .then(() => run.task({ task: 'next' }, body('next', 0))),
      ])
    }
    const machines = [await stage.host('one', { flow })]
    const [one] = machines
    if (one === undefined) throw new Error('There is no host.')
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    one.broker.cut(60_000)
    await stage.clock.advance(59_000)
    expect(began).toEqual(['long', 'short'])
    expect(one.host.hosted).toBe(1)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(began.filter((name) => name === 'next')).toHaveLength(1)
  })
})
