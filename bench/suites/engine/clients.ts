/** W2, W3, W5: runs that a client starts, many at once or one after another, and runs that it resumes. */

import { type Client, IN_FLIGHT } from '../../lib/clients/client.ts'
import { contest, measured } from '../../lib/interleave.ts'
import type { Row, Target } from '../../lib/results.ts'
import { median, quantile } from '../../lib/stats.ts'

/** How long a run waits before it is resumed: as long as with the peers. */
const SETTLED_MS = 30
const WARM_UP = 10

/** Ours and the barest; each names what it runs. */
export interface Contestants {
  readonly ours: Client
  /** Undefined where there is nothing below us to compare with. */
  readonly floor: Client | undefined
  readonly target: Target | undefined
}

/** W2 */
export async function oneAfterAnother(
  workload: string,
  flow: string,
  samples: number,
  { ours, floor, target }: Contestants,
): Promise<Row> {
  return compareTimes(workload, samples, floor?.name, target, {
    ours: () => ours.run(flow),
    floor: floor && (() => floor.run('1')),
  })
}

/** W3 */
export async function manyAtOnce(
  flow: string,
  steps: number,
  size: { readonly rounds: number; readonly runs: number },
  { ours, floor, target }: Contestants,
): Promise<Row> {
  const burst = async (runs: number) => void (await ours.burst(flow, runs))
  const workload = `W3 runs of ${steps} steps, ${IN_FLIGHT} in flight`
  const aim = target === undefined ? {} : { target }
  const note = (cpuMicros: number) =>
    `${size.runs.toLocaleString('en')} runs a round, ${Math.round(cpuMicros)} µs of the host's processor a run`
  if (floor === undefined) {
    await burst(size.runs)
    const { rate, cpuMicros } = await measured(burst, size.runs)
    return { workload, unit: '/s', value: rate, note: note(cpuMicros), ...aim }
  }
  const raw = async (runs: number) => void (await floor.burst(String(steps), runs))
  const result = await contest(burst, raw, { rounds: size.rounds, perRound: size.runs })
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
  workload: string,
  flow: string,
  samples: number,
  { ours, floor, target }: Contestants,
): Promise<Row> {
  return compareTimes(workload, samples, floor?.name, target, {
    ours: () => ours.resume(flow, SETTLED_MS),
    floor: floor && (() => floor.resume('0', SETTLED_MS)),
  })
}

/** Each sample of ours beside one of the floor's. */
async function compareTimes(
  workload: string,
  samples: number,
  floorName: string | undefined,
  target: Target | undefined,
  sides: { ours(): Promise<number>; readonly floor: (() => Promise<number>) | undefined },
): Promise<Row> {
  const ours: number[] = []
  const floor: number[] = []
  for (let i = -WARM_UP; i < samples; i++) {
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
