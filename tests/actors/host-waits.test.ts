import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeEntry, type Program, sendSignal } from '../../src/actors/index.ts'
import { type HostMachine, type HostStage, ME, makeHostStage } from './support/host-stage.ts'

const HALF_AN_HOUR = 1_800_000

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
  await stage.scheduler()
})
afterEach(() => stage.close())

/** A flow that does one task, then waits, then another; counts how often each body ran. */
function around(wait: Program, bodies: string[]): Program {
  return async (run, parameters) => {
    await run.task({ task: 'before' }, () => void bodies.push('before'))
    const outcome = await wait(run, parameters)
    await run.task({ task: 'after' }, () => void bodies.push('after'))
    return outcome
  }
}

const start = async (flow: Program, settings = {}): Promise<{ run: string; one: HostMachine }> => {
  const one = await stage.host('one', { flow }, settings)
  return { one, run: await stage.begin(one) }
}

describe('a pause from the code', () => {
  const input = {
    schema: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] },
  }

  it('keeps the code in its process until it is resumed, and gives it the input', async () => {
    const bodies: string[] = []
    const { one, run } = await start(around((r) => r.pause({ input }), bodies))
    await stage.untilTag(run, 'PAUSED.Paused')
    await stage.clock.advance(60_000)
    expect(one.host.hosted).toBe(1)
    expect((await stage.signal(run, 'resume', { payload: { v: { x: 42 } } })).outcome).toBe('applied')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: { x: 42 } })
    expect((await stage.stateOf(run)).flow.context.runCount).toBe(1)
    expect(bodies).toEqual(['before', 'after'])
  })

  it('refuses a wrong input, names what is wrong, and stays paused', async () => {
    const { run } = await start((r) => r.pause({ input }))
    await stage.untilTag(run, 'PAUSED.Paused')
    const answer = await stage.signal(run, 'resume', { payload: { v: { x: 'no number' } } })
    expect(answer).toMatchObject({ outcome: 'rejected', tag: 'PAUSED.Paused', issues: [{ path: 'input.x' }] })
    expect((await stage.stateOf(run)).flow.tag).toBe('PAUSED.Paused')
  })

  it('fails the run when nobody resumes it in time', async () => {
    const bodies: string[] = []
    const { one, run } = await start(around((r) => r.pause({ timeoutMs: 5_000 }), bodies))
    await stage.untilTag(run, 'FAILED.Failed')
    expect((await stage.stateOf(run)).state.message).toBe('The flow was paused and never resumed.')
    expect(bodies).toEqual(['before'])
    await stage.until(() => one.host.hosted === 0)
  })

  it('is resumed once when two resume it at the same time; the other is told the truth', async () => {
    const { run } = await start((r) => r.pause())
    await stage.untilTag(run, 'PAUSED.Paused')
    const [first, second] = await Promise.all([stage.signal(run, 'resume'), Promise.resolve()]).then(
      async ([answer]) => [answer, await stage.signal(run, 'resume')] as const,
    )
    expect([first.outcome, second.outcome]).toEqual(['applied', 'rejected'])
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.historyOf(run)).filter((line) => line.startsWith('RESUME'))).toHaveLength(1)
  })

  it('takes hold again after its host was lost, with the same end, and is answered on another host', async () => {
    const bodies: string[] = []
    const flow = around((r) => r.pause({ timeoutMs: 600_000 }), bodies)
    const { one, run } = await start(flow)
    await stage.untilTag(run, 'PAUSED.Paused')
    const due = (await stage.stateOf(run)).flow.context.timers.hold?.due
    one.kill()
    await stage.host('two', { flow })
    await stage.untilTag(run, 'SCHEDULED.AwaitingRecovery')
    await stage.untilTag(run, 'PAUSED.Paused')
    expect((await stage.stateOf(run)).flow.context.timers.hold?.due).toBe(due)
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(bodies).toEqual(['before', 'after'])
  })
})

describe('a pause from outside', () => {
  it('takes hold before the next task starts; the running one finishes; then the run is quiet', async () => {
    const bodies: string[] = []
    const { run } = await start(async (r) => {
      await r.task({ task: 'long' }, async () => {
        await new Promise<void>((resolve) => stage.clock.setTimer(10_000, resolve))
        bodies.push('long')
      })
      await r.task({ task: 'next' }, () => void bodies.push('next'))
    })
    await stage.clock.advance(1_000)
    expect((await stage.signal(run, 'pause')).outcome).toBe('applied')
    expect((await stage.stateOf(run)).flow.context.hold?.quiescedAt).toBeNull()
    await stage.clock.advance(60_000)
    expect(bodies).toEqual(['long'])
    expect((await stage.stateOf(run)).flow.context.hold?.quiescedAt).not.toBeNull()
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(bodies).toEqual(['long', 'next'])
    expect(await stage.historyOf(run)).toEqual([
      'created SCHEDULED.Scheduled',
      'CLAIM PENDING.Pending',
      'START RUNNING.Running',
      'long-0 START RUNNING.Running',
      'PAUSE PAUSED.Paused',
      'long-0 COMPLETE COMPLETED.Completed',
      'QUIESCED PAUSED.Paused',
      'RESUME RUNNING.Running',
      'next-0 START RUNNING.Running',
      'next-0 COMPLETE COMPLETED.Completed',
      'COMPLETE COMPLETED.Completed',
    ])
  })

  it('[scenario 14] gives the same history whether the host applies it or, silent, is passed by', async () => {
    const flow: Program = async (r) => {
      await r.task(
        { task: 'long' },
        () => new Promise<void>((resolve) => stage.clock.setTimer(20_000, resolve)),
      )
      await r.task({ task: 'next' }, () => {})
    }
    const histories: string[][] = []
    for (const isSilent of [false, true]) {
      const one = await stage.host(`host-${isSilent}`, { flow })
      const run = await stage.begin(one)
      await stage.clock.advance(1_000)
      if (isSilent) one.clock.freeze()
      expect((await stage.signal(run, 'pause')).outcome).toBe('applied')
      one.clock.thaw()
      await stage.clock.advance(25_000)
      await stage.signal(run, 'resume')
      await stage.untilTag(run, 'COMPLETED.Completed')
      histories.push(await stage.historyOf(run))
    }
    expect(histories[1]).toEqual(histories[0])
  })
})

describe('a suspension', () => {
  it('lets the code leave its process; resumed, it runs from the top and finished tasks answer from the log', async () => {
    const bodies: string[] = []
    const flow = around((r) => r.suspend(), bodies)
    const { one, run } = await start(flow)
    await stage.untilTag(run, 'PAUSED.Suspended')
    await stage.until(() => one.host.hosted === 0)
    expect((await stage.signal(run, 'resume', { payload: { v: 'go' } })).outcome).toBe('applied')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(bodies).toEqual(['before', 'after'])
    const { result, flow: end } = await stage.stateOf(run)
    expect(result).toEqual({ v: 'go' })
    expect(end.context).toMatchObject({ runCount: 1, epoch: 2, recoveryCount: 0 })
  })

  it('from outside waits for the running task, then the process is released', async () => {
    const bodies: string[] = []
    const flow: Program = async (r) => {
      await r.task({ task: 'long' }, async () => {
        await new Promise<void>((resolve) => stage.clock.setTimer(5_000, resolve))
        bodies.push('long')
      })
      await r.task({ task: 'next' }, () => void bodies.push('next'))
    }
    const { one, run } = await start(flow)
    await stage.clock.advance(1_000)
    await stage.signal(run, 'suspend')
    expect(one.host.hosted).toBe(1)
    await stage.until(() => one.host.hosted === 0)
    expect(bodies).toEqual(['long'])
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(bodies).toEqual(['long', 'next'])
  })
})

describe('a sleep', () => {
  it('that is short stays in its process', async () => {
    const { one, run } = await start(around((r) => r.sleep(20_000), []))
    await stage.clock.advance(15_000)
    expect(one.host.hosted).toBe(1)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.historyOf(run)).slice(5, 7)).toEqual(['sleep-0 waits', 'sleep-0 done'])
  })

  it('that is long leaves it, and wakes by the scheduler at its time', async () => {
    const bodies: string[] = []
    const { one, run } = await start(around((r) => r.sleep(HALF_AN_HOUR), bodies))
    const began = stage.clock.now()
    await stage.untilTag(run, 'PAUSED.Sleeping')
    expect(stage.clock.now() - began).toBeLessThan(31_000)
    await stage.until(() => one.host.hosted === 0)
    await stage.untilTag(run, 'COMPLETED.Completed', 2 * HALF_AN_HOUR)
    expect(stage.clock.now() - began).toBeGreaterThanOrEqual(HALF_AN_HOUR)
    expect(stage.clock.now() - began).toBeLessThan(HALF_AN_HOUR + 2_000)
    expect(bodies).toEqual(['before', 'after'])
  })

  it('goes on to its own end when its host dies in the middle', async () => {
    const flow = around((r) => r.sleep(25_000), [])
    const { one, run } = await start(flow)
    const began = stage.clock.now()
    await stage.clock.advance(5_000)
    one.kill()
    await stage.host('two', { flow })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(stage.clock.now() - began).toBeLessThan(27_000)
  })
})

describe('a wait for a signal', () => {
  const waits: Program = (r) => r.waitForSignal('approved', { timeoutMs: HALF_AN_HOUR })

  it('is answered by the signal, with its payload and its sender', async () => {
    const { run } = await start(waits)
    await stage.clock.advance(1_000)
    expect((await stage.signal(run, 'approved', { payload: { v: 'yes' } })).outcome).toBe('applied')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({
      v: { is: 'received', payload: 'yes', by: { channel: 'test' } },
    })
  })

  it('is answered by a signal that came before it', async () => {
    const { run } = await start(async (r) => {
      await r.sleep(5_000)
      return r.waitForSignal('approved')
    })
    await stage.clock.advance(1_000)
    await stage.signal(run, 'approved', { payload: { v: 1 } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toMatchObject({ v: { payload: 1 } })
  })

  it('lets the code leave after a while, and the signal brings it back', async () => {
    const bodies: string[] = []
    const { one, run } = await start(around(waits, bodies))
    await stage.untilTag(run, 'PAUSED.Waiting')
    await stage.until(() => one.host.hosted === 0)
    await stage.clock.advance(600_000)
    expect((await stage.signal(run, 'something-else')).outcome).toBe('applied')
    expect((await stage.stateOf(run)).flow.tag).toBe('PAUSED.Waiting')
    await stage.signal(run, 'approved', { payload: { v: 'at last' } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(bodies).toEqual(['before', 'after'])
    expect((await stage.stateOf(run)).result).toMatchObject({ v: { payload: 'at last' } })
  })

  it('expires at its time, parked or not', async () => {
    const { run } = await start(waits)
    await stage.untilTag(run, 'PAUSED.Waiting')
    await stage.untilTag(run, 'COMPLETED.Completed', 2 * HALF_AN_HOUR)
    expect((await stage.stateOf(run)).result).toEqual({ v: { is: 'expired' } })
    const { run: short } = await stage
      .host('two', { flow: (r) => r.waitForSignal('never', { timeoutMs: 3_000 }) })
      .then(async (two) => ({ run: await stage.begin(two) }))
    await stage.untilTag(short, 'COMPLETED.Completed')
    expect((await stage.stateOf(short)).result).toEqual({ v: { is: 'expired' } })
  })

  it('is not parked on while a task still runs beside it', async () => {
    const { one, run } = await start(async (r) => {
      const task = r.task(
        { task: 'long' },
        () => new Promise<void>((resolve) => stage.clock.setTimer(100_000, resolve)),
      )
      await Promise.all([task, r.sleep(200_000)])
    })
    await stage.clock.advance(90_000)
    expect((await stage.stateOf(run)).flow.tag).toBe('RUNNING.Running')
    expect(one.host.hosted).toBe(1)
    await stage.untilTag(run, 'PAUSED.Sleeping')
    await stage.untilTag(run, 'COMPLETED.Completed')
  })
})

describe('what a wait is answered with', () => {
  it('is in the log before the code goes on, whenever it came', async () => {
    for (let afterMs = 0; afterMs <= 100; afterMs += 2) {
      let machine: HostMachine | undefined
      let wentOnAt: number | undefined
      const flow: Program = async (r) => {
        await r.waitForSignal('go', { timeoutMs: null })
        wentOnAt = stage.clock.now()
        machine?.kill()
      }
      const plan = { rates: { 'log.append': { delay: 1 } }, longestDelayMs: 40 } as const
      machine = await stage.host(`host-${afterMs}`, { flow }, { queues: [] }, { plan })
      const run = await stage.begin(machine)
      await stage.clock.advance(afterMs)
      const { broker, deps } = stage.home
      const signalled = sendSignal(broker, deps, run, { name: 'go', key: `${afterMs}`, by: ME })
      await stage.until(() => wentOnAt !== undefined)
      await stage.drive(signalled)
      const told = (await stage.drive(Array.fromAsync(broker.log.read(run)))).find((entry) =>
        decodeEntry(entry).some(({ k }) => k === 'wait-'),
      )
      expect(told?.at, `after ${afterMs} ms`).toBeLessThanOrEqual(wentOnAt ?? 0)
    }
  })
})
