import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { applyToRun, judgeFlow, openRun, storeValue, type ValueRef } from '../../src/actors/index.ts'
import type { Scheduler, SchedulerOptions } from '../../src/scheduler/index.ts'
import { type Machine, makeStage, type Stage, until } from './stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await makeStage()
})
afterEach(() => stage.close())

const DAY_MS = 24 * 3_600_000
const by = { channel: 'test' }

async function holder(
  name: string,
  options: SchedulerOptions = {},
): Promise<Scheduler & { machine: Machine }> {
  const made = await stage.scheduler(name, options)
  await until(stage, () => made.status().holding.length === 64)
  return made
}

async function ended(): Promise<string> {
  const run = await stage.create()
  await stage.say(run, { type: 'CANCEL', at: stage.clock.now(), by })
  return run
}

const isThere = async (run: string) =>
  (await stage.drive(openRun(stage.home.broker, stage.home.deps, run))) !== undefined

describe('runs that ended', () => {
  test('are kept for thirty days and then archived by a tombstone, so that their ids never come back', async () => {
    const old = await ended()
    await stage.clock.advance(DAY_MS)
    const younger = await ended()
    await stage.clock.advance(29 * DAY_MS + 60_000)
    const one = await holder('one')
    expect(await stage.drive(one.retain())).toBe(1)
    expect(await isThere(old)).toBe(false)
    expect(await isThere(younger)).toBe(true)
    const last = await stage.drive(stage.home.broker.log.last(old))
    expect(last?.tombstone).toBe(true)
    expect(await stage.drive(stage.home.broker.log.append(old, [], { expect: 0 }))).toMatchObject({
      outcome: 'conflict',
    })
  })

  test('are archived once, however often it is looked', async () => {
    await ended()
    await stage.clock.advance(31 * DAY_MS)
    const one = await holder('one')
    expect(await stage.drive(one.retain())).toBe(1)
    expect(await stage.drive(one.retain())).toBe(0)
    one.machine.kill() // without a checkpoint: the next one looks at everything again
    const two = await holder('two')
    expect(await stage.drive(two.retain())).toBe(0)
  })

  test('are met when their time comes, from where the last look ended, also by the next holder', async () => {
    const first = await ended()
    await stage.clock.advance(20 * DAY_MS)
    const second = await ended()
    const one = await holder('one')
    expect(await stage.drive(one.retain())).toBe(0)
    await stage.drive(one.stop())
    await stage.clock.advance(11 * DAY_MS)
    const two = await holder('two')
    expect(await stage.drive(two.retain())).toBe(1)
    await stage.drive(two.stop())
    await stage.clock.advance(20 * DAY_MS)
    const three = await holder('three')
    expect(await stage.drive(three.retain())).toBe(1)
    expect([await isThere(first), await isThere(second)]).toEqual([false, false])
  })

  test('are kept when they were retried, and runs that never ended are kept for ever', async () => {
    const retried = await ended()
    const open = await stage.create({ scheduledTime: stage.clock.now() + 100 * DAY_MS })
    await stage.say(retried, { type: 'RETRY', at: stage.clock.now(), by })
    await stage.clock.advance(31 * DAY_MS)
    const one = await holder('one')
    expect(await stage.drive(one.retain())).toBe(0)
    expect([await isThere(retried), await isThere(open)]).toEqual([true, true])
  })

  test('count from when they ended last', async () => {
    const run = await ended()
    await stage.clock.advance(20 * DAY_MS)
    await stage.say(
      run,
      { type: 'RETRY', at: stage.clock.now(), by },
      { type: 'CANCEL', at: stage.clock.now(), by },
    )
    await stage.clock.advance(11 * DAY_MS)
    const one = await holder('one')
    expect(await stage.drive(one.retain())).toBe(0)
    await stage.drive(one.stop())
    await stage.clock.advance(20 * DAY_MS)
    const two = await holder('two')
    expect(await stage.drive(two.retain())).toBe(1)
  })

  test('take their objects with them, and nobody else’s', async () => {
    const { broker, deps } = stage.home
    const run = await stage.create()
    const large: ValueRef = { v: 'x'.repeat(100_000) }
    const own = await stage.drive(storeValue(broker.objects, deps, run, large))
    const others = await stage.drive(storeValue(broker.objects, deps, 'another-run', large))
    const at = stage.clock.now()
    await stage.say(run, { type: 'CLAIM', at, worker: 'w' }, { type: 'START', at })
    await stage.say(run, { type: 'SIGNAL', at, name: 'a', by, payload: others })
    await stage.drive(applyToRun(broker, deps, run, judgeFlow({ type: 'COMPLETE', at, result: own })))
    await stage.clock.advance(31 * DAY_MS)
    const one = await holder('one')
    expect(await stage.drive(one.retain())).toBe(1)
    const isStored = async (ref: ValueRef) =>
      'object' in ref && (await stage.drive(broker.objects.get(ref.object))) !== undefined
    expect([await isStored(own), await isStored(others)]).toEqual([false, true])
  })

  test('are kept as long as is said, or for ever', async () => {
    await ended()
    await stage.clock.advance(2 * DAY_MS)
    const forEver = await holder('for-ever', { retentionMs: null })
    expect(await stage.drive(forEver.retain())).toBe(0)
    await stage.drive(forEver.stop())
    const short = await holder('short', { retentionMs: DAY_MS })
    expect(await stage.drive(short.retain())).toBe(1)
  })

  test('are archived without being asked, a few at a time', async () => {
    for (let i = 0; i < 10; i++) await ended()
    await stage.clock.advance(31 * DAY_MS)
    const one = await holder('one', { retentionEveryMs: 60_000 })
    await stage.clock.advance(61_000)
    const told = one.machine.lines.filter(({ facts }) => facts.archived !== undefined)
    expect(told).toMatchObject([{ level: 'info', facts: { archived: 10 } }])
  })
})
