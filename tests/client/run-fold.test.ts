/** What a client makes of what it is told, beside what the gateway makes of the log. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RunRecord } from '../../src/actors/index.ts'
import type { TaskRun } from '../../src/api/index.ts'
import { type FollowedRun, type LiveItem, RunFold } from '../../src/client/index.ts'
import { eventsOf, type Happening } from '../../src/gateway/read-model/index.ts'
import { NOW, WALKED_FLOW } from '../actors/support/alphabet.ts'
import { live, moves } from '../actors/support/random-life.ts'
import { RUN_ID, TestRun } from '../actors/support/run.ts'
import { openModel, TestLog } from '../gateway/support/log.ts'

const MOST_JOINED = 10

const itemOf = (happening: Happening): LiveItem => ({ ...happening, run: RUN_ID, cursor: 'here' }) as LiveItem

/** When the last task run of a suspended run has ended its host leaves, and nobody is told. */
const hostOf = ({ state, worker }: Pick<FollowedRun, 'state' | 'worker'>) =>
  state.name === 'Suspended' ? 'unknown' : worker

function runSeen(run: FollowedRun | undefined) {
  if (run === undefined) throw new Error('There is no such run.')
  const { expectedStartTime, startTime, endTime, runCount, recoveryCount, totalRunMs, progress } = run
  return {
    ...{ state: run.state.name, startTime, endTime, expectedStartTime, runCount, recoveryCount, totalRunMs },
    ...{ progress, worker: hostOf(run), taskRuns: run.taskRuns },
  }
}

const tasksSeen = (taskRuns: readonly TaskRun[]) =>
  taskRuns
    .map(({ key, state, startTime, endTime, runCount, totalRunMs, superseded, progress }) => ({
      ...{ key, state: state.name, startTime, endTime, runCount, totalRunMs, superseded, progress },
    }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))

test('a run that is followed from any moment of its life is what the gateway says of it from then on', () => {
  fc.assert(
    fc.property(fc.nat(999), moves(60), (which, life) => {
      const onCrash = which % 5 === 0 ? 'crash' : 'recover'
      const policy = { ...WALKED_FLOW, retries: which % 4, maxRecoveries: 2, onCrash } as const
      const run = new TestRun({ scheduledTime: (1 + (which % 2)) * NOW, policy })
      const model = openModel()
      // One has followed it from its beginning, the others joined on their way.
      const folds = [new RunFold({ lines: 1 })]
      let seen = 0
      for (const move of life) {
        live(run, move)
        const came = run.entries.slice(seen)
        seen = run.entries.length
        model.apply(came)
        const shown = model.runs.get(RUN_ID)
        const taskRuns = model.tasks.newest(RUN_ID, 1_000)
        for (const fold of folds) {
          for (const happening of came.flatMap(eventsOf)) fold.apply(itemOf(happening))
          expect(runSeen(fold.run)).toEqual(runSeen(shown))
          expect(tasksSeen(fold.taskRuns)).toEqual(tasksSeen(taskRuns))
        }
        if (shown === undefined || came.length === 0 || folds.length > MOST_JOINED) continue
        const joined = new RunFold({ lines: 1 })
        joined.apply({ kind: 'snapshot', cursor: 'here', snapshot: { run: shown, taskRuns } })
        folds.push(joined)
      }
      model.close()
    }),
    { numRuns: 60 },
  )
})

test('the progress that code tells of is that of the run or the task run, until the run is tried again', () => {
  const log = new TestLog()
  const model = openModel()
  const fold = new RunFold({ lines: 1 })
  const told = (records: readonly RunRecord[]) => log.add(RUN_ID, records)
  const steps = [
    () => log.create(RUN_ID),
    () => log.start(RUN_ID),
    () => log.task(RUN_ID, 'fetch-0'),
    () => log.note(RUN_ID, 'progress', { done: 1, total: 3 }),
    () => log.note(RUN_ID, 'progress', { done: 2, total: 5 }, 'fetch-0'),
    () => log.note(RUN_ID, 'remark', { done: 9 }),
    () => log.fail(RUN_ID),
    () =>
      told([{ k: 'flow', e: { type: 'RETRY', at: NOW, by: { channel: 'test' } }, s: 'SCHEDULED.Scheduled' }]),
  ]
  const progress: unknown[] = []
  for (const step of steps) {
    const entry = step()
    model.apply([entry])
    for (const happening of eventsOf(entry)) fold.apply(itemOf(happening))
    expect(fold.run?.progress).toEqual(model.runs.get(RUN_ID)?.progress)
    expect(tasksSeen(fold.taskRuns)).toEqual(tasksSeen(model.tasks.newest(RUN_ID, 10)))
    progress.push([fold.run?.progress, fold.taskRuns[0]?.progress])
  }
  expect(progress.slice(5)).toEqual([
    [
      { done: 1, total: 3 },
      { done: 2, total: 5 },
    ],
    [
      { done: 1, total: 3 },
      { done: 2, total: 5 },
    ],
    [undefined, { done: 2, total: 5 }],
  ])
  model.close()
})
