import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { isTerminalTag, type StateTag } from '../../src/actors/index.ts'
import { partitionOf } from '../../src/core/index.ts'
import { checkpointKey, encodeCheckpoint, loadCheckpoint } from '../../src/scheduler/checkpoint.ts'
import type { Scheduler } from '../../src/scheduler/index.ts'
import { armedTimer, bareRow, type RunRow, rowOfState } from '../../src/scheduler/run-row.ts'
import { judgeRow, repairOf, type SweepFacts } from '../../src/scheduler/sweep.ts'
import { historyPlan, play } from './history.ts'
import { type Machine, makeStage, POLICY, type Stage, until } from './stage.ts'

const NOW = 1_000_000
const facts: SweepFacts = { now: NOW, claimWithinMs: 120_000, isAlive: (worker) => worker === 'alive' }

function row(
  tag: StateTag,
  over: Partial<RunRow> = {},
  ...timers: ('start' | 'retry' | 'hold' | 'grace')[]
): RunRow {
  const bare = bareRow({ id: 'run', rev: 5, tag, since: 0, target: POLICY.target, limits: [], parent: null })
  const made = Object.assign(bare, over)
  made.timers = timers.map((timer) => armedTimer(made, { timer, due: NOW + 1, token: 1 }))
  return made
}

const asked = (agoMs: number, again = 0) => ({ asked: { id: 'x', at: NOW - agoMs, done: true, again } })

vi.setConfig({ testTimeout: 60_000 }) // many histories

describe('what a row proves', () => {
  const fine: [string, RunRow][] = [
    ['an item in its queue', row('SCHEDULED.Scheduled', asked(60_000))],
    ['a start to come', row('SCHEDULED.Scheduled', {}, 'start')],
    ['a retry to come', row('SCHEDULED.AwaitingRetry', { worker: 'alive' }, 'retry')],
    ['a place in the line for slots', row('SCHEDULED.AwaitingConcurrencySlot')],
    ['a host that is alive', row('RUNNING.Running', { worker: 'alive' })],
    ['a host that holds it paused', row('PAUSED.Paused', { worker: 'alive' })],
    ['a time to wake', row('PAUSED.Sleeping', {}, 'hold')],
    ['that it waits for a person', row('PAUSED.Suspended')],
    ['that it waits for a signal', row('PAUSED.Waiting')],
    ['an end of its grace', row('CANCELLING.Cancelling', { worker: 'dead' }, 'grace')],
  ]
  for (const [what, given] of fine)
    test(`${given.tag} with ${what} is not stuck`, () => {
      expect(judgeRow(given, facts)).toEqual({ is: 'fine' })
    })

  const stuck: [string, RunRow][] = [
    ['with neither item nor timer', row('SCHEDULED.Scheduled')],
    ['with neither item nor timer', row('SCHEDULED.Resuming')],
    ['that only knows when it will be late', row('SCHEDULED.Late')],
    ['whose host is gone', row('SCHEDULED.AwaitingRetry', { worker: 'dead' }, 'retry')],
    ['that has no host', row('PENDING.Pending')],
    ['whose host is gone', row('RUNNING.Retrying', { worker: 'dead' })],
    ['whose host is gone', row('PAUSED.Paused', { worker: 'dead' }, 'hold')],
    ['whose host is gone', row('PAUSED.Suspended', { worker: 'dead' })],
    ['that nothing wakes', row('PAUSED.Sleeping')],
    ['whose grace has no end', row('CANCELLING.Cancelling', { worker: 'dead' })],
  ]
  for (const [what, given] of stuck)
    test(`${given.tag} ${what} is stuck`, () => {
      expect(judgeRow(given, facts).is).toBe('stuck')
    })

  test('an item that nobody claims is asked for again, each time after twice as long', () => {
    const is = (agoMs: number, again: number) =>
      judgeRow(row('SCHEDULED.Scheduled', asked(agoMs, again)), facts).is
    expect([is(120_000, 0), is(120_001, 0), is(240_000, 1), is(240_001, 1)]).toEqual([
      'fine',
      'unclaimed',
      'fine',
      'unclaimed',
    ])
  })

  test('of any history a run is proved to move on as long as its host is alive', () => {
    fc.assert(
      fc.property(historyPlan, (plan) => {
        for (const state of play('run', plan).states) {
          if (isTerminalTag(state.state.tag)) continue
          const made = rowOfState(state)
          // What is queued is not in the fold.
          if (made.tag.startsWith('SCHEDULED.')) Object.assign(made, asked(0))
          const isForEver = made.tag === 'PAUSED.Sleeping' && made.timers.length === 0
          if (!isForEver) expect(judgeRow(made, { ...facts, isAlive: () => true })).toEqual({ is: 'fine' })
        }
      }),
      { numRuns: 100 },
    )
  })

  test('of any history a run whose host is gone has an event that moves it', () => {
    fc.assert(
      fc.property(historyPlan, (plan) => {
        for (const state of play('run', plan).states) {
          if (isTerminalTag(state.state.tag)) continue
          const made = rowOfState(state)
          const dead = { ...facts, isAlive: () => false }
          if (judgeRow(made, dead).is !== 'stuck' || made.tag === 'PAUSED.Sleeping') continue
          const repair = repairOf(state, made, dead)
          expect(repair.do).toBe(made.worker === null ? 'enqueue' : 'lose-host')
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('the sweep puts right', () => {
  let stage: Stage
  beforeEach(async () => {
    stage = await makeStage()
  })
  afterEach(() => stage.close())

  const SWEEP_MS = 30_000
  const isHolding = (scheduler: Scheduler) => scheduler.status().holding.length === 64

  async function holder(name: string): Promise<Scheduler & { machine: Machine }> {
    const made = await stage.scheduler(name)
    await until(stage, () => isHolding(made))
    return made
  }

  /** Lets a holder write its checkpoint, changes what it says of a run, and starts the next one from it. */
  async function withForgedRow(
    run: string,
    forge: (row: RunRow) => RunRow | undefined,
  ): Promise<Scheduler & { machine: Machine }> {
    const { objects } = stage.home.broker
    const partition = partitionOf(run)
    const first = await holder('first')
    await stage.clock.advance(100)
    await stage.drive(first.stop())
    const checkpoint = await stage.drive(loadCheckpoint(objects, stage.home.deps, partition))
    if (checkpoint?.cursor === undefined) throw new Error('There is no checkpoint.')
    const { cursor, retained } = checkpoint
    const known = checkpoint.rows.some(({ id }) => id === run)
      ? checkpoint.rows
      : [...checkpoint.rows, bare(run)]
    const rows = known.flatMap((each) => (each.id === run ? (forge(each) ?? []) : [each]))
    const { data } = encodeCheckpoint(partition, { cursor, retained, rows })
    await stage.drive(objects.put(checkpointKey(partition), data))
    return holder('second')
  }

  const bare = (id: string) =>
    bareRow({
      id,
      rev: 1,
      tag: 'SCHEDULED.Scheduled',
      since: 0,
      target: POLICY.target,
      limits: [],
      parent: null,
    })

  const repairsOf = ({ machine }: { machine: Machine }) =>
    machine.lines.flatMap(({ message, facts: told }) => (message === 'a run was stuck' ? [told] : []))

  const depth = () => stage.drive(stage.home.broker.queue.depth('default'))

  /** Takes everything out of the queue, as a broker that loses it. */
  async function loseQueue(): Promise<void> {
    const { queue } = stage.home.broker
    const claimed = await stage.drive(queue.claim(['default'], 100, new AbortController().signal))
    await stage.drive(Promise.all(claimed.map((item) => item.ack())))
  }

  test('a run whose queue item was lost, and says so', async () => {
    const one = await holder('one')
    const run = await stage.create()
    await stage.clock.advance(1_000)
    await loseQueue()
    await stage.clock.advance(120_000 + SWEEP_MS)
    expect(await depth()).toBe(1)
    const told = one.machine.lines.filter(({ facts: { waitedMs } }) => waitedMs !== undefined)
    expect(told).toMatchObject([{ level: 'warn', facts: { run, queue: 'default' } }])
  })

  test('a run that waits in a queue without workers seldom enough: a day costs ten items', async () => {
    const at = Date.UTC(2026, 0, 1)
    const made = row('SCHEDULED.Late', { asked: { id: 'x', at, done: true, again: 0 } })
    let count = 0
    for (let now = at; now < at + 24 * 3_600_000; now += SWEEP_MS) {
      if (judgeRow(made, { ...facts, now }).is !== 'unclaimed') continue
      count++
      if (made.asked) made.asked.again++
    }
    expect(count).toBe(10)
  })

  test('a run that nobody enqueued', async () => {
    const run = await stage.create()
    await loseQueue()
    const next = await withForgedRow(run, (given) => Object.assign(given, { asked: null }))
    await stage.clock.advance(2 * SWEEP_MS + 1_000)
    expect(repairsOf(next)).toMatchObject([{ run, repair: 'enqueue', isStale: false }])
    expect(await depth()).toBe(1)
    await stage.clock.advance(2 * SWEEP_MS)
    expect(repairsOf(next)).toHaveLength(1)
  })

  test('a run whose timer the table does not know', async () => {
    const due = stage.clock.now() + 3_600_000
    const run = await stage.create({ scheduledTime: due })
    const next = await withForgedRow(run, (given) => Object.assign(given, { timers: [] }))
    await stage.clock.advance(2 * SWEEP_MS + 1_000)
    expect(repairsOf(next)).toMatchObject([{ run, repair: 'correct-row' }])
    expect(next.status().timers.near).toBe(2) // its start, and when it is late
  })

  test('a run whose host the table has lost sight of', async () => {
    await stage.worker('w')
    const run = await stage.create()
    const at = stage.clock.now()
    await stage.say(run, { type: 'CLAIM', at, worker: 'w' }, { type: 'START', at })
    const next = await withForgedRow(run, (given) => Object.assign(given, { worker: null }))
    await stage.clock.advance(2 * SWEEP_MS + 1_000)
    expect(repairsOf(next)).toMatchObject([{ run, repair: 'correct-row', tag: 'RUNNING.Running' }])
    expect(await stage.tagOf(run)).toBe('RUNNING.Running')
  })

  test('a run whose host is gone and that nobody told', async () => {
    const run = await stage.create()
    const worker = await stage.worker('w')
    const at = stage.clock.now()
    await stage.say(run, { type: 'CLAIM', at, worker: 'w' }, { type: 'START', at })
    const next = await withForgedRow(run, (given) => Object.assign(given, { worker: null }))
    worker.kill()
    await stage.clock.advance(2 * SWEEP_MS + 1_000)
    expect(repairsOf(next)).toMatchObject([{ run, repair: 'lose-host' }])
    expect(await stage.tagOf(run)).toBe('SCHEDULED.AwaitingRecovery')
  })

  test('a row of a run that has ended long ago, or never was', async () => {
    const ended = await stage.create()
    await stage.say(ended, { type: 'CANCEL', at: stage.clock.now(), by: { channel: 'test' } })
    const next = await withForgedRow(ended, (given) => given)
    expect(next.status().runs).toBe(1)
    await stage.clock.advance(2 * SWEEP_MS + 1_000)
    expect(repairsOf(next)).toMatchObject([{ run: ended, repair: 'correct-row', tag: 'CANCELLED.Cancelled' }])
    expect(next.status().runs).toBe(0)
  })

  test('nothing that is well: a busy cluster is swept without a word', async () => {
    const one = await holder('one')
    await stage.worker('w')
    const at = stage.clock.now()
    const runs = await stage.createMany(20, (index) => ({ scheduledTime: at + (index % 2) * 3_600_000 }))
    for (const run of runs.slice(0, 8).filter((_, index) => index % 2 === 0))
      await stage.say(run, { type: 'CLAIM', at, worker: 'w' }, { type: 'START', at })
    await stage.clock.advance(100_000)
    expect(one.machine.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  })
})
