/** What a client comes to that is told only the newest of some states, beside one that is told all of them. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventFrame, StateType } from '../../../src/api/index.ts'
import { type LiveItem, RunFold } from '../../../src/client/index.ts'
import { systemClock, systemDeps } from '../../../src/core/index.ts'
import type { Lane } from '../../../src/gateway/live/outbox.ts'
import { overtake, type Waiting } from '../../../src/gateway/live/overtaking.ts'
import { SharedEvent } from '../../../src/gateway/live/shared-event.ts'
import type { Happening } from '../../../src/gateway/read-model/index.ts'
import { RUN, snapshot } from '../../client/support/stand-in.ts'
import type { Client } from './support/client.ts'
import { openStage, type Stage } from './support/stage.ts'

const LANE: Lane = { left() {}, overrun() {}, dropped() {} }

const timeOf = (second: number) => new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString()

/** Written for a client and read by it again. */
function itemsIn(waiting: readonly Waiting[]): LiveItem[] {
  return waiting.map(({ bytes }) => itemOf(JSON.parse(String(bytes)) as EventFrame))
}

function itemOf({ op: _, sub: __, ...item }: EventFrame): LiveItem {
  return item as LiveItem
}

function folded(items: readonly LiveItem[], begin = snapshot()) {
  const fold = new RunFold({ lines: 1_000 })
  fold.apply({ kind: 'snapshot', cursor: '0', snapshot: begin })
  for (const item of items) fold.apply(item)
  return { run: fold.run, taskRuns: fold.taskRuns }
}

/** Anything at all that a log may say of a run and three task runs of it. */
const moment = (() => {
  const state = fc.constantFrom<readonly [StateType, string]>(
    ['SCHEDULED', 'AwaitingRetry'],
    ['SCHEDULED', 'AwaitingRecovery'],
    ['PAUSED', 'Sleeping'],
    ['PENDING', 'Pending'],
    ['RUNNING', 'Running'],
    ['RUNNING', 'Retrying'],
    ['PAUSED', 'Paused'],
    ['COMPLETED', 'Completed'],
    ['COMPLETED', 'RolledBack'],
    ['FAILED', 'Failed'],
    ['CANCELLED', 'Cancelled'],
  )
  const key = fc.constantFrom('a-0', 'b-0', 'c-0')
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ state, key }) },
    { weight: 2, arbitrary: fc.record({ key, isNew: fc.constant(true as const) }) },
    { weight: 3, arbitrary: fc.record({ state, worker: fc.option(fc.constantFrom('w1', 'w2')) }) },
    { weight: 1, arbitrary: fc.record({ state, again: fc.constant(true as const) }) },
    { weight: 1, arbitrary: fc.record({ state, all: fc.constant(true as const) }) },
    { weight: 1, arbitrary: fc.record({ line: fc.nat(9) }) },
  )
})()

type Moment = typeof moment extends fc.Arbitrary<infer T> ? T : never

function happeningOf(one: Moment, second: number): Happening {
  const at = timeOf(second)
  if ('line' in one) {
    const data = {
      id: `${second}.0`,
      run: RUN,
      timestamp: at,
      level: 'info',
      message: `${one.line}`,
    } as const
    return { kind: 'log', at, data }
  }
  const [type, name] = 'state' in one ? one.state : (['PENDING', 'Pending'] as const)
  const details = name === 'AwaitingRecovery' && second % 2 === 0 ? { reason: 'lost' } : { of: second }
  const state = { type, name, timestamp: at, details }
  if ('all' in one) return { kind: 'task', at, data: { state } }
  if ('isNew' in one) {
    const { key } = one
    const made = { id: `${RUN}.${key}`, run: RUN, key, name: key, task: 'work', createdAt: at }
    const created = { ...made, state, tags: [], upstream: [], runCount: 0, totalRunMs: 0 }
    return { kind: 'task', at, data: { key, state, created } }
  }
  if ('key' in one) return { kind: 'task', at, data: { key: one.key, state } }
  if ('again' in one) return { kind: 'state', at, data: { state, again: true } }
  return { kind: 'state', at, data: { state, ...(one.worker === null ? {} : { worker: one.worker }) } }
}

const waitingOf = (happening: Happening, cursor: number): Waiting => {
  const event = new SharedEvent(RUN, happening, `${cursor}`)
  const write = (one: SharedEvent) => one.forSocket(1)
  return { is: 'event', bytes: write(event), lane: LANE, event, write }
}

describe('the newest of what waits', () => {
  test('is made into the same run and task runs as all of it, however often it is overtaken anew', () => {
    const part = fc.record({ moments: fc.array(moment, { maxLength: 40 }), leave: fc.nat(5) })
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const all: Waiting[] = []
        const told: Waiting[] = []
        let waits: Waiting[] = []
        for (const { moments, leave } of parts) {
          const came = moments.map((one, n) => waitingOf(happeningOf(one, all.length + n), all.length + n))
          all.push(...came)
          waits = overtake([...waits, ...came])
          told.push(...waits.splice(0, leave))
        }
        told.push(...waits)
        expect(folded(itemsIn(told))).toEqual(folded(itemsIn(all)))
        const cursors = itemsIn(told).map((item) => ('cursor' in item ? Number(item.cursor) : Number.NaN))
        expect(cursors).toEqual(cursors.toSorted((a, b) => a - b))
      }),
      { numRuns: 300 },
    )
  })

  test('is one frame of each task run, with the states before it, and one of the run', () => {
    const steps = [
      { state: ['PENDING', 'Pending'], worker: 'w1' },
      { state: ['RUNNING', 'Running'], worker: null },
      { state: ['RUNNING', 'Running'], key: 'a-0' },
      { state: ['RUNNING', 'Running'], key: 'b-0' },
      { state: ['FAILED', 'Failed'], key: 'a-0' },
      { state: ['FAILED', 'Failed'], key: 'b-0' },
      { state: ['FAILED', 'Failed'], worker: null },
    ] as const
    const left = overtake(steps.map((one, n) => waitingOf(happeningOf(one, n), n)))
    const told = itemsIn(left).map((item) =>
      item.kind === 'task' || item.kind === 'state' ? [item.cursor, item.data.overtook] : [],
    )
    const running = (second: number) => ({ type: 'RUNNING', name: 'Running', timestamp: timeOf(second) })
    expect(told).toEqual([
      ['4', [running(2)]],
      ['5', [running(3)]],
      ['6', [{ type: 'PENDING', name: 'Pending', timestamp: timeOf(0), worker: 'w1' }, running(1)]],
    ])
  })

  test('brings along so many states and no more, so that a frame stays small', () => {
    const steps = Array.from({ length: 100 }, (_, n) =>
      waitingOf(
        happeningOf({ state: n % 2 === 0 ? ['RUNNING', 'Running'] : ['FAILED', 'Failed'], key: 'a-0' }, n),
        n,
      ),
    )
    expect(overtake(steps)).toHaveLength(4)
    expect(overtake(overtake(steps))).toHaveLength(4)
  })
})

describe('a client that takes nothing', () => {
  const TASKS = 64
  const LAPS = 15
  const PARTS = 60
  const LINES_PER_PART = 5

  const append = (stage: Stage, run: string, expectRev: number, records: readonly object[]) =>
    stage.broker.log.append(
      run,
      [{ k: 'head', v: 1, snap: 0 }, ...records].map((record) => JSON.stringify(record)),
      { expect: expectRev },
    )

  /** More than the system keeps between the two ends of a socket. */
  async function fill(stage: Stage, run: string): Promise<void> {
    const message = 'x'.repeat(60_000)
    const note = { k: 'note', at: 5, kind: 'log', data: { lines: [{ at: 5, level: 'info', message }] } }
    for (let part = 1; part <= PARTS; part++)
      await append(
        stage,
        run,
        part,
        Array.from({ length: LINES_PER_PART }, () => note),
      )
  }

  /** A run whose task runs fail and are tried again, over and over. */
  async function live(stage: Stage, run: string): Promise<void> {
    const keys = Array.from({ length: TASKS }, (_, n) => `work-${n}`)
    let rev = 1
    let at = Date.UTC(2026, 0, 1)
    const next = (records: (at: number) => readonly object[]) => {
      at += 1_000
      return append(stage, run, rev++, records(at))
    }
    const enter = (s: string, e: object) => (now: number) =>
      keys.map((id) => ({ k: 'task', id, e: { at: now, ...e }, s }))
    await next((now) => [{ k: 'flow', e: { at: now, type: 'CLAIM', worker: 'w1' }, s: 'PENDING.Pending' }])
    await next((now) => [{ k: 'flow', e: { at: now, type: 'START' }, s: 'RUNNING.Running' }])
    const policy = { retries: LAPS, timeoutMs: null }
    await next((now) => keys.map((id) => ({ k: 'task+', id, at: now, task: 'work', policy, name: id })))
    const failure = { type: 'FAIL', message: 'no', retryDelayMs: 500 }
    for (let lap = 0; lap < LAPS; lap++) {
      await next(enter(lap === 0 ? 'RUNNING.Running' : 'RUNNING.Retrying', { type: 'START' }))
      await next(enter('SCHEDULED.AwaitingRetry', failure))
    }
    await next(enter('RUNNING.Retrying', { type: 'START' }))
    await next(enter('COMPLETED.Completed', { type: 'COMPLETE' }))
    await next((now) => [{ k: 'flow', e: { at: now, type: 'COMPLETE' }, s: 'COMPLETED.Completed' }])
  }

  test('is told the newest states, and comes to the same run and task runs as one that was told all', {
    timeout: 60_000,
  }, async () => {
    await using stage = await openStage()
    let now = 0
    const clock = { ...systemClock, monotonic: () => now }
    const gateway = await stage.gateway({
      deps: { ...systemDeps(), clock },
      limits: { bufferBytes: 256 * 1024 * 1024, bufferFrames: TASKS * LAPS * 2 },
    })
    const [filler, run] = [await stage.create(), await stage.create()]
    const [slow, quick] = [await stage.client(gateway), await stage.client(gateway)]
    for (const client of [slow, quick]) {
      await client.subscribe({ run: filler })
      await client.subscribe({ run })
    }
    slow.socket.pause()
    await fill(stage, filler)
    const linesOf = (client: Client) => client.events(1).filter(({ kind }) => kind === 'log').length
    await quick.until(() => linesOf(quick) === PARTS * LINES_PER_PART)
    now += 60_000
    await live(stage, run)
    await quick.until(({ op }) => op === 'end')
    slow.socket.resume()
    await slow.until(({ op }) => op === 'end')
    expect(slow.frames.filter(({ op }) => op === 'gap')).toEqual([])
    expect(quick.events(2)).toHaveLength(3 + TASKS * (LAPS * 2 + 3))
    expect(slow.events(2).length).toBeLessThan(quick.events(2).length / 2)
    const [begun] = quick.frames.flatMap((frame) =>
      frame.op === 'subscribed' && frame.sub === 2 && frame.snapshot !== undefined ? [frame.snapshot] : [],
    )
    const picture = folded(quick.events(2).map(itemOf), begun)
    expect(folded(slow.events(2).map(itemOf), begun)).toEqual(picture)
    expect(picture.taskRuns[0]).toMatchObject({
      state: { name: 'Completed' },
      startTime: timeOf(4),
      runCount: LAPS + 1,
      totalRunMs: (LAPS + 1) * 1_000,
    })
    expect(picture.run).toMatchObject({ startTime: timeOf(2), runCount: 1 })
  })
})
