import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { decodeEntry, FLOW_STATES, isTerminalTag, type RunState } from '../../src/actors/index.ts'
import type { Cursor, Entry } from '../../src/broker/index.ts'
import { type ArmedTimer, type RunRow, rowOfState, timersOf } from '../../src/scheduler/run-row.ts'
import { type Outward, RunTable } from '../../src/scheduler/table.ts'
import { type HistoryPlan, historyPlan, play, START_MS } from './history.ts'

/** A table that checks that timers come and go exactly once (T4). */
function makeTable() {
  const armed = new Set<ArmedTimer>()
  const table = new RunTable({
    armed(timer) {
      expect(armed.has(timer)).toBe(false)
      armed.add(timer)
    },
    disarmed(timer) {
      expect(armed.delete(timer)).toBe(true)
    },
  })
  return { table, armed }
}

/** Folds an entry, and reads its run when the table asks for it: from the full fold as of `state`. */
function fold(table: RunTable, entry: Entry, state: RunState | undefined): readonly Outward[] {
  const records = decodeEntry(entry)
  const folded = table.fold(entry, records)
  if (!folded.mustRead || state === undefined) return folded.effects
  return table.foldRead(entry, records, rowOfState(structuredClone(state))).effects
}

/** What a row says of its run: everything but the broker's times and its queue item. */
function facts(row: RunRow) {
  const { id, rev, tag, epoch, worker, target, limits, parent } = row
  const timers = [...timersOf(row)].map(({ timer, task, due, token }) => ({ timer, task, due, token }))
  const name = ({ timer, task }: { timer: string; task: string | undefined }) => `${timer}/${task}`
  timers.sort((a, b) => name(a).localeCompare(name(b)))
  return { id, rev, tag, epoch, worker, target, limits, parent, timers }
}

vi.setConfig({ testTimeout: 60_000 }) // many histories

const RUN = 'run-0'

function plan(over: Partial<HistoryPlan> = {}): HistoryPlan {
  return {
    happenings: [],
    laterMs: 0,
    limits: [],
    timeoutMs: null,
    retries: 0,
    hasParent: false,
    ...over,
  }
}

const flow = (type: string, pick = 0, ms = 1_000) => ({ type, pick, ms })

test('the histories come through every state and timer', () => {
  const seen = new Set<string>()
  for (const given of fc.sample(historyPlan, { numRuns: 150, seed: 1 })) {
    for (const state of play(RUN, given).states) {
      seen.add(state.state.tag)
      for (const { timer, task } of timersOf(rowOfState(state))) seen.add(task ? `task ${timer}` : timer)
    }
  }
  const tags = Object.entries(FLOW_STATES).flatMap(([type, names]) => names.map((name) => `${type}.${name}`))
  const named = new Set(['COMPLETED.Skipped', 'FAILED.TimedOut'])
  for (const tag of tags.filter((each) => !named.has(each))) expect(seen).toContain(tag)
  for (const timer of ['start', 'late', 'retry', 'hold', 'timeout', 'grace', 'task retry'])
    expect(seen).toContain(timer)
})

describe('the table', () => {
  test('says of a run what the full fold of its log says, after every entry of any history', () => {
    fc.assert(
      fc.property(historyPlan, (given) => {
        const { entries, states } = play(RUN, given)
        const { table, armed } = makeTable()
        for (const [index, entry] of entries.entries()) {
          const state = states[index] as RunState
          fold(table, entry, state)
          const row = table.get(RUN)
          if (isTerminalTag(state.state.tag)) expect(row).toBeUndefined()
          else expect(row && facts(row)).toEqual(facts(rowOfState(structuredClone(state))))
          expect(new Set(row ? timersOf(row) : [])).toEqual(armed)
          expect([...table.workers()]).toEqual(row?.worker ? [row.worker] : [])
        }
      }),
      { numRuns: 100 },
    )
  })

  test('[scenario 11] is moved by an entry once, whichever part of the history is repeated', () => {
    fc.assert(
      fc.property(historyPlan, fc.nat(), fc.nat(), (given, a, b) => {
        const { entries, states } = play(RUN, given)
        const [from, to] = [a % entries.length, b % entries.length].sort((x, y) => x - y) as [number, number]
        const once = makeTable().table
        const twice = makeTable().table
        for (const [index, entry] of entries.entries()) fold(once, entry, states[index])
        for (const [index, entry] of entries.slice(0, to + 1).entries()) fold(twice, entry, states[index])
        const readNow = states[to]
        for (const entry of entries.slice(from, to + 1)) fold(twice, entry, readNow)
        for (const [index, entry] of entries.slice(to + 1).entries())
          fold(twice, entry, states[to + 1 + index])
        const [row, other] = [once.get(RUN), twice.get(RUN)]
        expect(other && facts(other)).toEqual(row && facts(row))
      }),
    )
  })

  test('hands on the same effects under the same ids, whoever folds and from wherever', () => {
    fc.assert(
      fc.property(historyPlan, fc.nat(), (given, cut) => {
        const { entries, states } = play(RUN, given)
        const from = cut % entries.length
        const whole = makeTable().table
        const late = makeTable().table
        const last = states.at(-1)
        for (const [index, entry] of entries.entries()) {
          const ids = fold(whole, entry, states[index]).map(({ id }) => id)
          if (index < from) continue
          const again = fold(late, entry, last).map(({ id }) => id)
          expect(again).toEqual(ids)
        }
      }),
    )
  })

  test('remembers what is in a queue until somebody claims it', () => {
    const { entries, states } = play(
      RUN,
      plan({ happenings: [flow('CLAIM'), flow('START'), flow('HOST_LOST', 1), flow('CLAIM')] }),
    )
    const { table } = makeTable()
    const asked = entries.map((entry, index) => {
      fold(table, entry, states[index])
      return table.get(RUN)?.asked?.id
    })
    expect(asked).toEqual([
      `${RUN}/1/1/0`,
      undefined,
      undefined,
      expect.stringMatching(`^${RUN}/4/1/`),
      undefined,
    ])
  })

  test('knows that a run was granted slots until it is claimed', () => {
    const { entries, states } = play(
      RUN,
      plan({
        limits: ['gpu'],
        happenings: [flow('CLAIM'), flow('SLOT_WAIT'), flow('SLOT_GRANTED'), flow('CLAIM')],
      }),
    )
    const { table } = makeTable()
    const granted = entries.map((entry, index) => {
      fold(table, entry, states[index])
      return table.get(RUN)?.isGranted
    })
    expect(granted).toEqual([false, false, false, true, false])
  })

  test('keeps a child with its parent until it has ended', () => {
    const { entries, states } = play(
      'child',
      plan({ hasParent: true, happenings: [flow('CLAIM'), flow('START'), flow('COMPLETE')] }),
    )
    const { table } = makeTable()
    const children = entries.map((entry, index) => {
      fold(table, entry, states[index])
      return table.childrenOf('parent')
    })
    expect(children).toEqual([['child'], ['child'], ['child'], []])
  })

  test('must be given the run when one that ended begins again', () => {
    const happenings = [flow('CLAIM'), flow('START'), flow('COMPLETE'), flow('RETRY')]
    const { entries } = play(RUN, plan({ happenings }))
    const { table } = makeTable()
    const asks = entries.map((entry) => table.fold(entry, decodeEntry(entry)).mustRead)
    expect(asks).toEqual([false, false, false, false, true])
    expect(table.size).toBe(0)
  })

  test('forgets everything, timers and workers too', () => {
    const { entries, states } = play(
      RUN,
      plan({ timeoutMs: 30_000, happenings: [flow('CLAIM'), flow('START')] }),
    )
    const { table, armed } = makeTable()
    for (const [index, entry] of entries.entries()) fold(table, entry, states[index])
    expect(armed.size).toBe(1)
    table.clear()
    expect([armed.size, table.size, [...table.workers()].length]).toEqual([0, 0, 0])
  })

  test('has one text for a worker however many of its runs there are', () => {
    const { table } = makeTable()
    for (const run of ['run-1', 'run-2']) {
      const { entries } = play(run, plan({ happenings: [flow('CLAIM', 0), flow('START')] }))
      for (const entry of entries) fold(table, entry, undefined)
    }
    expect(table.hostedBy('worker-0').map(({ id }) => id)).toEqual(['run-1', 'run-2'])
  })
})

describe('a proposer whose clock is wrong', () => {
  const HOUR_MS = 3_600_000

  /** The same history, written at the broker when `aheadMs` less had passed. */
  function dueOf(aheadMs: number, happenings: HistoryPlan['happenings'], over: Partial<HistoryPlan> = {}) {
    const { entries, states } = play(RUN, plan({ ...over, happenings }))
    const { table, armed } = makeTable()
    for (const [index, entry] of entries.entries())
      fold(table, { ...entry, at: entry.at - aheadMs, cursor: '' as Cursor }, states[index])
    return [...armed].map(({ due }) => due - START_MS)
  }

  test('does not move delays: they begin when the broker took the record', () => {
    const running = [flow('CLAIM'), flow('START')]
    expect(dueOf(0, running, { timeoutMs: 30_000 })).toEqual([32_000])
    expect(dueOf(HOUR_MS, running, { timeoutMs: 30_000 })).toEqual([32_000 - HOUR_MS])
    expect(dueOf(-HOUR_MS, running, { timeoutMs: 30_000 })).toEqual([32_000 + HOUR_MS])
  })

  test('is believed within what an append may take', () => {
    const running = [flow('CLAIM'), flow('START')]
    expect(dueOf(-60_000, running, { timeoutMs: 30_000 })).toEqual([32_000])
    expect(dueOf(1_500, running, { timeoutMs: 30_000 })).toEqual([32_000])
  })

  test('is believed about a moment that somebody named', () => {
    expect(dueOf(HOUR_MS, [], { laterMs: 60_000 })).toContain(60_000)
  })
})
