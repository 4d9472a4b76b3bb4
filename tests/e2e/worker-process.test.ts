/** The process of a worker: its signals, its exit codes, its lines, and how it gets along without its broker. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createPool, ensureDefaultPool } from '../../src/catalog/index.ts'
import { type ClusterView, clusterView } from '../support/cluster-view.ts'
import { startNats } from '../support/nats-server.ts'
import { launchPoolWorker, type PoolWorkerOptions, startPoolWorker } from '../support/pool-workers.ts'

const PATIENCE_MS = 60_000
const FIXTURES = join(import.meta.dirname, 'fixtures')

async function folder(): Promise<AsyncDisposable & { readonly path: string; readonly url: string }> {
  const path = await mkdtemp(join(tmpdir(), 'callboard-worker-'))
  return {
    path,
    url: `embedded:${join(path, 'store')}`,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

const optionsOn = (brokerUrl: string, more: Partial<PoolWorkerOptions> = {}): PoolWorkerOptions => ({
  ...{ brokerUrl, leaseMs: 1_500, name: 'ada', infrastructure: 'inline', limit: 4 },
  ...more,
})

const deploy = (at: ClusterView, flow: string) =>
  at.deploy({ flow, path: FIXTURES, entrypoint: `flows.ts:${flow}` })

const completions = (records: readonly { readonly k: string; readonly e?: object }[]) =>
  records.filter(({ k, e }) => k === 'task' && e !== undefined && 'type' in e && e.type === 'COMPLETE').length

describe('a worker process', { timeout: PATIENCE_MS }, () => {
  test('says what it is, ends in good order when it is told to, and says so', async () => {
    await using place = await folder()
    await using worker = await startPoolWorker(optionsOn(place.url))
    worker.terminate()
    expect(await worker.exited).toBe(0)
    expect(worker.lines).toEqual([
      "The work pool 'default' was not there and has been made",
      "Worker 'ada' started: pool default, queue default, limit 4, infrastructure inline",
      'SIGTERM: stopping; once more ends it at once',
      "Worker 'ada' stops",
      "Worker 'ada' stopped",
    ])
  })

  test('ends at once when it is told twice, with the code it runs', async () => {
    await using place = await folder()
    await using at = await clusterView(place.url)
    await using worker = await startPoolWorker(optionsOn(place.url, { infrastructure: 'process', spares: 0 }))
    await deploy(at, 'stuck')
    const file = join(place.path, 'did')
    await writeFile(file, '')
    const run = await at.start('stuck/test', { file })
    await at.until(run, (records) => completions(records) === 1)
    worker.terminate()
    await worker.said('a run has 10 s to end')
    worker.terminate()
    expect(await worker.exited).toBe(143)
    const program = (await readFile(file, 'utf8')).trim()
    while (!(await isDead(program))); // its guard sees to it
  })

  test('that cannot start says why, and exits with 1', async () => {
    await using place = await folder()
    await using worker = launchPoolWorker(optionsOn(place.url, { pool: 'big' }))
    expect(await worker.exited).toBe(1)
    expect(worker.lines.at(-1)).toBe(
      "The worker cannot go on: There is no work pool 'big'. Make it with: callboard work-pool create big",
    )
  })

  test('that runs once does what there is, and ends', async () => {
    await using place = await folder()
    await using at = await clusterView(place.url)
    await createPool(at.catalog, { name: 'default' })
    await deploy(at, 'add')
    const runs = []
    for (let n = 0; n < 10; n++) runs.push(await at.start('add/test', { a: n, b: 1 }))
    await using worker = launchPoolWorker(optionsOn(place.url, { runOnce: true, limit: 3 }))
    expect(await worker.exited).toBe(0)
    for (const [n, run] of runs.entries()) expect((await at.end(run)).result).toBe(n + 1)
  })

  test('that is started before its broker joins as soon as it is there', async () => {
    await using server = await startNats()
    await server.stop()
    await using worker = launchPoolWorker(optionsOn(server.url))
    await worker.said('It is tried again in')
    await server.start()
    await worker.said("Worker 'ada' started")
    worker.terminate()
    expect(await worker.exited).toBe(0)
  })

  test('is called off before that without further ado', async () => {
    await using server = await startNats()
    await server.stop()
    await using worker = launchPoolWorker(optionsOn(server.url))
    await worker.said('It is tried again in')
    worker.terminate()
    expect(await worker.exited).toBe(0)
  })

  test('outlives its broker: it says that it is away, is unhealthy without its lease, and goes on when it is back', async () => {
    await using server = await startNats()
    await using worker = await startPoolWorker(optionsOn(server.url, { healthcheckPort: 0 }))
    const [url = ''] = /http:.*/.exec(await worker.said('tells its health')) ?? []
    const health = () => fetch(url)
    expect((await health()).status).toBe(200)
    await server.kill()
    await worker.said('The broker is away')
    while ((await health()).status !== 503);
    expect(await (await health()).json()).toMatchObject({ state: 'away', name: 'ada' })
    await server.start()
    await worker.said('The broker is back')
    while ((await health()).status !== 200);
    await using at = await clusterView(server.url)
    await ensureDefaultPool(at.catalog)
    await deploy(at, 'add')
    expect((await at.end(await at.start('add/test', { a: 1, b: 2 }))).result).toBe(3)
  })
})

/** Dead, or dead and not buried yet. */
async function isDead(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z ')
  return /\) [ZX] /.test(stat)
}
