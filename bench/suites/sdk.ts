/**
 * What user code pays: the same step as in the engine's sequence, called as a task of a flow through the SDK, and one task
 * mapped over many elements.
 */

import { silentLogger, systemDeps } from '../../src/core/index.ts'
import { createEngine, type Engine, useEngine } from '../../src/sdk/index.ts'
import { flow, task } from '../../src/sdk/public.ts'
import { STEP_RESULT } from '../lib/clients/floor.ts'
import { type FirstRun, firstRun } from '../lib/first-run.ts'
import type { Floor } from '../lib/floors.ts'
import { mapRun } from '../lib/map-run.ts'
import { whichPackage } from '../lib/on-package.ts'
import type { Row, Target } from '../lib/results.ts'
import type { Stand } from '../lib/stands.ts'
import { median, quantile } from '../lib/stats.ts'

interface Size {
  readonly steps: number
  readonly times: number
  readonly mapped: readonly number[]
}

const SIZES: Readonly<Record<'full' | 'quick', Size>> = {
  full: { steps: 2_000, times: 3, mapped: [10_000, 100_000] },
  quick: { steps: 200, times: 2, mapped: [5_000] },
}

/** Steps before the first one counts: a process that serves runs has compiled its code long ago. */
const WARM_UP = 20_000

/** Steps in a row before it is the floor's turn. */
const BLOCK = 10

/** Milliseconds a step; `cpu` in microseconds of this process. */
interface Block {
  readonly ours: number
  readonly floor: number
  readonly cpu: number
}

const add = task('bench-add', async (i: number, sum: number) => ({ i, v: sum + i }))

/** Measures one stand, a row at a time. */
export async function* measureSdk(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  const size = SIZES[quick ? 'quick' : 'full']
  yield stepRow(await steps(stand, size), stand)
  for (const elements of size.mapped) yield* mapRows(stand, elements)
  if (isOfItsOwn(stand)) yield* firstRunRows(size.times)
}

async function steps(stand: Stand, { steps, times }: Size): Promise<Block[]> {
  const engine = engineOn(stand)
  await engine.life.start()
  const release = useEngine(engine)
  try {
    await walk(undefined, WARM_UP)
    const blocks: Block[] = []
    for (let i = 0; i < times; i++) blocks.push(...(await walk(stand.floor, steps)))
    return blocks
  } finally {
    release()
    await engine.life.stop()
  }
}

function engineOn({ broker }: Stand): Engine {
  const deps = { ...systemDeps(), logger: silentLogger }
  return createEngine({
    env: {
      deps,
      broker,
      settings: {
        logPrints: false,
        keepLevel: 'info',
        graceMs: 5_000,
        lateAfterMs: 60_000,
        maxRecoveries: 3,
        taskRetries: 0,
        queue: 'bench-sdk',
        uiUrl: undefined,
      },
    },
  })
}

/** One run of so many steps. The floor's turns are taken inside it, so that whatever slows the machine slows both. */
async function walk(floor: Floor | undefined, steps: number): Promise<Block[]> {
  const write = floor?.lane(STEP_RESULT)
  const blocks: Block[] = []
  const walking = flow({ name: `bench-walk-${++walks}` }, async () => {
    let sum = 0
    for (let step = 0; step < steps; step += BLOCK) {
      const used = process.cpuUsage()
      const began = performance.now()
      for (let i = step; i < step + BLOCK; i++) sum = (await add(i, sum)).v
      const between = performance.now()
      const { user, system } = process.cpuUsage(used)
      if (write) for (let i = 0; i < BLOCK; i++) await write()
      const floorMs = (performance.now() - between) / BLOCK
      blocks.push({ ours: (between - began) / BLOCK, floor: floorMs, cpu: (user + system) / BLOCK })
    }
    return sum
  })
  const sum = await walking()
  if (sum !== (steps * (steps - 1)) / 2) throw new Error(`${steps} steps came to ${sum}.`)
  return blocks
}

let walks = 0

/** The store that a script has when it is told nothing. */
function isOfItsOwn({ broker }: Stand): boolean {
  const { driver, durability } = broker.capabilities
  return driver === 'embedded' && durability === 'power'
}

async function* firstRunRows(times: number): AsyncGenerator<Row> {
  const runs: FirstRun[] = []
  for (let i = 0; i < 2 * times + 1; i++) runs.push(await firstRun())
  yield {
    workload: 'W6s import of the package',
    unit: 'ms',
    value: median(runs.map(({ importMs }) => importMs)),
    target: { kind: 'most', atMost: 120 },
    note: whichPackage,
  }
  yield {
    workload: 'W6s new process, new store, first run',
    unit: 'ms',
    value: median(runs.map(({ allMs }) => allMs)),
    target: { kind: 'most', atMost: 500 },
    note: `${Math.round(median(runs.map(({ cpuMs }) => cpuMs)))} ms of processor; ${whichPackage}`,
  }
}

function stepRow(blocks: readonly Block[], { broker, floor }: Stand): Row {
  const cpu = Math.round(median(blocks.map((block) => block.cpu)))
  const row: Row = {
    workload: 'W1s step through the SDK',
    unit: 'ms',
    value: median(blocks.map(({ ours }) => ours)),
    note: `${cpu} µs of processor a step`,
  }
  if (floor === undefined) return row
  const ratios = blocks.map((block) => block.ours / block.floor)
  const target = targetOf(broker.capabilities)
  return {
    ...row,
    floor: { name: floor.name, value: median(blocks.map((block) => block.floor)) },
    ratio: median(ratios),
    spread: [quantile(ratios, 0.1), quantile(ratios, 0.9)],
    ...(target === undefined ? {} : { target }),
  }
}

function targetOf({ driver, durability }: Stand['broker']['capabilities']): Target | undefined {
  if (driver === 'nats') return { kind: 'times', atMost: 1.4 }
  return durability === 'power' ? { kind: 'times', atMost: 1.7 } : { kind: 'most', atMost: 0.15 }
}

async function* mapRows({ url }: Stand, elements: number): AsyncGenerator<Row> {
  const { ms, cpuMs, peakMb } = await mapRun(url, elements)
  const workload = `W2s map of ${elements.toLocaleString('en')} no-op tasks`
  yield {
    workload,
    unit: '/s',
    value: (elements / ms) * 1_000,
    note: `${Math.round((cpuMs / elements) * 1_000)} µs of processor a task; ${whichPackage}`,
  }
  yield {
    workload: `${workload}: most memory`,
    unit: 'MB',
    value: peakMb,
    target: { kind: 'most', atMost: 400 },
    note: 'resident, of a process that does nothing else',
  }
}
