import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WORKERS_BUCKET, workerAddress } from '../../src/actors/index.ts'
import { createPool, createQueue } from '../../src/catalog/index.ts'
import { stressService } from '../../src/testing/index.ts'
import type { Worker, WorkerStatus } from '../../src/worker/index.ts'
import { createWorker } from '../../src/worker/index.ts'
import { doors, openDoor, resetDoors, untilCame } from './fixtures/doors.ts'
import { messageIn, type WorkerStage, workerStage } from './stage.ts'

let stage: WorkerStage
beforeEach(async () => {
  resetDoors()
  stage = await workerStage()
})
afterEach(() => stage[Symbol.asyncDispose]())

/** Resolves once the worker's status is so. */
function untilStatus(worker: Worker, check: (status: WorkerStatus) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (status: WorkerStatus) => {
      if (!check(status)) return
      stop()
      resolve()
    }
    const stop = worker.onChange(look)
    look(worker.status())
  })
}

const startDoors = (...names: string[]) =>
  Promise.all(names.map((name) => stage.start('door/test', { name })))

describe('a worker that joins', () => {
  test('makes the default pool when nobody has, and says what it serves', async () => {
    const worker = await stage.worker({ name: 'ada', limit: 5 })
    expect(await stage.catalog.pools.find('default')).toBeDefined()
    expect(worker.status()).toMatchObject({
      state: 'ready',
      name: 'ada',
      pool: 'default',
      queues: ['default'],
    })
    expect(stage.logged).toContain(
      "info: Worker 'ada' started: pool default, queue default, limit 5, infrastructure inline",
    )
  })

  test('[prefect 64] is known by its lease for as long as it is there', async () => {
    const worker = await stage.worker({ name: 'ada', limit: 5 })
    const bucket = await stage.broker.kv.bucket(WORKERS_BUCKET)
    const { worker: id } = worker.status()
    expect((await bucket.get(id))?.value).toMatchObject({
      ...{ worker: id, name: 'ada', pid: process.pid, pools: ['default'], workQueues: ['default/default'] },
      ...{ queues: ['default__default'], slots: 5, infrastructure: 'inline', status: 'ready' },
      capabilities: ['inline', 'thread', 'process'],
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    })
    await worker.stop()
    expect(await bucket.get(id)).toBeUndefined()
    expect(worker.status().state).toBe('stopped')
  })

  test('refuses a pool or a queue that is not there, and says how to make it', async () => {
    await createPool(stage.catalog, { name: 'big' })
    await expect(stage.worker({ pool: 'bgi' })).rejects.toMatchObject({
      code: 'CB_E_CATALOG_MISSING',
      message:
        "There is no work pool 'bgi'. Did you mean 'big'? Make it with: callboard work-pool create bgi",
    })
    await expect(stage.worker({ pool: 'big', queues: ['fast'] })).rejects.toMatchObject({
      message:
        "There is no work queue 'fast' in the pool 'big'. Make it with: callboard work-queue create fast --pool big",
    })
  })

  test('refuses a limit that lets nothing run', () => {
    const { broker, deps, settings } = stage
    expect(() => createWorker({ broker, deps, settings, limit: 0 })).toThrow('whole number, 1 or more')
  })

  test('keeps the start and stop contract', async () => {
    const { broker, deps, settings } = stage
    await stressService(() => createWorker({ broker, deps, settings, infrastructure: 'inline' }))
  })
})

describe('what a worker serves', () => {
  test('is all queues of its pool, also those that come later, and no other', async () => {
    await createPool(stage.catalog, { name: 'other' })
    await stage.worker()
    await stage.deploy('add', { queue: 'late' })
    await stage.deploy('where', { pool: 'other' })
    const elsewhere = await stage.start('where/test')
    const run = await stage.start('add/test', { a: 20, b: 22 })
    await createQueue(stage.catalog, { pool: 'default', name: 'late' })
    expect(await stage.result(run)).toBe(42)
    expect((await stage.stateOf(elsewhere)).flow.tag).toBe('SCHEDULED.Scheduled')
  })

  test('is only the queues that it is told, when it is told any', async () => {
    await createPool(stage.catalog, { name: 'default' })
    for (const name of ['a', 'b', 'c']) await createQueue(stage.catalog, { pool: 'default', name })
    const worker = await stage.worker({ queues: ['a', 'c'] })
    expect(worker.status().queues).toEqual(['a', 'c'])
  })

  test('[prefect 62] comes strictly by the priority of its queue, then by age', async () => {
    await createPool(stage.catalog, { name: 'default' })
    await createQueue(stage.catalog, { pool: 'default', name: 'slow', priority: 200 })
    await createQueue(stage.catalog, { pool: 'default', name: 'fast', priority: 1 })
    for (const queue of ['slow', 'default', 'fast']) {
      await stage.deploy('door', { name: queue, queue })
      for (const n of [1, 2]) await stage.start(`door/${queue}`, { name: `${queue}-${n}` })
    }
    const order = ['fast-1', 'fast-2', 'default-1', 'default-2', 'slow-1', 'slow-2']
    for (const name of order) openDoor(name)
    await stage.worker({ limit: 1 })
    await untilCame((came) => came.length === 6)
    expect(doors().came).toEqual(order)
  })

  test('changes order when a priority does', async () => {
    await createPool(stage.catalog, { name: 'default' })
    await createQueue(stage.catalog, { pool: 'default', name: 'other', priority: 200 })
    const worker = await stage.worker()
    expect(worker.status().queues).toEqual(['default', 'other'])
    await stage.catalog.queues.update('default/other', () => ({ priority: 1 }))
    await untilStatus(worker, ({ queues }) => queues.join() === 'other,default')
  })

  test.each(['pool', 'queue'])(
    'is nothing while its %s is paused, and goes on at once after',
    async (kind) => {
      const worker = await stage.worker({ name: 'ada' })
      const pause = (paused: boolean) =>
        kind === 'pool'
          ? stage.catalog.pools.update('default', () => ({ paused }))
          : stage.catalog.queues.update('default/default', () => ({ paused }))
      await pause(true)
      await untilStatus(worker, ({ queues }) => queues.length === 0)
      await stage.deploy('add')
      const run = await stage.start('add/test')
      expect(await stage.broker.queue.depth('default__default')).toBe(1)
      await pause(false)
      expect(await stage.result(run)).toBe(2)
      expect(stage.logged).toContain("info: Worker 'ada' now serves no queue (all are paused)")
    },
  )
})

describe('how much a worker takes', () => {
  test('is its limit, over all its queues, and one more for each that ends', async () => {
    await createPool(stage.catalog, { name: 'default' })
    await createQueue(stage.catalog, { pool: 'default', name: 'other' })
    await stage.deploy('door')
    await stage.deploy('door', { name: 'other', queue: 'other' })
    const worker = await stage.worker({ limit: 3 })
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const runs = await startDoors(...names.slice(0, 4))
    for (const name of names.slice(4)) runs.push(await stage.start('door/other', { name }))
    await untilCame((came) => came.length === 3)
    expect(worker.status()).toMatchObject({ busy: 3, hosted: 3 })
    for (const name of names) openDoor(name)
    for (const run of runs) await stage.result(run)
    expect(doors()).toMatchObject({ most: 3, at: 0 })
  })

  test('does not count what only waits', async () => {
    await stage.deploy('idle')
    await stage.deploy('add')
    const worker = await stage.worker({ limit: 1 })
    openDoor('idle')
    await stage.start('idle/test')
    await untilStatus(worker, ({ busy, hosted }) => busy === 0 && hosted === 1)
    expect(await stage.result(await stage.start('add/test'))).toBe(2)
  })

  test('is shared by all workers of a pool that has a limit', async () => {
    await createPool(stage.catalog, { name: 'default', limit: 2 })
    await stage.deploy('door')
    await Promise.all([stage.worker({ limit: 3 }), stage.worker({ limit: 3 })])
    const names = ['a', 'b', 'c', 'd', 'e']
    const runs = await startDoors(...names)
    await untilCame((came) => came.length === 2)
    const waiting = await Promise.all(
      runs.map((run) => stage.until(run, 'Running', 'AwaitingConcurrencySlot')),
    )
    expect(waiting).toHaveLength(5)
    for (const name of names) openDoor(name)
    for (const run of runs) await stage.result(run)
    expect(doors().most).toBe(2)
  })

  test('of a full queue leaves the room to the others', async () => {
    await createPool(stage.catalog, { name: 'default' })
    await createQueue(stage.catalog, { pool: 'default', name: 'full', priority: 1, limit: 1 })
    await stage.deploy('door', { queue: 'full' })
    await stage.deploy('add')
    await stage.worker({ limit: 2 })
    const [first, second, third] = await startDoors('a', 'b', 'c')
    await untilCame((came) => came.length === 1)
    expect(await stage.result(await stage.start('add/test'))).toBe(2)
    for (const name of ['a', 'b', 'c']) openDoor(name)
    for (const run of [first, second, third]) await stage.result(run ?? '')
    expect(doors().most).toBe(1)
  })

  test('[prefect 79] of a deployment is its limit; one more waits or is cancelled, as it says', async () => {
    await stage.deploy('door', { limit: 1, limitStrategy: 'cancelNew' })
    await stage.worker()
    const [first = ''] = await startDoors('a')
    await stage.until(first, 'Running')
    const [second = ''] = await startDoors('b')
    expect(messageIn(await stage.until(second, 'Cancelled'))).toContain('deployment:door/test')
    openDoor('a')
    await stage.result(first)
    await stage.catalog.deployments.update('door/test', () => ({ limitStrategy: 'enqueue' }))
    const [third = ''] = await startDoors('c')
    await untilCame((came) => came.includes('c'))
    const [fourth = ''] = await startDoors('d')
    openDoor('d')
    await stage.until(fourth, 'AwaitingConcurrencySlot')
    openDoor('c')
    await stage.result(third)
    await stage.result(fourth)
  })

  test('of a limit counts a run once, however many flows of its file it calls', async () => {
    await createPool(stage.catalog, { name: 'default', limit: 1 })
    await stage.deploy('outer')
    await stage.worker({ limit: 1 })
    expect(await stage.result(await stage.start('outer/test', { n: 3 }))).toBe(7)
  })

  test('is spread over two workers: limits of 2 and 3 and 50 runs', async () => {
    await stage.deploy('door')
    await Promise.all([stage.worker({ limit: 2, name: 'two' }), stage.worker({ limit: 3, name: 'three' })])
    const names = Array.from({ length: 50 }, (_, n) => `n${n}`)
    const runs = await startDoors(...names)
    for (let n = 5; n <= 50; n++) {
      await untilCame((came) => came.length >= n)
      expect(doors().at).toBe(5)
      openDoor(doors().came[n - 5] ?? '')
    }
    for (const name of names) openDoor(name)
    const hosts = new Map<string, number>()
    for (const run of runs) {
      await stage.result(run)
      for (const record of await stage.until(run, 'Completed'))
        if (record.k === 'flow' && record.e.type === 'CLAIM')
          hosts.set(record.e.worker, (hosts.get(record.e.worker) ?? 0) + 1)
    }
    expect(doors().most).toBe(5)
    expect([...hosts.values()].reduce((sum, count) => sum + count)).toBe(50)
    expect(Math.min(...hosts.values())).toBeGreaterThanOrEqual(10)
  })
})

describe('the end of a worker', () => {
  test('[scenario 25] lets runs go on to their end', async () => {
    await stage.deploy('door')
    const worker = await stage.worker()
    const [run = ''] = await startDoors('a')
    await untilCame((came) => came.length === 1)
    const stopped = worker.stop()
    await untilStatus(worker, ({ state }) => state === 'draining')
    openDoor('a')
    await stopped
    expect((await stage.stateOf(run)).flow.tag).toBe('COMPLETED.Completed')
  })

  test('[scenario 25] hands over what has come to rest, and what takes too long; another worker goes on', async () => {
    await stage.deploy('steps')
    await stage.deploy('door')
    const worker = await stage.worker({ drainMs: 1_000 })
    const run = await stage.start('steps/test', { name: 'a' })
    const [long = ''] = await startDoors('b')
    await untilCame((came) => came.length === 2)
    const stopped = worker.stop()
    openDoor('a-1')
    await stopped
    for (const id of [run, long])
      expect((await stage.stateOf(id)).flow.tag).toBe('SCHEDULED.AwaitingRecovery')
    await stage.worker()
    openDoor('a-2')
    openDoor('b')
    expect(await stage.result(run)).toBe('a')
    expect(await stage.result(long)).toBe('b')
    expect(doors().came.filter((name) => name === 'a-1')).toHaveLength(1)
    expect((await stage.stateOf(run)).flow.context.recoveryCount).toBe(0)
  })

  test('comes with its last run when it is asked to drain', async () => {
    await stage.deploy('door')
    const worker = await stage.worker()
    const [run = ''] = await startDoors('a')
    await untilCame((came) => came.length === 1)
    await stage.broker.bus.request(workerAddress(worker.status().worker), { op: 'drain' })
    expect(worker.status().state).toBe('draining')
    const [next = ''] = await startDoors('b')
    openDoor('a')
    await worker.done
    expect((await stage.stateOf(run)).flow.tag).toBe('COMPLETED.Completed')
    expect((await stage.stateOf(next)).flow.tag).toBe('SCHEDULED.Scheduled')
  })

  test('that runs once comes when nothing waits any more and its runs are over', async () => {
    await stage.deploy('door')
    const runs = await startDoors('a', 'b', 'c')
    const worker = await stage.worker({ runOnce: true, limit: 1 })
    for (const name of ['a', 'b', 'c']) openDoor(name)
    await worker.done
    for (const run of runs) expect((await stage.stateOf(run)).flow.tag).toBe('COMPLETED.Completed')
  })

  test('that runs once comes also before that, when it is stopped', async () => {
    await stage.deploy('door')
    await startDoors('a')
    const worker = await stage.worker({ runOnce: true, drainMs: 100 })
    await untilCame((came) => came.length === 1)
    await worker.stop()
    await worker.done
    openDoor('a')
  })

  test('that runs once comes at once when there is nothing', async () => {
    const worker = await stage.worker({ runOnce: true })
    await worker.done
  })
})

describe('the health endpoint', () => {
  const ask = async (worker: Worker, path = '/health') => {
    const response = await fetch(`http://127.0.0.1:${worker.status().healthcheckPort}${path}`)
    return { status: response.status, body: (await response.json()) as object }
  }

  test('tells what the worker does, and that it has its lease', async () => {
    const worker = await stage.worker({ healthcheckPort: 0, name: 'ada' })
    expect(await ask(worker)).toMatchObject({
      status: 200,
      body: { state: 'ready', name: 'ada', hosted: 0, limit: 10, queues: ['default'] },
    })
    expect((await ask(worker, '/other')).status).toBe(404)
  })

  test('says so on a port that somebody else has', async () => {
    const worker = await stage.worker({ healthcheckPort: 0 })
    const { healthcheckPort } = worker.status()
    await expect(stage.worker({ healthcheckPort })).rejects.toMatchObject({ code: 'CB_E_OPTION_INVALID' })
  })
})

describe('a run whose code cannot be had', () => {
  test('ends Crashed, and says that its deployment is gone', async () => {
    await stage.deploy('add')
    const run = await stage.start('add/test')
    await stage.catalog.deployments.delete('add/test')
    await stage.worker()
    expect(messageIn(await stage.until(run, 'Crashed'))).toContain("There is no deployment 'add/test'.")
  })

  test('[prefect 53] ends Crashed, and says which file is missing', async () => {
    await stage.deploy('add', { entrypoint: 'gone.ts:add' })
    await stage.worker()
    const run = await stage.start('add/test')
    expect(messageIn(await stage.until(run, 'Crashed'))).toContain('gone.ts')
  })

  test('ends Crashed, and says which export is missing and which there are', async () => {
    await stage.deploy('add', { entrypoint: 'flows.ts:adds' })
    await stage.worker()
    const run = await stage.start('add/test')
    expect(messageIn(await stage.until(run, 'Crashed'))).toMatch(
      /no export 'adds'.*'add'.*Did you mean 'add'/,
    )
  })

  test('ends Crashed when it never had a deployment', async () => {
    await stage.worker()
    const run = await stage.startBare({ flow: 'add', queue: 'default__default' })
    expect(messageIn(await stage.until(run, 'Crashed'))).toContain('names no deployment')
  })
})

describe('what code runs on', () => {
  test.each(['inline', 'thread', 'process'] as const)(
    'is a kind that its deployment names: %s',
    async (type) => {
      await stage.deploy('where', { infrastructure: { type } })
      await stage.worker({ infrastructure: type === 'inline' ? 'process' : 'inline', spares: 0 })
      const result = (await stage.result(await stage.start('where/test'))) as {
        pid: number
        isWorkerThread: boolean
      }
      expect(result.isWorkerThread).toBe(type === 'thread')
      expect(result.pid === process.pid).toBe(type !== 'process')
    },
  )

  test('is what its worker says, then what its pool says, and has the variables of pool and deployment', async () => {
    await createPool(stage.catalog, {
      name: 'default',
      infrastructure: { type: 'process', env: { COLOR: 'red' } },
    })
    await stage.deploy('where')
    await stage.deploy('where', { name: 'blue', infrastructure: { env: { COLOR: 'blue' } } })
    const worker = await stage.worker({ infrastructure: undefined })
    expect(worker.status().infrastructure).toBe('process')
    expect(await stage.result(await stage.start('where/test'))).toMatchObject({ color: 'red' })
    expect(await stage.result(await stage.start('where/blue'))).toMatchObject({ color: 'blue' })
  })
})
