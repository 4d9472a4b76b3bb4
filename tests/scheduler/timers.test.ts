import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { applyToRun, type FlowRecord, judgeFlow, type RunRecord } from '../../src/actors/index.ts'
import { sleep } from '../../src/core/index.ts'
import type { Scheduler } from '../../src/scheduler/index.ts'
import { makeStage, type Stage, until } from './stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await makeStage()
})
afterEach(() => stage.close())

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

const by = { channel: 'test' }
const isHolding = (scheduler: Scheduler) => scheduler.status().holding.length === 64

type Fired = FlowRecord & { readonly e: { readonly type: `TIMER.${string}`; readonly lateMs?: number } }

/** The fires of a timer that the run accepted. */
function fires(records: readonly RunRecord[] | undefined, timer: string): Fired[] {
  return (records ?? []).filter(
    (record): record is Fired => record.k === 'flow' && record.e.type === `TIMER.${timer}`,
  )
}

describe('a timer', () => {
  test('fires at its time and not before, and says nothing of being late', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const due = stage.clock.now() + 90_000
    const run = await stage.create({ scheduledTime: due })
    await stage.clock.advance(89_999)
    expect(fires(await stage.recordsOf(run), 'start')).toEqual([])
    await stage.clock.advance(1_000)
    const [fired] = fires(await stage.recordsOf(run), 'start')
    expect(fired?.e).toMatchObject({ at: due })
    expect(fired?.e).not.toHaveProperty('lateMs')
  })

  test('that was disarmed never fires', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const run = await stage.create({ scheduledTime: stage.clock.now() + 5_000 })
    await stage.say(run, { type: 'CANCEL', at: stage.clock.now(), by })
    await stage.clock.advance(MINUTE_MS)
    expect(await stage.tagOf(run)).toBe('CANCELLED.Cancelled')
    expect(one.status().timers).toMatchObject({ near: 0, fired: 0 })
  })

  test('makes a run late, and its lateness is only said once', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const run = await stage.create()
    await stage.clock.advance(MINUTE_MS)
    expect(await stage.tagOf(run)).toBe('SCHEDULED.Late')
    expect(fires(await stage.recordsOf(run), 'late')).toHaveLength(1)
  })

  test('ends a run that takes too long, a pause that nobody ends, and a cancel that takes too long', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    await stage.worker('w')
    const at = stage.clock.now()
    const runs = await stage.createMany(3, () => ({ policy: { timeoutMs: 5 * MINUTE_MS } }))
    const [slow = '', paused = '', cancelled = ''] = runs
    for (const run of runs) await stage.say(run, { type: 'CLAIM', at, worker: 'w' }, { type: 'START', at })
    await stage.say(paused, { type: 'PAUSE', at, key: 'k', until: at + 2 * MINUTE_MS, by })
    await stage.say(cancelled, { type: 'CANCEL', at, by })
    await stage.clock.advance(10 * MINUTE_MS)
    expect(await stage.tagOf(slow)).toBe('FAILED.TimedOut')
    expect(await stage.tagOf(paused)).toBe('FAILED.Failed')
    expect(await stage.tagOf(cancelled)).toBe('CANCELLED.Cancelled')
  })

  test('[scenario 30] forty days ahead survives restarts, and costs no place in the heap until it is near', async () => {
    const due = stage.clock.now() + 40 * DAY_MS
    const run = await stage.create({ scheduledTime: due })
    for (const [index, days] of [15, 15, 9.9].entries()) {
      const holder = await stage.scheduler(`holder-${index}`)
      await until(stage, () => isHolding(holder))
      expect(holder.status()).toMatchObject({ runs: 1, timers: { near: 0 } })
      await stage.drive(holder.stop())
      await stage.clock.advance(days * DAY_MS)
      expect(fires(await stage.recordsOf(run), 'start')).toEqual([])
    }
    await stage.clock.advance(due - stage.clock.now() - MINUTE_MS)
    const last = await stage.scheduler('last')
    await until(stage, () => isHolding(last))
    expect(last.status()).toMatchObject({ runs: 1, timers: { near: 2 } })
    await stage.clock.advance(due - stage.clock.now() + 1_000)
    const [fired] = fires(await stage.recordsOf(run), 'start')
    expect(fired?.e).toMatchObject({ at: due })
  })

  test('[scenario 31] is not fired early by a clock that leaps ahead, nor held up by one that leaps back', async () => {
    for (const [name, jumpMs] of [['ahead', HOUR_MS] as const, ['back', -HOUR_MS] as const]) {
      const holder = await stage.scheduler(name)
      await until(stage, () => isHolding(holder))
      const due = stage.clock.now() + 10 * MINUTE_MS
      const run = await stage.create({ scheduledTime: due })
      await stage.clock.advance(MINUTE_MS)
      holder.machine.clock.shift(jumpMs)
      await stage.clock.advance(9 * MINUTE_MS - 1)
      expect(fires(await stage.recordsOf(run), 'start')).toEqual([])
      await stage.clock.advance(1_000)
      expect(fires(await stage.recordsOf(run), 'start')).toHaveLength(1)
      const told = holder.machine.lines.filter(({ facts }) => facts.jumpMs === jumpMs)
      expect(told).toMatchObject([{ level: 'warn' }])
      await stage.drive(holder.stop())
    }
  })

  test('[scenario 31] fires when the scheduler’s clock was behind and is put right, and says how late it is', async () => {
    const behind = await stage.scheduler('behind', {}, { offsetMs: -HOUR_MS })
    await until(stage, () => isHolding(behind))
    const run = await stage.create({ scheduledTime: stage.clock.now() + MINUTE_MS })
    await stage.clock.advance(31 * MINUTE_MS)
    expect(fires(await stage.recordsOf(run), 'start')).toEqual([])
    behind.machine.clock.shift(HOUR_MS)
    await stage.clock.advance(MINUTE_MS + 1_000)
    const [fired] = fires(await stage.recordsOf(run), 'start')
    expect(fired?.e.lateMs).toBeGreaterThanOrEqual(30 * MINUTE_MS)
    expect(fired?.e.lateMs).toBeLessThanOrEqual(32 * MINUTE_MS)
  })

  test('[scenario 29] races a cancel: whichever is first, the run ends Cancelled and the timer never moves it after', async () => {
    const one = await stage.scheduler('one')
    await until(stage, () => isHolding(one))
    const due = stage.clock.now() + 5_000
    const runs = await stage.createMany(40, () => ({ scheduledTime: due }))
    await stage.clock.advance(4_990)
    await stage.drive(
      Promise.all(
        runs.map(async (run, index) => {
          await sleep(stage.home.clock, index % 20)
          const cancel = judgeFlow({ type: 'CANCEL', at: stage.home.clock.now(), by })
          await applyToRun(stage.home.broker, stage.home.deps, run, cancel)
        }),
      ),
    )
    await stage.clock.advance(1_000)
    let firedFirst = 0
    for (const run of runs) {
      const records = (await stage.recordsOf(run)).filter((record) => record.k === 'flow')
      expect(records.at(-1)?.s).toBe('CANCELLED.Cancelled')
      if (records[0]?.e.type === 'TIMER.start') firedFirst++
      expect(records.length).toBeLessThanOrEqual(2)
    }
    expect(firedFirst).toBeGreaterThan(0)
    expect(firedFirst).toBeLessThan(runs.length)
  })
})
