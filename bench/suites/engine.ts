/**
 * What the engine costs, beside the barest floor on the same broker in the same run: steps in sequence, runs from a
 * client, many tasks at once, long logs, parked runs, and the time from a kill -9 to the run's completion elsewhere.
 *
 * Host and scheduler are in this process. So is the client on an embedded store, as in a script or in `callboard dev`; with
 * a server it has a process of its own, as the peers' clients had, and so has the floor's.
 */

import type { Client } from '../lib/clients/client.ts'
import { clientElsewhere } from '../lib/clients/elsewhere.ts'
import { engineClient } from '../lib/clients/engine.ts'
import { type EngineStage, openEngine } from '../lib/engine-stage.ts'
import { QUEUE } from '../lib/new-run.ts'
import type { Row, Target } from '../lib/results.ts'
import type { Stand } from '../lib/stands.ts'
import { manyAtOnce, oneAfterAnother, resumed } from './engine/clients.ts'
import { fanOut, openLong } from './engine/fan-out.ts'
import { killed } from './engine/kill.ts'
import { parkedRuns } from './engine/parked.ts'
import { type SequenceSize, sequence } from './engine/sequence.ts'

/** Of each run of W3. */
const STEPS = 3

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
  const stage = await openEngine(broker)
  try {
    yield* sequence(stage, floor, size.sequence, targets.step)
    yield* clients(stage, stand, size)
    for (const { tasks, rounds } of size.fans) yield await fanOut(stage, floor, tasks, rounds)
    yield await openLong(stage, size.records, 5)
  } finally {
    await stage.close()
  }
  if (broker.capabilities.reach !== 'process') yield* killed(stand, size.kills)
  yield* parkedRuns(broker, size.parked)
}

/** W2, W3, W5 */
async function* clients(stage: EngineStage, stand: Stand, size: Size): AsyncGenerator<Row> {
  const { broker, url } = stand
  const targets = targetsOf(stand)
  const oneTask = stage.define(async (session) => session.task({ task: 'step' }, () => ({ i: 0, v: 1 })))
  const steps = stage.define(async (session) => {
    let sum = 0
    for (let i = 0; i < STEPS; i++)
      sum = ((await session.task({ task: 'step' }, () => ({ i, v: sum + i }))) as { v: number }).v
    return sum
  })
  const pausing = stage.define(async (session) => {
    await session.pause()
    return 'resumed'
  })
  await using open = new AsyncDisposableStack()
  const adopt = (client: Client) => open.adopt(client, (adopted) => adopted.stop())
  const isServed = broker.capabilities.driver === 'nats'
  const ours = adopt(
    await (isServed
      ? clientElsewhere({ by: 'engine', broker: url, queue: QUEUE })
      : engineClient(broker, QUEUE)),
  )
  const floor = stand.floor && adopt(await stand.floor.client())
  const against = (target: Target | undefined) => ({ ours, floor, target })
  yield await oneAfterAnother(
    'W2 one-task run from a client, one after another',
    ...([oneTask, size.samples, against(targets.one)] as const),
  )
  yield await manyAtOnce(steps, STEPS, size.burst, against(targets.burst))
  yield await resumed(
    'W5 resume signal sent, to completed',
    ...([pausing, size.resumes, against(targets.resumed)] as const),
  )
}
