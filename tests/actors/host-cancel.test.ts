import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Program } from '../../src/actors/index.ts'
import { type HostMachine, type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
  await stage.scheduler()
})
afterEach(() => stage.close())

const wait = (ms: number) => new Promise<void>((resolve) => stage.clock.setTimer(ms, resolve))

const start = async (flow: Program): Promise<{ run: string; one: HostMachine }> => {
  const one = await stage.host('one', { flow })
  const run = await stage.begin(one)
  await stage.clock.advance(1_000)
  return { one, run }
}

describe('cancelling a run', () => {
  it('fires the signal of every running body, and ends as soon as they have stopped', async () => {
    const reasons: unknown[] = []
    const body = ({ signal }: { signal: AbortSignal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason)
          reject(signal.reason)
        })
      })
    const { one, run } = await start((r) =>
      Promise.all([r.task({ task: 'a' }, body), r.task({ task: 'b' }, body)]),
    )
    expect((await stage.signal(run, 'cancel')).outcome).toBe('accepted')
    await stage.untilTag(run, 'CANCELLED.Cancelled', 1_000)
    expect(reasons).toEqual(['cancelled', 'cancelled'])
    expect((await stage.historyOf(run)).slice(-3)).toEqual([
      'CANCEL CANCELLING.Cancelling',
      'CANCELLED CANCELLED.Cancelled',
      '2 tasks CANCELLED CANCELLED.Cancelled',
    ])
    await stage.until(() => one.host.hosted === 0)
  })

  it('ends code that does not stop after its grace, as abandoned; nothing it does afterwards reaches the log', async () => {
    const done: string[] = []
    const { run } = await start(async (r) => {
      await r.task({ task: 'deaf' }, () => wait(120_000))
      done.push('deaf')
      await r.task({ task: 'after' }, () => void done.push('after'))
    })
    await stage.signal(run, 'cancel', { graceMs: 5_000 })
    await stage.clock.advance(4_900)
    expect((await stage.stateOf(run)).flow.tag).toBe('CANCELLING.Cancelling')
    await stage.clock.advance(200)
    expect((await stage.stateOf(run)).flow.tag).toBe('CANCELLED.Cancelled')
    const end = await stage.recordsOf(run)
    expect(end.find((record) => record.k === 'flow' && record.e.type === 'CANCELLED')).toMatchObject({
      e: { abandoned: true },
    })
    await stage.clock.advance(300_000)
    expect(await stage.recordsOf(run)).toEqual(end)
    expect(done).toEqual([])
  })

  it('ends within grace and a little when its host dies while cancelling', async () => {
    const { one, run } = await start((r) => r.task({ task: 'deaf' }, () => wait(600_000)))
    await stage.signal(run, 'cancel', { graceMs: 8_000 })
    one.kill()
    await stage.untilTag(run, 'CANCELLED.Cancelled', 13_000)
  })

  it('of a paused run reaches the code that waits in its process', async () => {
    const { one, run } = await start((r) => r.pause())
    expect((await stage.signal(run, 'cancel')).outcome).toBe('accepted')
    await stage.untilTag(run, 'CANCELLED.Cancelled', 1_000)
    await stage.until(() => one.host.hosted === 0)
  })

  it('[scenario 13] of a run that nobody hosts is done at once', async () => {
    const run = await stage.create({ scheduledTime: stage.clock.now() + 60_000 })
    expect(await stage.signal(run, 'cancel')).toMatchObject({
      outcome: 'applied',
      tag: 'CANCELLED.Cancelled',
    })
  })

  it('at the moment of its completion: exactly one wins, and everybody gets a true answer', async () => {
    for (let offset = -2; offset <= 2; offset++) {
      const one = await stage.host(`host${offset}`, {
        flow: (r) => r.task({ task: 'short' }, () => wait(1_000)),
      })
      const run = await stage.begin(one)
      await stage.clock.advance(1_000 + offset)
      const answer = await stage.signal(run, 'cancel')
      await stage.until(() => one.host.hosted === 0)
      const { tag } = (await stage.stateOf(run)).flow
      expect([answer.outcome, tag]).toEqual(
        answer.outcome === 'accepted'
          ? ['accepted', 'CANCELLED.Cancelled']
          : ['rejected', 'COMPLETED.Completed'],
      )
    }
  })

  it('[scenario 18] of a run that has ended changes nothing', async () => {
    const { run } = await start(async () => 1)
    await stage.untilTag(run, 'COMPLETED.Completed')
    const before = await stage.entriesOf(run)
    expect(await stage.signal(run, 'cancel')).toMatchObject({ outcome: 'rejected', legalSignals: ['retry'] })
    expect(await stage.entriesOf(run)).toBe(before)
  })

  it('[scenario 16] that is sent twice under one key is answered twice the same, and written once', async () => {
    const { run } = await start((r) => r.task({ task: 'deaf' }, () => wait(600_000)))
    const first = await stage.signal(run, 'cancel', { key: 'once', graceMs: 3_000 })
    const second = await stage.signal(run, 'cancel', { key: 'once', graceMs: 3_000 })
    expect([first.outcome, second.outcome]).toEqual(['accepted', 'accepted'])
    await stage.untilTag(run, 'CANCELLED.Cancelled')
    expect((await stage.historyOf(run)).filter((line) => line.startsWith('CANCEL '))).toHaveLength(1)
  })
})

describe('a run that takes too long', () => {
  it('is TimedOut by the scheduler, and its code is told', async () => {
    const reasons: unknown[] = []
    const one = await stage.host('one', {
      flow: (r) =>
        r.task({ task: 'slow' }, ({ signal }) => {
          signal.addEventListener('abort', () => reasons.push(signal.reason))
          return wait(60_000)
        }),
    })
    const run = await stage.begin(one, { policy: { timeoutMs: 5_000 } })
    await stage.untilTag(run, 'FAILED.TimedOut', 7_000)
    expect(reasons).toEqual(['timed-out'])
    await stage.until(() => one.host.hosted === 0)
    expect((await stage.historyOf(run)).at(-1)).toBe('1 tasks CANCELLED CANCELLED.Cancelled')
  })

  it('is tried again when it has retries left; what the first execution still does is not heard', async () => {
    const heard: string[] = []
    const one = await stage.host('one', {
      flow: async (r) => {
        const attempt = r.start.runCount
        await r.task({ task: 'slow' }, () => wait(attempt === 1 ? 8_000 : 1_000))
        heard.push(`attempt ${attempt}`)
        return attempt
      },
    })
    const run = await stage.begin(one, { policy: { timeoutMs: 5_000, retries: 1 } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: 2 })
    await stage.clock.advance(10_000)
    expect(heard).toEqual(['attempt 2'])
  })
})
