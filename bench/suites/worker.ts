/**
 * What it takes a worker to bring up the code of a run: a flow that adds two numbers, from the call that makes the run to
 * its completion in the log, by each infrastructure. Worker, scheduler and client are in this process.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { decodeEntry } from '../../src/actors/index.ts'
import { createDeploymentRun, createPool, openCatalog, type RunMaking } from '../../src/catalog/index.ts'
import { optionsSource, resolveSettings, systemDeps } from '../../src/core/index.ts'
import { createWorker, type WorkerOptions } from '../../src/worker/index.ts'
import type { Row, Target } from '../lib/results.ts'
import type { Stand } from '../lib/stands.ts'
import { median, quantile } from '../lib/stats.ts'
import { measureTasksElsewhere } from './tasks-elsewhere.ts'

const FIXTURES = join(fileURLToPath(new URL('../../', import.meta.url)), 'tests/worker/fixtures')
/** A spare that has just been started is ready after this, also on a busy machine. */
const SPARE_READY_MS = 2_000

interface Kind {
  readonly workload: string
  readonly options: Pick<WorkerOptions, 'infrastructure' | 'spares'>
  readonly target?: Target
  readonly isBesideNode?: boolean
}

const KINDS: readonly Kind[] = [
  {
    workload: 'V1 a run by process, a spare waiting',
    options: { infrastructure: 'process', spares: 1 },
    target: { kind: 'most', atMost: 150 },
  },
  {
    workload: 'V2 a run by process, without a spare',
    options: { infrastructure: 'process', spares: 0 },
    isBesideNode: true,
  },
  { workload: 'V3 a run by thread', options: { infrastructure: 'thread' } },
  { workload: 'V4 a run inline', options: { infrastructure: 'inline' } },
]

export async function* measureWorker(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  yield* measureTasksElsewhere(stand, quick)
  const samples = quick ? 3 : 15
  const { broker, url } = stand
  const deps = systemDeps()
  const catalog = openCatalog(broker, deps)
  const { settings } = resolveSettings([optionsSource('options', { brokerUrl: url })], { home: '/' })
  const making: RunMaking = { broker, catalog, deps, settings }
  for (const { workload, options, target, isBesideNode = false } of KINDS) {
    const pool = `${options.infrastructure}-${options.spares ?? 0}`
    await createPool(catalog, { name: pool })
    await catalog.deployments.put({
      ...{ flow: 'add', name: pool, path: FIXTURES, entrypoint: 'flows.ts:add', pool, queue: 'default' },
      ...{ tags: [], parameters: {}, paused: false },
    })
    const worker = createWorker({ broker, deps, settings, pool, scheduler: false, ...options })
    await worker.start()
    await oneRun(making, `add/${pool}`) // what is loaded once is not measured
    const times: number[] = []
    const floors: number[] = []
    for (let n = 0; n < samples; n++) {
      if (options.spares === 1) await wait(SPARE_READY_MS)
      times.push(await oneRun(making, `add/${pool}`))
      if (isBesideNode) floors.push(await bareNode())
    }
    await worker.stop()
    yield {
      workload,
      unit: 'ms',
      value: median(times),
      p99: quantile(times, 0.99),
      ...(target === undefined ? {} : { target }),
      ...(isBesideNode
        ? {
            floor: { name: 'node -e 0', value: median(floors) },
            ratio: median(times.map((time, n) => time / (floors[n] ?? Number.NaN))),
          }
        : {}),
    }
  }
}

async function oneRun(making: RunMaking, deployment: string): Promise<number> {
  const over = Promise.withResolvers<void>()
  const following = await making.broker.log.follow({ partitions: 'all' }, 'tail', (entries) => {
    for (const entry of entries)
      for (const record of decodeEntry(entry)) {
        if (record.k !== 'flow') continue
        if (record.s === 'COMPLETED.Completed') over.resolve()
        else if (/^(FAILED|CRASHED)/.test(record.s)) over.reject(new Error(JSON.stringify(record)))
      }
  })
  const began = performance.now()
  await createDeploymentRun(making, { deployment, parameters: { a: 1, b: 2 }, by: { channel: 'bench' } })
  await over.promise
  const took = performance.now() - began
  await following.stop()
  return took
}

async function bareNode(): Promise<number> {
  const began = performance.now()
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit')
  return performance.now() - began
}
