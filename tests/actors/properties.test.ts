/** What holds whatever is said to a run, in any order. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isCallboardError } from '../../src/core/index.ts'
import { NOW, WALKED_FLOW } from './support/alphabet.ts'
import { frozen } from './support/frozen.ts'
import { armedBy, expectLegalFlow, expectLegalTask } from './support/invariants.ts'
import { live, type Move, moves } from './support/random-life.ts'
import {
  decodeEntry,
  type Effect,
  type Entry,
  FLOW_STATES,
  foldEntry,
  hydrate,
  isTerminalTag,
  type RunRecord,
  type RunState,
  SIGNALS,
  TASK_STATES,
} from './support/room.ts'
import { foldAll, TestRun } from './support/run.ts'

function born(which: number): TestRun {
  const scheduledTime = which % 2 === 0 ? NOW : 2 * NOW
  const onCrash = which % 5 === 0 ? 'crash' : 'recover'
  const limits = which % 3 === 0 ? ['db'] : []
  const policy = { ...WALKED_FLOW, retries: which % 4, maxRecoveries: 2, onCrash, limits } as const
  return new TestRun({ scheduledTime, policy, ...(which % 7 === 0 && { parent: { run: 'p', key: 'c' } }) })
}

/** As it would come back from the broker. */
function overTheWire<T>(value: T): T {
  return JSON.parse(JSON.stringify(value))
}

/** What two folds must agree in; how far the next snapshot is away is not the run's business. */
function essence(state: RunState) {
  const { snapshotRev: _rev, sinceSnapshot: _since, ...rest } = state
  return overTheWire({
    ...rest,
    tasks: [...rest.tasks.values()],
    waits: [...rest.waits.values()],
    children: [...rest.children],
    values: [...rest.values],
    answers: [...rest.answers],
  })
}

function lives(check: (run: TestRun, moves: readonly Move[]) => void, options: fc.Parameters<unknown>): void {
  fc.assert(
    fc.property(fc.nat(999), moves(60), (which, life) => check(born(which), life)),
    options,
  )
}

const effectsOf = (records: readonly RunRecord[]): Effect[] =>
  records.flatMap((record) => ('fx' in record ? [...(record.fx ?? [])] : []))

test('lives reach every state of both charts', () => {
  const reached = new Set<string>()
  lives(
    (run, life) => {
      for (const move of life) {
        live(run, move)
        reached.add(`flow ${run.tag}`)
        for (const { snapshot } of run.state.tasks.values()) reached.add(`task ${snapshot.tag}`)
      }
    },
    { numRuns: 500, seed: 7 },
  )
  const named = (chart: string, states: Readonly<Record<string, readonly string[]>>) =>
    Object.entries(states).flatMap(([type, names]) => names.map((name) => `${chart} ${type}.${name}`))
  for (const state of [...named('flow', FLOW_STATES), ...named('task', TASK_STATES)])
    expect([...reached], state).toContain(state)
})

describe('over any life of a run', () => {
  test('charts are only ever where they may be', () => {
    lives(
      (run, life) => {
        for (const move of life) {
          live(run, move)
          expectLegalFlow(run.state.flow)
          for (const { snapshot, state } of run.state.tasks.values()) {
            expectLegalTask(snapshot)
            expect(state.tag).toBe(snapshot.tag)
          }
          expect(run.state.state.tag).toBe(run.tag)
        }
      },
      { numRuns: 80 },
    )
  })

  test('a terminal state is left by a retry only, and has no open task run', () => {
    lives(
      (run, life) => {
        for (const move of life) {
          const before = run.tag
          live(run, move)
          if (isTerminalTag(run.state.flow.tag))
            for (const { snapshot } of run.state.tasks.values())
              expect(isTerminalTag(snapshot.tag), `${run.tag} with ${snapshot.tag}`).toBe(true)
          if (!isTerminalTag(before as RunState['flow']['tag']) || run.tag === before) continue
          expect(run.written).toMatchObject([{ k: 'flow', e: { type: 'RETRY' } }])
        }
      },
      { numRuns: 80 },
    )
  })

  test('what is not written changes nothing, and says why or that nobody need know', () => {
    lives(
      (run, life) => {
        for (const move of life) {
          const before = essence(run.state)
          const { flow } = run.state
          const entries = run.entries.length
          const judgement = live(run, move)
          if (run.entries.length > entries) continue
          expect(run.state.flow).toBe(flow)
          expect(essence(run.state)).toEqual(before)
          if (judgement.is === 'rejected') expect(judgement.reason).toMatch(/^[A-Z].*\.$/s)
          else expect(['known', 'ignored', 'wait']).toContain(judgement.is)
        }
      },
      { numRuns: 50 },
    )
  })

  test('nothing is ever poisoned', () => {
    lives(
      (run, life) => {
        for (const move of life) live(run, move)
        for (const entry of run.entries)
          expect(decodeEntry(entry).filter(({ k }) => k === 'poison')).toEqual([])
      },
      { numRuns: 80 },
    )
  })

  test('the fold of the log is the live state, after every entry', () => {
    lives(
      (run, life) => {
        let folded = foldAll(overTheWire(run.entries))
        for (const move of life) {
          live(run, move)
          for (const entry of run.entries.slice(folded.rev)) folded = foldEntry(folded, overTheWire(entry))
          expect(essence(folded)).toEqual(essence(run.state))
        }
      },
      { numRuns: 50 },
    )
  })

  test('a state that was frozen and thawed is the same, and folds on to the same', () => {
    lives(
      (run, life) => {
        const middle = Math.floor(life.length / 2)
        for (const move of life.slice(0, middle)) live(run, move)
        let thawed = hydrate(frozen(run.state))
        expect(essence(thawed)).toEqual(essence(run.state))
        expect(frozen(thawed)).toEqual(frozen(run.state))
        for (const move of life.slice(middle)) live(run, move)
        for (const entry of run.entries.slice(thawed.rev)) thawed = foldEntry(thawed, overTheWire(entry))
        expect(essence(thawed)).toEqual(essence(run.state))
      },
      { numRuns: 50 },
    )
  })

  test('whoever sees only the effects knows which timers are armed', () => {
    lives(
      (run, life) => {
        for (const move of life) live(run, move)
        const effects: Effect[] = []
        let waiting: string[] = []
        for (const entry of run.entries) {
          const records = decodeEntry(entry)
          effects.push(...effectsOf(records))
          // Task runs that a retry or the end of the run takes away take their timers with them.
          const kept = foldAll(run.entries.slice(0, entry.rev)).tasks
          waiting = [...kept.values()].flatMap(({ id, snapshot }) =>
            snapshot.context.timers.retry ? [id] : [],
          )
        }
        const armed = armedBy(effects)
        const known = Object.entries(armed).filter(
          ([name]) => !name.includes('/') || waiting.includes(name.slice(0, 3)),
        )
        const tasks = [...run.state.tasks.values()].flatMap(({ id, snapshot }) =>
          Object.entries(snapshot.context.timers).map(([timer, one]) => [`${id}/${timer}`, one]),
        )
        expect(Object.fromEntries(known)).toEqual({ ...run.context.timers, ...Object.fromEntries(tasks) })
      },
      { numRuns: 60 },
    )
  })

  test('the signals said to be legal are those that are not refused for the state', () => {
    lives(
      (run, life) => {
        for (const move of life) live(run, move)
        const { legal } = run
        for (const name of SIGNALS) {
          const copy = foldAll(overTheWire(run.entries))
          const sent = Object.assign(new TestRun(), { state: copy, now: run.now })
          const judgement = sent.signal(name, { key: 'fresh', payload: { v: {} } })
          const isTaken =
            judgement.is === 'write' || (judgement.is === 'rejected' && judgement.records !== undefined)
          expect(isTaken, `${name} in ${run.tag}: ${JSON.stringify(judgement)}`).toBe(legal.includes(name))
        }
      },
      { numRuns: 50 },
    )
  })

  test('counts only grow, and totals are no more than the time that passed', () => {
    lives(
      (run, life) => {
        for (const move of life) {
          const before = run.context
          live(run, move)
          const { n, epoch, runCount, totalRunMs } = run.context
          expect(n).toBeGreaterThanOrEqual(before.n)
          expect(epoch).toBeGreaterThanOrEqual(before.epoch)
          expect(runCount).toBeGreaterThanOrEqual(before.runCount)
          expect(totalRunMs).toBeGreaterThanOrEqual(before.totalRunMs)
        }
      },
      { numRuns: 50 },
    )
  })
})

describe('a damaged log', () => {
  const CODES = [
    'CB_E_STORE_DAMAGED',
    'CB_E_LOG_DIVERGED',
    'CB_E_STORE_TOO_NEW',
    'CB_E_LOG_NO_MIGRATION',
  ] as const

  function foldsOrSays(entries: readonly Entry[]): void {
    try {
      foldAll(overTheWire(entries))
    } catch (error) {
      if (error instanceof Error && error.message === 'an empty log') return
      expect(
        CODES.some((code) => isCallboardError(error, code)),
        String(error),
      ).toBe(true)
    }
  }

  test('that is cut off anywhere folds up to there, or says what is wrong', () => {
    lives(
      (run, life) => {
        for (const move of life) live(run, move)
        for (let rev = 1; rev <= run.entries.length; rev++) {
          expect(foldAll(run.entries.slice(0, rev)).rev).toBe(rev)
          const entry = run.entries[rev - 1]
          if (entry === undefined) continue
          const records = entry.records.slice(0, rev % (entry.records.length + 1))
          foldsOrSays([...run.entries.slice(0, rev - 1), { ...entry, records }])
        }
      },
      { numRuns: 60 },
    )
  })

  test('with anything in it changed, missing, doubled or out of place folds or says what is wrong', () => {
    fc.assert(
      fc.property(fc.nat(999), moves(40), fc.infiniteStream(fc.nat(9_999)), (which, life, draws) => {
        const run = born(which)
        for (const move of life) live(run, move)
        const entries = overTheWire(run.entries) as Entry[]
        const draw = (limit: number) => (draws.next().value ?? 0) % limit
        for (let i = 0; i < 3; i++) mutate(entries, draw)
        foldsOrSays(entries)
      }),
      { numRuns: 300 },
    )
  })
})

const JUNK = [
  null,
  '',
  'x',
  -1,
  1e99,
  true,
  [],
  {},
  { k: 'head' },
  ['a'],
  'RUNNING.Running',
  'CANCELLED.Cancelled',
]

function mutate(entries: Entry[], draw: (limit: number) => number): void {
  const at = draw(entries.length)
  const entry = entries[at]
  if (entry === undefined) return
  const kind = draw(6)
  if (kind === 0) entries.splice(at, 1)
  else if (kind === 1) entries.splice(at, 0, entry)
  else if (kind === 2) Object.assign(entry, { rev: draw(30) })
  else if (kind === 3)
    Object.assign(entry, { records: entry.records.toSpliced(draw(entry.records.length), 1) })
  else {
    const [holder, key] = somewhere(entry.records, draw)
    if (kind === 4) Reflect.deleteProperty(holder, key)
    else Reflect.set(holder, key, structuredClone(JUNK[draw(JUNK.length)]))
  }
}

/** Some place within the records. */
function somewhere(root: object, draw: (limit: number) => number): [object, string] {
  let holder = root
  for (;;) {
    const keys = Object.keys(holder)
    const key = keys[draw(Math.max(1, keys.length))] ?? '0'
    const inner: unknown = Reflect.get(holder, key)
    if (typeof inner !== 'object' || inner === null || draw(4) === 0) return [holder, key]
    holder = inner
  }
}
