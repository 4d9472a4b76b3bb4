/**
 * W1: what one step of a long sequence costs. The flow itself lets its steps and the floor's take turns, ten by
 * ten, so that whatever slows the machine slows both.
 */

import type { RunSession } from '../../../src/actors/index.ts'
import { STEP_RESULT } from '../../lib/clients/floor.ts'
import type { EngineStage } from '../../lib/engine-stage.ts'
import type { Floor } from '../../lib/floors.ts'
import type { Row, Target } from '../../lib/results.ts'
import { median, quantile } from '../../lib/stats.ts'

export interface SequenceSize {
  /** How many steps, and how many such runs. */
  readonly runs: readonly { readonly steps: number; readonly times: number }[]
}

/** Steps in a row before it is the floor's turn. */
const BLOCK = 10

interface Block {
  /** The step it begins with. */
  readonly step: number
  /** Milliseconds a step. */
  readonly ours: number
  readonly floor: number
  /** Processor time of this process for one of our steps, microseconds. */
  readonly cpu: number
}

export async function* sequence(
  stage: EngineStage,
  floor: Floor | undefined,
  size: SequenceSize,
  target: Target | undefined,
): AsyncGenerator<Row> {
  await walk(stage, floor, 400)
  const rows: Row[] = []
  const all: Block[] = []
  for (const { steps, times } of size.runs) {
    const runs: Block[][] = []
    for (let i = 0; i < times; i++) runs.push(await walk(stage, floor, steps))
    all.push(...runs.flat())
    const row = rowOf(`W1 step of ${steps.toLocaleString('en')}, one run`, runs.map(totalOf), floor, target)
    yield { ...row, note: `${row.note}${quietest(runs.flat(), floor)}` }
  }
  const longest = Math.max(...size.runs.map(({ steps }) => steps))
  for (const step of [10, 1_000, 10_000]) {
    if (step > longest) break
    const near = all.filter((block) => block.step < step && block.step + Math.max(BLOCK, step / 20) >= step)
    rows.push(rowOf(`W1 at step ${step.toLocaleString('en')}`, near, floor, target))
  }
  yield* rows
}

/** One run of so many steps, block by block. */
async function walk(stage: EngineStage, floor: Floor | undefined, steps: number): Promise<Block[]> {
  const blocks: Block[] = []
  const write = floor?.lane(STEP_RESULT)
  const flow = stage.define(async (session) => {
    let sum = 0
    for (let step = 0; step < steps; step += BLOCK) {
      const used = process.cpuUsage()
      const began = performance.now()
      for (let i = step; i < step + BLOCK; i++) sum = await add(session, i, sum)
      const between = performance.now()
      const { user, system } = process.cpuUsage(used)
      if (write) for (let i = 0; i < BLOCK; i++) await write()
      const ended = performance.now()
      blocks.push({
        step,
        ours: (between - began) / BLOCK,
        floor: (ended - between) / BLOCK,
        cpu: (user + system) / BLOCK,
      })
    }
    return sum
  })
  const sum = await stage.call(flow)
  if (sum !== (steps * (steps - 1)) / 2) throw new Error(`${steps} steps came to ${JSON.stringify(sum)}.`)
  return blocks
}

async function add(session: RunSession, i: number, sum: number): Promise<number> {
  const result = await session.task({ task: 'add' }, () => ({ i, v: sum + i }))
  return (result as { v: number }).v
}

/** A whole run as one block: what was slow now and then counts. */
function totalOf(blocks: readonly Block[]): Block {
  const mean = (of: (block: Block) => number) =>
    blocks.reduce((sum, block) => sum + of(block), 0) / blocks.length
  return {
    step: 0,
    ours: mean(({ ours }) => ours),
    floor: mean((block) => block.floor),
    cpu: mean(({ cpu }) => cpu),
  }
}

/** What it comes to when the machine happens to have time for us. */
function quietest(blocks: readonly Block[], floor: Floor | undefined): string {
  const ours = quantile(
    blocks.map((block) => block.ours),
    0.1,
  )
  if (floor === undefined) return `, quietest tenth ${ours.toFixed(3)} ms`
  const raw = quantile(
    blocks.map((block) => block.floor),
    0.1,
  )
  return `, quietest tenth ${ours.toFixed(3)} ms against ${raw.toFixed(3)} ms (${(ours / raw).toFixed(2)} ×)`
}

function rowOf(
  workload: string,
  blocks: readonly Block[],
  floor: Floor | undefined,
  target: Target | undefined,
): Row {
  const value = median(blocks.map(({ ours }) => ours))
  const note = `${Math.round(median(blocks.map(({ cpu }) => cpu)))} µs of processor a step`
  if (floor === undefined) return { workload, unit: 'ms', value, note }
  const ratios = blocks.map((block) => block.ours / block.floor)
  return {
    workload,
    unit: 'ms',
    value,
    floor: { name: floor.name, value: median(blocks.map((block) => block.floor)) },
    ratio: median(ratios),
    spread: [quantile(ratios, 0.1), quantile(ratios, 0.9)],
    note,
    ...(target === undefined ? {} : { target }),
  }
}
