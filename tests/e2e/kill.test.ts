/** Real processes, killed and frozen while they work: what is in the log is never done again, and runs end elsewhere. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  createRun,
  decodeEntry,
  isTerminalTag,
  openRun,
  type RunRecord,
  type RunState,
  workerAddress,
} from '../../src/actors/index.ts'
import { type Broker, type Entry, openBroker } from '../../src/broker/index.ts'
import { isJsonObject, systemDeps } from '../../src/core/index.ts'
import { startNats } from '../support/nats-server.ts'
import { STEPS, SUM, startWorker, stepsOf, TWENTY_STEPS, type WorkerProcess } from '../support/workers.ts'

const PATIENCE_MS = 90_000
const LEASE_MS = 3_000

/** The test's own place in the cluster: it starts runs and follows every log. */
interface Watch extends AsyncDisposable {
  readonly broker: Broker
  readonly file: string
  start(): Promise<string>
  worker(name: string): Promise<WorkerProcess>
  /** Resolves with the records of a run, as soon as `wanted` holds of them. */
  until(run: string, wanted: (records: readonly RunRecord[]) => boolean): Promise<readonly RunRecord[]>
  stateOf(run: string): Promise<RunState>
  /** How many runs a worker says it hosts; undefined when it says nothing. */
  hostedBy(worker: string): Promise<number | undefined>
}

async function watch(url: string): Promise<Watch> {
  const folder = await mkdtemp(join(tmpdir(), 'callboard-e2e-'))
  const file = join(folder, 'steps')
  await writeFile(file, '')
  const deps = systemDeps()
  const broker = await openBroker(url, deps)
  await broker.start()
  const logs = new Map<string, RunRecord[]>()
  const lookers = new Set<() => void>()
  const following = await broker.log.follow({ partitions: 'all' }, 'start', (entries: readonly Entry[]) => {
    for (const entry of entries) {
      const records = logs.get(entry.subject) ?? []
      records.push(...decodeEntry(entry))
      logs.set(entry.subject, records)
    }
    for (const look of lookers) look()
  })
  const workers: WorkerProcess[] = []
  return {
    broker,
    file,
    start: async () => (await createRun(broker, deps, TWENTY_STEPS)).run,
    async worker(name) {
      const worker = await startWorker(url, file, name, LEASE_MS)
      workers.push(worker)
      return worker
    },
    until: (run, wanted) =>
      new Promise((resolve) => {
        const look = () => {
          const records = logs.get(run) ?? []
          if (!wanted(records)) return
          lookers.delete(look)
          resolve(records)
        }
        lookers.add(look)
        look()
      }),
    async stateOf(run) {
      const state = await openRun(broker, deps, run)
      if (state === undefined) throw new Error(`There is no run ${run}.`)
      return state
    },
    async hostedBy(worker) {
      const reply = await broker.bus.request(workerAddress(worker), { op: 'describe' })
      const facts = reply.outcome === 'reply' ? reply.value : null
      return isJsonObject(facts) ? Number(facts.hosted) : undefined
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()))
      await following.stop()
      await broker.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const hasEnded = (records: readonly RunRecord[]) =>
  records.some((record) => record.k === 'flow' && isTerminalTag(record.s))

const isLoss = (record: RunRecord) => record.k === 'flow' && record.e.type === 'HOST_LOST'
const isCompletion = (record: RunRecord) => record.k === 'task' && record.e.type === 'COMPLETE'

/** How often the log says that this step completed. */
const completions = (records: readonly RunRecord[], step: number) =>
  records.filter(
    (record) => record.k === 'task' && record.id === `step-${step}` && record.e.type === 'COMPLETE',
  ).length

/** Right result; every step's result once in the log. */
async function expectWhole(at: Watch, run: string): Promise<readonly RunRecord[]> {
  const records = await at.until(run, hasEnded)
  const { flow, result } = await at.stateOf(run)
  expect(flow.tag).toBe('COMPLETED.Completed')
  expect(result).toEqual({ v: SUM })
  for (let step = 0; step < STEPS; step++) expect(completions(records, step), `step ${step}`).toBe(1)
  return records
}

/**
 * The bodies: each step ran. One that had no result in the log when its host was given up ran in vain, at most one each
 * time; all others ran exactly once.
 */
async function expectNoRepeats(at: Watch, run: string, records: readonly RunRecord[]): Promise<void> {
  const steps = (await stepsOf(at.file, run)).map(({ step }) => step)
  expect(new Set(steps).size).toBe(STEPS)
  expect(steps.length - STEPS).toBeLessThanOrEqual(records.filter(isLoss).length)
}

/** Two workers and a run that one of them has in its hands, some steps done. */
async function underWay(at: Watch, step = 8) {
  const workers = await Promise.all([at.worker('ada'), at.worker('bob')])
  const run = await at.start()
  const host = await Promise.race(
    workers.map(async (worker) => {
      await worker.reached(run, step)
      return worker
    }),
  )
  const other = workers.find((worker) => worker !== host)
  if (other === undefined) throw new Error('Both workers are the host.')
  return { run, host, other }
}

async function killTheHost(at: Watch): Promise<void> {
  const { run, host } = await underWay(at)
  await host.kill()
  const before = await stepsOf(at.file, run)
  const atLoss = await at.until(run, (records) => records.some(isLoss))
  const kept = atLoss.slice(0, atLoss.findLastIndex(isLoss)).filter(isCompletion).length
  expect(kept).toBeGreaterThanOrEqual(8)
  await expectNoRepeats(at, run, await expectWhole(at, run))
  const after = (await stepsOf(at.file, run)).slice(before.length).map(({ step }) => step)
  expect(Math.min(...after)).toBeGreaterThanOrEqual(kept)
}

async function freezeTheHost(at: Watch): Promise<void> {
  const { run, host } = await underWay(at)
  host.freeze()
  const records = await expectWhole(at, run)
  const history = await historyOf(at, run)
  host.thaw()
  while ((await at.hostedBy(host.name)) !== 0); // it has noticed
  await host.stop()
  expect(await historyOf(at, run)).toEqual(history)
  await expectNoRepeats(at, run, records)
  expect((await at.stateOf(run)).flow.context.epoch).toBeGreaterThan(1)
}

async function historyOf(at: Watch, run: string): Promise<readonly Entry[]> {
  return Array.fromAsync(at.broker.log.read(run))
}

describe('on NATS', { timeout: PATIENCE_MS }, () => {
  test('a run whose worker is killed in the middle is completed by another, and nothing in the log is run again', async () => {
    await using server = await startNats()
    await using at = await watch(server.url)
    await killTheHost(at)
  })

  test('a worker that stood still past its lease finds itself fenced: the run has ended elsewhere and its history stays', async () => {
    await using server = await startNats()
    await using at = await watch(server.url)
    await freezeTheHost(at)
  })

  test('runs that are going on when the server itself is killed complete once it is back, with every acknowledged step', async () => {
    await using server = await startNats()
    await using at = await watch(server.url)
    const workers = await Promise.all([at.worker('ada'), at.worker('bob')])
    const runs = await Promise.all(Array.from({ length: 12 }, () => at.start()))
    await Promise.all(runs.map((run) => Promise.race(workers.map((worker) => worker.reached(run, 5)))))
    const acknowledged = await Promise.all(runs.map((run) => historyOf(at, run)))
    await server.kill()
    await server.start()
    for (const [i, run] of runs.entries()) {
      await expectNoRepeats(at, run, await expectWhole(at, run))
      const before = acknowledged[i] ?? []
      expect((await historyOf(at, run)).slice(0, before.length)).toEqual(before)
    }
  })
})

describe('on the embedded broker', { timeout: PATIENCE_MS }, () => {
  test('a run whose worker is killed in the middle is completed by another, and nothing in the log is run again', async () => {
    await using place = await folder()
    await using at = await watch(place.url)
    await killTheHost(at)
  })

  test('a worker that stood still past its lease finds itself fenced: the run has ended elsewhere and its history stays', async () => {
    await using place = await folder()
    await using at = await watch(place.url)
    await freezeTheHost(at)
  })
})

async function folder(): Promise<AsyncDisposable & { readonly url: string }> {
  const path = await mkdtemp(join(tmpdir(), 'callboard-e2e-store-'))
  return {
    url: `embedded:${path}`,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
