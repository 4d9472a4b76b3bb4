/** Failure scenarios that no single part shows by itself: each of them whole, on hosts in virtual time. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createRun, judgeFlow, openRun, RunLog, sendSignal } from '../../src/actors/index.ts'
import { frozen } from './support/frozen.ts'
import { type HostStage, ME, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
})
afterEach(() => stage.close())

const wait = (ms: number) => new Promise<void>((resolve) => stage.clock.setTimer(ms, resolve))

/** How many lines of a run's history are about this event. */
async function countOf(run: string, event: string): Promise<number> {
  return (await stage.historyOf(run)).filter((line) => ` ${line} `.includes(` ${event} `)).length
}

describe('a run that was archived', () => {
  it('[scenario 7] is not created again, by its key or its id', async () => {
    const run = await stage.create({ idempotencyKey: 'once' })
    await stage.signal(run, 'cancel')
    const { log, queue } = stage.home.broker
    await stage.drive(log.archive(run, [], { expect: await stage.entriesOf(run) }))
    const before = await stage.drive(log.last(run))
    const depth = await stage.drive(queue.depth('default'))
    expect(await stage.create({ idempotencyKey: 'once' })).toBe(run)
    expect(await stage.create({ id: run })).toBe(run)
    expect(await stage.drive(log.last(run))).toEqual(before)
    expect(await stage.drive(queue.depth('default'))).toBe(depth)
  })
})

describe('a signal', () => {
  it('[scenario 14] takes hold while the host is frozen, whose stale append meets a conflict when it wakes', async () => {
    const one = await stage.host('one', {
      flow: async (r) => {
        await r.task({ task: 'long' }, () => wait(5_000))
        await r.task({ task: 'next' }, () => {})
      },
    })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    const appends = vi.spyOn(one.broker.log, 'append')
    one.clock.freeze()
    const began = stage.clock.now()
    expect(await stage.signal(run, 'pause')).toMatchObject({ outcome: 'applied', tag: 'PAUSED.Paused' })
    expect(stage.clock.now() - began).toBeLessThan(2_000)
    await stage.clock.advance(10_000)
    expect(await countOf(run, 'COMPLETE')).toBe(0)
    one.clock.thaw()
    await stage.clock.advance(5_000)
    const outcomes = await Promise.all(appends.mock.results.map(async ({ value }) => (await value).outcome))
    expect(outcomes[0]).toBe('conflict')
    expect((await stage.stateOf(run)).flow.tag).toBe('PAUSED.Paused')
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect([await countOf(run, 'PAUSE'), await countOf(run, 'long-0 COMPLETE')]).toEqual([1, 1])
  })

  it('[scenario 15] whose sender is told in error that nobody is home takes hold once, and its host learns of it', async () => {
    const one = await stage.host('one', {
      flow: async (r) => {
        await r.task({ task: 'long' }, () => wait(5_000))
        await r.task({ task: 'next' }, () => {})
      },
    })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    const misled = await stage.machine('misled', {
      plan: { rules: [{ operation: 'bus.request', fault: 'deny', nth: 1 }] },
    })
    const pause = { name: 'pause', key: 'p', by: ME }
    const answers = []
    for (const machine of [misled, misled, stage.home])
      answers.push(await stage.drive(sendSignal(machine.broker, machine.deps, run, pause)))
    expect(misled.broker.faults).toHaveLength(1)
    expect(answers[0]).toMatchObject({ outcome: 'applied', tag: 'PAUSED.Paused' })
    expect(answers).toEqual(Array(3).fill(answers[0]))
    await stage.clock.advance(10_000)
    expect((await stage.stateOf(run)).flow.tag).toBe('PAUSED.Paused')
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect([await countOf(run, 'PAUSE'), await countOf(run, 'next-0 START')]).toEqual([1, 1])
  })

  it('[scenario 17] to pause at the moment of completion: exactly one wins, and everybody gets a true answer', async () => {
    for (let offset = -2; offset <= 2; offset++) {
      const one = await stage.host(`host${offset}`, {
        flow: (r) => r.task({ task: 'short' }, () => wait(1_000)),
      })
      const run = await stage.begin(one)
      await stage.clock.advance(1_000 + offset)
      const answer = await stage.signal(run, 'pause')
      if (answer.outcome === 'applied') await stage.signal(run, 'resume')
      else expect(answer).toMatchObject({ outcome: 'rejected', tag: 'COMPLETED.Completed' })
      await stage.untilTag(run, 'COMPLETED.Completed')
      expect(await countOf(run, 'PAUSE')).toBe(answer.outcome === 'applied' ? 1 : 0)
    }
  })
})

describe('an event that cannot be judged', () => {
  it('[scenario 19] is kept in the log, the run is as it was, and the next event works', async () => {
    const run = await stage.create()
    const state = await stage.drive(openRun(stage.home.broker, stage.home.deps, run))
    if (state === undefined) throw new Error('The run is not there.')
    const log = new RunLog(stage.home.broker, stage.home.deps, state)
    let reads = 0
    const poison = {
      type: 'CLAIM',
      at: stage.clock.now(),
      get worker() {
        if (++reads === 1) throw new Error('it broke')
        return 'one'
      },
    } as const
    const answer = await stage.drive(log.propose(judgeFlow(poison)))
    expect(answer).toMatchObject({ outcome: 'rejected', reason: expect.stringContaining('it broke') })
    expect(await stage.historyOf(run)).toEqual(['created SCHEDULED.Scheduled', 'poison'])
    expect((await stage.stateOf(run)).flow.tag).toBe('SCHEDULED.Scheduled')
    const sound = judgeFlow({ type: 'CLAIM', at: stage.clock.now(), worker: 'one' })
    expect(await stage.drive(log.propose(sound))).toMatchObject({ outcome: 'applied' })
    expect((await stage.stateOf(run)).flow.tag).toBe('PENDING.Pending')
    await stage.drive(log.close())
  })
})

describe('a host', () => {
  for (const fault of ['lose-after', 'lose-before'] as const)
    it(`[scenario 24] whose reports are lost on the way sends them again, and each counts once (${fault})`, async () => {
      const rules = [2, 3, 4, 5].map((nth) => ({ operation: 'log.append', fault, nth }) as const)
      const bodies: number[] = []
      const one = await stage.host(
        'one',
        {
          flow: async (r) => {
            for (let i = 0; i < 3; i++) await r.task({ task: 'step' }, () => void bodies.push(i))
          },
        },
        {},
        { plan: { rules, settleMs: 200 } },
      )
      const run = await stage.begin(one)
      await stage.untilTag(run, 'COMPLETED.Completed')
      expect(one.broker.faults.length).toBeGreaterThan(2)
      expect(bodies).toEqual([0, 1, 2])
      expect(await countOf(run, 'COMPLETE')).toBe(4)
    })

  it('[scenario 26] with ten slots never holds more than ten of a thousand that are ready', async () => {
    const runs = 1_000
    let running = 0
    let done = 0
    let most = 0
    const flow = async () => {
      most = Math.max(most, ++running)
      await wait(50)
      running--
      done++
    }
    const { broker, deps } = stage.home
    await stage.drive(
      Promise.all(Array.from({ length: runs }, () => createRun(broker, deps, stage.newRun()))),
    )
    const { queue } = broker
    expect(await stage.drive(queue.depth('default'))).toBe(runs)
    const one = await stage.host('one', { flow }, { slots: 10 })
    let held = 0
    await stage.until(() => {
      held = Math.max(held, one.host.hosted)
      return done === runs
    })
    expect([most, held]).toEqual([10, 10])
    expect(await stage.drive(queue.depth('default'))).toBe(0)
  })

  it('[prefect 62] serves the queue it names first, also before older runs of another', async () => {
    const began: string[] = []
    const older: string[] = []
    for (let i = 0; i < 3; i++) older.push(await stage.create({ parameters: { v: `older-${i}` } }))
    const target = { queue: 'urgent', priority: 3 } as const
    for (let i = 0; i < 3; i++) await stage.create({ parameters: { v: `urgent-${i}` }, policy: { target } })
    await stage.host(
      'one',
      {
        flow: async (_run, parameters) => {
          began.push(String(parameters))
          await wait(100)
        },
      },
      { slots: 1, queues: ['urgent', 'default'] },
    )
    await stage.untilTag(older[2] ?? '', 'COMPLETED.Completed')
    expect(began).toEqual(['urgent-0', 'urgent-1', 'urgent-2', 'older-0', 'older-1', 'older-2'])
  })

  it('[prefect 52] is not disturbed by what throws after the code has ended, nor is the run', async () => {
    const thrown: string[] = []
    const one = await stage.host('one', {
      flow: async (r) => {
        void r.task({ task: 'forgotten' }, async () => {
          await wait(1_000)
          thrown.push('too late')
          throw new Error('too late')
        })
        await r.task({ task: 't' }, () => wait(100))
        return 'done'
      },
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    await stage.until(() => thrown.length > 0)
    await stage.clock.advance(1_000)
    expect((await stage.stateOf(run)).flow.tag).toBe('COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: 'done' })
    const next = await stage.begin(one)
    await stage.untilTag(next, 'COMPLETED.Completed')
  })
})

describe('a run of 10,000 tasks', () => {
  it('[scenario 40] has few entries, a small flow in its snapshots, and bytes in proportion', async () => {
    const tasks = 10_000
    const one = await stage.host('one', {
      flow: async (r) => {
        await Promise.all(Array.from({ length: tasks }, (_, i) => r.task({ task: 't' }, async () => i)))
      },
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await stage.entriesOf(run)).toBeLessThan(200)
    const { tasks: _, ...flow } = frozen(await stage.stateOf(run))
    expect(JSON.stringify(flow).length).toBeLessThan(16 * 1024)
    let bytes = 0
    for (const record of await stage.recordsOf(run))
      bytes += JSON.stringify(record).length + (record.k === 'snapshot' ? record.bytes : 0)
    expect(bytes / tasks).toBeLessThan(1_024)
  })
})
