/** W4: one run with very many tasks at once; and what it costs to open a run whose log is long. */

import { openRun, type Program } from '../../../src/actors/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import { STEP_RESULT } from '../../lib/clients/floor.ts'
import type { EngineStage } from '../../lib/engine-stage.ts'
import type { Floor } from '../../lib/floors.ts'
import { contest, measured, rateOf, type Work } from '../../lib/interleave.ts'
import { peakMemory, resetPeak } from '../../lib/memory.ts'
import type { Row, Target } from '../../lib/results.ts'
import { median } from '../../lib/stats.ts'

const TARGET: Target = { kind: 'rate', atLeast: 15_000 }

/** As many tasks as it is told, all called in one turn; gives the sum of what they return. */
const fan: Program = async (session, parameters) => {
  const calls = Array.from({ length: Number(parameters) }, (_, i) =>
    session.task({ task: 'odd' }, () => ({ i, v: 2 * i + 1 })),
  )
  return (await Promise.all(calls)).reduce<number>((sum, result) => sum + (result as { v: number }).v, 0)
}

/** The first n odd numbers come to n². */
async function checked(stage: EngineStage, flow: string, n: number): Promise<void> {
  const sum = await stage.call(flow, n)
  if (sum !== n * n) throw new Error(`${n} tasks came to ${JSON.stringify(sum)}.`)
}

/** Tasks in one run; at the end of each round the run has completed. */
export async function fanOut(
  stage: EngineStage,
  floor: Floor | undefined,
  tasks: number,
  rounds: number,
): Promise<Row> {
  const flow = stage.define(fan)
  let peak = 0
  const ours: Work = async (n) => {
    resetPeak()
    await checked(stage, flow, n)
    peak = Math.max(peak, peakMemory())
  }
  const workload = `W4 ${tasks.toLocaleString('en')} tasks at once in one run`
  const row = { workload, unit: '/s', target: TARGET } as const
  const note = (cpuMicros: number) =>
    `peak RSS ${Math.round(peak)} MB, ${Math.round(cpuMicros)} µs of processor a task`
  if (floor === undefined) {
    await rateOf(ours, tasks)
    const { rate, cpuMicros } = await measured(ours, tasks)
    return { ...row, value: rate, note: note(cpuMicros) }
  }
  const raw: Work = async (n) => {
    await Promise.all(Array.from({ length: n }, () => floor.lane(STEP_RESULT)()))
  }
  const result = await contest(ours, raw, { rounds, perRound: tasks })
  const { subject: value, floor: rate, ratio, spread, cpuMicros } = result
  return { ...row, value, floor: { name: floor.name, value: rate }, ratio, spread, note: note(cpuMicros) }
}

/** Opens a run of at least so many records, from its newest entry to the folded state. */
export async function openLong(stage: EngineStage, records: number, samples: number): Promise<Row> {
  const recordsPerTask = 3
  const tasks = Math.ceil(records / recordsPerTask)
  let run = ''
  const flow = stage.define((session, parameters) => {
    run = session.start.run
    return fan(session, parameters)
  })
  await checked(stage, flow, tasks)
  const deps = systemDeps()
  const open = async () => {
    const began = performance.now()
    const state = await openRun(stage.broker, deps, run)
    if (state?.tasks.size !== tasks) throw new Error(`The run has ${state?.tasks.size} task runs.`)
    return { ms: performance.now() - began, snapshot: state.snapshotRev }
  }
  // Its last snapshot is on its way when the run ends.
  const first = await open()
  let last = first
  for (let tries = 0; last.snapshot === 0 && tries < 20; tries++) last = await open()
  const spans: number[] = []
  for (let i = 0; i < samples; i++) spans.push((await open()).ms)
  return {
    workload: `open a run of ${records.toLocaleString('en')} records`,
    unit: 'ms',
    value: median(spans),
    target: { kind: 'most', atMost: 1_000 },
    note: `${tasks.toLocaleString('en')} task runs; snapshot at revision ${last.snapshot}; right after its end, snapshot ${first.snapshot}: ${Math.round(first.ms)} ms`,
  }
}
