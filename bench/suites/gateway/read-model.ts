/**
 * How fast the read model is made from the log, reading it from the broker included; and how long what people ask for
 * most takes over REST, with all those runs in it.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createdRecord, encodeEntry, type RunRecord } from '../../../src/actors/index.ts'
import type { FlowRun, Page } from '../../../src/api/index.ts'
import type { Broker } from '../../../src/broker/index.ts'
import { mintId, optionsSource, resolveSettings, silentLogger, systemDeps } from '../../../src/core/index.ts'
import { createFeed } from '../../../src/gateway/feed.ts'
import { createGateway } from '../../../src/gateway/index.ts'
import { ReadModel } from '../../../src/gateway/read-model/index.ts'
import { newRun } from '../../lib/new-run.ts'
import type { Row } from '../../lib/results.ts'
import type { Stand } from '../../lib/stands.ts'
import { median, quantile } from '../../lib/stats.ts'

const RUNS = { full: 10_000, quick: 1_000 } as const
const READS = { full: 200, quick: 50 } as const
const TASKS = 3
const AT_ONCE = 256
const RECORDS_PER_SECOND = 20_000

const deps = systemDeps()

export async function* measureReadModel(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  const size = quick ? 'quick' : 'full'
  const folder = await mkdtemp(join(tmpdir(), 'callboard-read-model-'))
  try {
    const runs = await fill(stand.broker, RUNS[size])
    yield await made(stand.broker, folder)
    yield* await read(stand, folder, runs, READS[size])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Logs of runs as a host writes them: an entry per step of the code. */
async function fill(broker: Broker, count: number): Promise<readonly string[]> {
  const runs = Array.from({ length: count }, () => mintId(deps))
  const queue = runs.entries()
  const write = async () => {
    for (const [index, run] of queue) {
      let rev = 0
      for (const records of lifeOf(index)) {
        const texts = encodeEntry({ k: 'head', v: 1, snap: 0 }, records)
        await broker.log.append(run, texts, { expect: rev++ })
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, write))
  return runs
}

function lifeOf(index: number): RunRecord[][] {
  const at = deps.clock.now()
  const created = createdRecord({
    ...newRun('queue'),
    ...{ at, flow: `flow-${index % 50}`, name: `lively-otter-${index}`, tags: ['prod'] },
    parameters: { v: { city: 'Rome', days: index % 7 } },
  })
  const tasks = Array.from({ length: TASKS }, (_, task): RunRecord[][] => {
    const id = `fetch-${task}`
    const lines = [{ at, level: 'info', message: `fetched the weather of Rome, part ${task}`, task: id }]
    return [
      [
        { k: 'task+', id, at, task: 'fetch', policy: { retries: 0, timeoutMs: null } },
        { k: 'task', id, e: { type: 'START', at }, s: 'RUNNING.Running' },
      ],
      [
        {
          k: 'task',
          id,
          e: { type: 'COMPLETE', at, result: { v: { degrees: 21 } } },
          s: 'COMPLETED.Completed',
        },
        { k: 'note', at, kind: 'log', data: { lines } },
      ],
    ]
  })
  return [
    [created],
    [
      { k: 'flow', e: { type: 'CLAIM', at, worker: 'w' }, s: 'PENDING.Pending' },
      { k: 'flow', e: { type: 'START', at }, s: 'RUNNING.Running' },
    ],
    ...tasks.flat(),
    [{ k: 'flow', e: { type: 'COMPLETE', at, result: { v: null } }, s: 'COMPLETED.Completed' }],
  ]
}

async function made(broker: Broker, folder: string): Promise<Row> {
  const model = new ReadModel({ place: folder, broker: broker.url, logger: silentLogger })
  const feed = createFeed(broker, model, deps)
  const live = Promise.withResolvers<void>()
  const end = await broker.log.end()
  feed.listen((entries) => {
    const last = entries.at(-1)
    if (last !== undefined && broker.log.compare(last.cursor, end) >= 0) live.resolve()
  })
  const busy = process.cpuUsage()
  const from = deps.clock.monotonic()
  await feed.start()
  await live.promise
  const seconds = (deps.clock.monotonic() - from) / 1_000
  const { system, user } = process.cpuUsage(busy)
  const { records } = model.figures
  await feed.stop()
  model.close()
  return {
    workload: 'the read model made from the log, records',
    unit: '/s',
    value: records / seconds,
    target: { kind: 'rate', atLeast: RECORDS_PER_SECOND },
    note: `${records} records; ${Math.round(records / ((system + user) / 1e6))} per second of processor time`,
  }
}

async function read(
  { broker, url }: Stand,
  folder: string,
  runs: readonly string[],
  samples: number,
): Promise<Row[]> {
  const options = { brokerUrl: url, serverPort: 0, serverRateLimit: 0, serverStore: folder }
  const { settings } = resolveSettings([optionsSource('the bench', options)], { home: '/' })
  const gateway = createGateway({ broker, deps, settings })
  await gateway.start()
  const reads = {
    'GET a run': () => `/flow-runs/${runs[Math.floor(deps.random.next() * runs.length)]}`,
    'GET 50 runs by flow, state and tag': () => '/flow-runs?flow=flow-7&state=COMPLETED&tag=prod',
    'GET 50 runs by a part of their name': () => '/flow-runs?name=otter-12',
    'GET 50 lines by their words': () => '/logs?q=weather%20rome',
    'GET how many there are': () => '/flow-runs/counts',
  }
  const rows: Row[] = []
  for (const [workload, path] of Object.entries(reads)) {
    const times: number[] = []
    for (let sample = 0; sample < samples; sample++) {
      const at = deps.clock.monotonic()
      const response = await fetch(`${gateway.url}/api/v1${path()}`)
      const body = (await response.json()) as Page<FlowRun> | FlowRun
      times.push(deps.clock.monotonic() - at)
      if (response.status !== 200 || Object.keys(body).length === 0)
        throw new Error(`${workload} answered nothing.`)
    }
    rows.push({
      workload: `${workload}, of ${runs.length}`,
      unit: 'ms',
      value: median(times),
      p99: quantile(times, 0.99),
    })
  }
  await gateway.stop()
  return rows
}
