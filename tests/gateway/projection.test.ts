/** What the read model says of a run is what its log says, after any life. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { legalSignals, parseTag, type RunState } from '../../src/actors/index.ts'
import type { StateView, TaskRun } from '../../src/api/index.ts'
import { eventsOf, newRun, type ReadModel } from '../../src/gateway/read-model/index.ts'
import { NOW, WALKED_FLOW } from '../actors/support/alphabet.ts'
import { live, moves } from '../actors/support/random-life.ts'
import { RUN_ID, TestRun } from '../actors/support/run.ts'
import { openModel } from './support/log.ts'

const iso = (at: number | null) => (at === null ? undefined : new Date(at).toISOString())
const plainly = <T>(value: T): T => JSON.parse(JSON.stringify(value))

function born(which: number): TestRun {
  const scheduledTime = which % 2 === 0 ? NOW : 2 * NOW
  const onCrash = which % 5 === 0 ? 'crash' : 'recover'
  const policy = { ...WALKED_FLOW, retries: which % 4, maxRecoveries: 2, onCrash } as const
  return new TestRun({ scheduledTime, policy, tags: ['a', 'b'] })
}

/** What the log says of the run, in the words of the wire. */
function flowRunIn({ flow, state, tasks, rev, ...run }: RunState) {
  const { context } = flow
  return plainly({
    id: RUN_ID,
    state: { ...parseTag(state.tag), timestamp: iso(state.at), message: state.message },
    expectedStartTime: iso(context.expectedStart),
    startTime: iso(context.startTime),
    endTime: iso(context.endTime),
    worker: context.worker ?? undefined,
    runCount: context.runCount,
    recoveryCount: context.recoveryCount,
    totalRunMs: context.totalRunMs,
    legalSignals: legalSignals({ flow, state, tasks, rev, ...run }).toSorted(),
    taskRuns: countsOf([...tasks.values()].map(({ snapshot }) => parseTag(snapshot.tag).type)),
    rev,
  })
}

function flowRunOf(model: ReadModel) {
  const run = model.runs.get(RUN_ID)
  if (run === undefined) throw new Error('There is no such run.')
  const { state, expectedStartTime, startTime, endTime, worker, runCount, recoveryCount, totalRunMs } = run
  const { data: _, details: __, ...named } = state
  return plainly({
    ...{ id: run.id, state: named, expectedStartTime, startTime, endTime, worker, runCount, recoveryCount },
    ...{ totalRunMs, legalSignals: run.legalSignals.toSorted(), taskRuns: run.taskRuns, rev: run.rev },
  })
}

function tasksIn({ tasks }: RunState) {
  return [...tasks.values()]
    .map(({ id, snapshot: { context }, state }) => ({
      key: id,
      state: { ...parseTag(state.tag), timestamp: iso(state.at), message: state.message },
      startTime: iso(context.startTime),
      endTime: iso(context.endTime),
      runCount: context.runCount,
      totalRunMs: context.totalRunMs,
    }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(plainly)
}

function tasksOf(tasks: readonly TaskRun[]) {
  return tasks
    .filter(({ superseded }) => superseded === undefined)
    .map(({ key, state: { data: _, details: __, ...state }, startTime, endTime, runCount, totalRunMs }) =>
      plainly({ key, state, startTime, endTime, runCount, totalRunMs }),
    )
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
}

function countsOf(types: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(types, (type) => type)].map(([type, all]) => [type, all.length]))
}

/** From state to state; what stays where it is counts once. */
function turns(states: readonly StateView[]): string[] {
  const names = states.map(({ name, type }) => `${type} ${name}`)
  return names.filter((name, index) => name !== names[index - 1])
}

describe('over any life of a run', () => {
  test('the read model says of it and of its task runs what its log says', () => {
    fc.assert(
      fc.property(fc.nat(999), moves(60), (which, life) => {
        const run = born(which)
        const model = openModel()
        let seen = 0
        try {
          for (const move of life) {
            live(run, move)
            model.apply(run.entries.slice(seen))
            seen = run.entries.length
            expect(flowRunOf(model)).toEqual(flowRunIn(run.state))
            expect(tasksOf(model.tasks.newest(RUN_ID, 1_000))).toEqual(tasksIn(run.state))
          }
        } finally {
          model.close()
        }
      }),
      { numRuns: 60 },
    )
  })

  test('whoever makes a run is shown what the read model will show of it', () => {
    for (const which of [0, 1]) {
      const run = born(which)
      const model = openModel()
      model.apply(run.entries.slice(0, 1))
      expect(newRun(RUN_ID, run.state.created)).toEqual(model.runs.get(RUN_ID))
      model.close()
    }
  })

  test('it does not matter in how many batches its entries came', () => {
    fc.assert(
      fc.property(fc.nat(999), moves(40), fc.integer({ min: 1, max: 7 }), (which, life, size) => {
        const run = born(which)
        for (const move of life) live(run, move)
        const [whole, parts] = [openModel(), openModel()]
        whole.apply(run.entries)
        for (let from = 0; from < run.entries.length; from += size)
          parts.apply(run.entries.slice(from, from + size))
        expect(parts.runs.get(RUN_ID)).toEqual(whole.runs.get(RUN_ID))
        expect(parts.tasks.newest(RUN_ID, 1_000)).toEqual(whole.tasks.newest(RUN_ID, 1_000))
        expect(parts.events.list({ limit: 200 }).items).toEqual(whole.events.list({ limit: 200 }).items)
        whole.close()
        parts.close()
      }),
      { numRuns: 30 },
    )
  })

  test('the states that it was in are those that it entered, in order, and the last one is its own', () => {
    fc.assert(
      fc.property(fc.nat(999), moves(60), (which, life) => {
        const run = born(which)
        for (const move of life) live(run, move)
        const model = openModel()
        model.apply(run.entries)
        const states = model.events.statesOfRun(RUN_ID, { cursor: undefined, limit: 200 }).items
        expect(states[0]?.state.name).toBe('Scheduled')
        if (states.length < 200) expect(states.at(-1)?.state).toEqual(model.runs.get(RUN_ID)?.state)
        model.close()
      }),
      { numRuns: 40 },
    )
  })

  test('its entries say, each of itself alone, which states it went through', () => {
    fc.assert(
      fc.property(fc.nat(999), moves(40), (which, life) => {
        const run = born(which)
        for (const move of life) live(run, move)
        const model = openModel()
        model.apply(run.entries)
        const said = run.entries.flatMap((entry) =>
          eventsOf(entry).flatMap(({ kind, data }) => (kind === 'state' ? [data.state] : [])),
        )
        const kept = model.events.statesOfRun(RUN_ID, { cursor: undefined, limit: 200 }).items
        expect(turns(said)).toEqual(turns(kept.map(({ state }) => state)))
        model.close()
      }),
      { numRuns: 100 },
    )
  })
})
