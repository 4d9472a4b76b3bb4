/**
 * What the engine costs, beside the barest floor on the same broker in the same run: steps in sequence, runs from a
 * client, many tasks at once, long logs, parked runs, and the time from a kill -9 to the run's completion elsewhere.
 *
 * Host, scheduler and client are in this process, as in a script or in `callboard dev`; the broker is where the stand has
 * it.
 */

import { openEngine } from '../lib/engine-stage.ts'
import type { Row, Target } from '../lib/results.ts'
import type { Stand } from '../lib/stands.ts'
import { manyAtOnce, oneAfterAnother, resumed } from './engine/clients.ts'
import { fanOut, openLong } from './engine/fan-out.ts'
import { killed } from './engine/kill.ts'
import { parkedRuns } from './engine/parked.ts'
import { type SequenceSize, sequence } from './engine/sequence.ts'

interface Size {
  readonly sequence: SequenceSize
  /** One run after another, and resumed runs. */
  readonly samples: number
  readonly resumes: number
  readonly burst: { readonly rounds: number; readonly runs: number }
  readonly fans: readonly { readonly tasks: number; readonly rounds: number }[]
  readonly records: number
  readonly parked: number
  readonly kills: number
}

const SIZES: Readonly<Record<'full' | 'quick', Size>> = {
  full: {
    sequence: {
      runs: [
        { steps: 200, times: 9 },
        { steps: 2_000, times: 3 },
        { steps: 10_000, times: 2 },
      ],
    },
    samples: 300,
    resumes: 100,
    burst: { rounds: 5, runs: 2_000 },
    fans: [
      { tasks: 1_000, rounds: 7 },
      { tasks: 10_000, rounds: 5 },
    ],
    records: 100_000,
    parked: 100_000,
    kills: 5,
  },
  quick: {
    sequence: {
      runs: [
        { steps: 200, times: 3 },
        { steps: 1_000, times: 1 },
      ],
    },
    samples: 50,
    resumes: 20,
    burst: { rounds: 1, runs: 400 },
    fans: [{ tasks: 1_000, rounds: 2 }],
    records: 10_000,
    parked: 5_000,
    kills: 1,
  },
}

interface Targets {
  readonly step?: Target
  readonly burst?: Target
  readonly one?: Target
  readonly resumed?: Target
}

function targetsOf({ broker }: Stand): Targets {
  const { driver, durability } = broker.capabilities
  if (driver === 'nats')
    return {
      step: { kind: 'times', atMost: 1.3 },
      burst: { kind: 'ratio', atLeast: 0.5 },
      one: { kind: 'times', atMost: 2 },
      resumed: { kind: 'times', atMost: 1.5 },
    }
  if (durability !== 'power') return {}
  return {
    step: { kind: 'times', atMost: 1.6 },
    burst: { kind: 'rate', atLeast: 1_200 },
    one: { kind: 'most', atMost: 3 },
    resumed: { kind: 'most', atMost: 3 },
  }
}

/** Measures one stand, a row at a time. */
export async function* measureEngine(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  const size = SIZES[quick ? 'quick' : 'full']
  const targets = targetsOf(stand)
  const { broker, floor } = stand
  const floorRuns = await floor?.runs()
  const stage = await openEngine(broker)
  try {
    yield* sequence(stage, floor, size.sequence, targets.step)
    yield await oneAfterAnother(stage, floorRuns, size.samples, targets.one)
    yield await manyAtOnce(stage, floorRuns, size.burst, targets.burst)
    for (const { tasks, rounds } of size.fans) yield await fanOut(stage, floor, tasks, rounds)
    yield await resumed(stage, floorRuns, size.resumes, targets.resumed)
    yield await openLong(stage, size.records, 5)
  } finally {
    await stage.close()
  }
  if (broker.capabilities.reach !== 'process') yield* killed(stand, size.kills)
  yield* parkedRuns(broker, size.parked)
}
