/** W2, W3, W5: runs that a client starts, many at once or one after another, and runs that it resumes. */

import { sleep, systemClock } from '../../../src/core/index.ts'
import type { EngineStage } from '../../lib/engine-stage.ts'
import type { FloorRuns } from '../../lib/floor-runs.ts'
import { contest, measured, rateOf, type Work } from '../../lib/interleave.ts'
import type { Row, Target } from '../../lib/results.ts'
import { median, quantile } from '../../lib/stats.ts'

const STEPS = 3
const IN_FLIGHT = 200
/** How long a run waits before it is resumed: as long as with the peers. */
export const SETTLED_MS = 30

/** W2 */
export async function oneAfterAnother(
  stage: EngineStage,
  floor: FloorRuns | undefined,
  samples: number,
  target: Target | undefined,
): Promise<Row> {
  const flow = stage.define(async (session) => session.task({ task: 'step' }, () => ({ i: 0, v: 1 })))
  const ours = async () => (await stage.submit(flow)).completed
  const raw = floor && (() => floor.run(1))
  return compareTimes('W2 one-task run from a client, one after another', samples, floor?.name, target, {
    ours: () => timed(ours),
    floor: raw && (() => timed(raw)),
  })
}

/** W3 */
export async function manyAtOnce(
  stage: EngineStage,
  floor: FloorRuns | undefined,
  size: { readonly rounds: number; readonly runs: number },
  target: Target | undefined,
): Promise<Row> {
  const flow = stage.define(async (session) => {
    let sum = 0
    for (let i = 0; i < STEPS; i++)
      sum = ((await session.task({ task: 'step' }, () => ({ i, v: sum + i }))) as { v: number }).v
    return sum
  })
  const ours = inFlight(async () => (await stage.submit(flow)).completed)
  const workload = `W3 runs of ${STEPS} steps, ${IN_FLIGHT} in flight`
  const aim = target === undefined ? {} : { target }
  const note = (cpuMicros: number) =>
    `${size.runs.toLocaleString('en')} runs a round, ${Math.round(cpuMicros)} µs of processor a run`
  if (floor === undefined) {
    await rateOf(ours, size.runs)
    const { rate, cpuMicros } = await measured(ours, size.runs)
    return { workload, unit: '/s', value: rate, note: note(cpuMicros), ...aim }
  }
  const raw = inFlight(() => floor.run(STEPS))
  const result = await contest(ours, raw, { rounds: size.rounds, perRound: size.runs })
  const { subject: value, floor: floorRate, ratio, spread, cpuMicros } = result
  return {
    workload,
    unit: '/s',
    value,
    floor: { name: floor.name, value: floorRate },
    ratio,
    spread,
    note: note(cpuMicros),
    ...aim,
  }
}

/** W5 */
export async function resumed(
  stage: EngineStage,
  floor: FloorRuns | undefined,
  samples: number,
  target: Target | undefined,
): Promise<Row> {
  let reached = () => {}
  const flow = stage.define(async (session) => {
    reached()
    await session.pause()
    return 'resumed'
  })
  const ours = async () => {
    const there = new Promise<void>((resolve) => {
      reached = resolve
    })
    const { run, completed } = await stage.submit(flow)
    await there
    await sleep(systemClock, SETTLED_MS)
    return timed(async () => {
      await Promise.all([stage.resume(run), completed])
    })
  }
  const raw =
    floor &&
    (async () => {
      const signal = await floor.waiting()
      await sleep(systemClock, SETTLED_MS)
      return timed(signal)
    })
  return compareTimes('W5 resume signal sent, to completed', samples, floor?.name, target, {
    ours,
    floor: raw,
  })
}

/** So many at a time, until all are done. */
function inFlight(one: () => Promise<void>): Work {
  return async (n) => {
    let left = n
    const lane = async () => {
      while (left-- > 0) await one()
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  }
}

export async function timed(act: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await act()
  return performance.now() - began
}

/** Each sample of ours beside one of the floor's; each side says how long it took. */
export async function compareTimes(
  workload: string,
  samples: number,
  floorName: string | undefined,
  target: Target | undefined,
  sides: { ours(): Promise<number>; readonly floor: (() => Promise<number>) | undefined },
): Promise<Row> {
  const ours: number[] = []
  const floor: number[] = []
  const warmUp = 10
  for (let i = -warmUp; i < samples; i++) {
    const raw = await sides.floor?.()
    const own = await sides.ours()
    if (i < 0) continue
    ours.push(own)
    if (raw !== undefined) floor.push(raw)
  }
  const row: Row = {
    workload,
    unit: 'ms',
    value: median(ours),
    p99: quantile(ours, 0.99),
    note: `p95 ${quantile(ours, 0.95).toFixed(2)} ms, ${samples} samples`,
    ...(target === undefined ? {} : { target }),
  }
  if (floorName === undefined) return row
  return { ...row, floor: { name: floorName, value: median(floor) }, ratio: median(ours) / median(floor) }
}
