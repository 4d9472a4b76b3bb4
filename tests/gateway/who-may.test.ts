/** Who sees which runs over REST, and who may do what to them. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BulkAnswer, FlowRun, NewApiKey, Page, Problem } from '../../src/api/index.ts'
import { memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import type { Broker } from '../../src/broker/index.ts'
import { systemDeps } from '../../src/core/index.ts'
import { deploy, startGateway, type TestGateway } from './support/gateway.ts'

const RUNS = '/api/v1/flow-runs'
const deps = systemDeps()
let broker: Broker
let gateway: TestGateway
let keys: Readonly<Record<string, string>>
let weather: FlowRun
let report: FlowRun

beforeAll(async () => {
  broker = memoryBroker(memoryPlace(), deps)
  await broker.start()
  const open = await startGateway({ broker })
  await deploy(open)
  await deploy(open, { flow: 'report', tags: ['prod'] })
  const make = async (name: string, scopes: readonly string[], only?: object) => {
    const body = { name, scopes, ...(only === undefined ? {} : { only }) }
    return (await open.ask<NewApiKey>('POST', '/api/v1/api-keys', { body })).body.key
  }
  keys = {
    reader: await make('reader', ['read']),
    signaller: await make('signaller', ['read', 'signal']),
    runner: await make('runner', ['run', 'read']),
    admin: await make('admin', ['admin']),
    weather: await make('weather', ['read', 'signal', 'run'], { flow: 'weather' }),
    prod: await make('prod', ['read', 'signal'], { tag: 'prod' }),
    pool: await make('pool', ['read', 'signal', 'run'], { pool: 'elsewhere' }),
  }
  const start = async (flow: string) => (await open.ask<FlowRun>('POST', RUNS, { body: { flow } })).body
  weather = await start('weather')
  report = await start('report')
  await open[Symbol.asyncDispose]()
  gateway = await startGateway({ broker, access: 'keys' })
})
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await broker?.stop()
})

const as = (key: string | undefined) => ({
  headers: key === undefined ? undefined : { authorization: `Bearer ${keys[key] ?? key}` },
})

async function ask<T = Problem>(key: string | undefined, method: string, path: string, body?: unknown) {
  const { headers } = as(key)
  return gateway.ask<T>(method, path, {
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
  })
}

const idsFor = async (key: string, query = '') =>
  (await ask<Page<FlowRun>>(key, 'GET', `${RUNS}${query}`)).body.items.map(({ id }) => id).toSorted()

describe('without a key', () => {
  test('nothing is answered but how the gateway is', async () => {
    const { paths } = (
      await ask<{ paths: Record<string, Record<string, object>> }>('admin', 'GET', '/api/openapi.json')
    ).body
    const open: string[] = []
    for (const [path, item] of Object.entries(paths))
      for (const method of Object.keys(item)) {
        const { status } = await ask(undefined, method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'))
        if (status !== 401) open.push(`${method} ${path}`)
      }
    expect(open.toSorted()).toEqual(['get /api/health', 'get /api/ready', 'get /api/version'])
    expect((await ask(undefined, 'GET', '/metrics')).status).toBe(401)
    expect((await ask(undefined, 'GET', '/api/openapi.json')).status).toBe(401)
  })

  test('or with a wrong one, the answer says so', async () => {
    const { body, headers, status } = await ask('cb_made-up', 'GET', RUNS)
    expect([status, body.code, headers.get('www-authenticate')]).toEqual([
      401,
      'CB_E_UNAUTHENTICATED',
      'Bearer',
    ])
  })
})

describe('a key', () => {
  test('does what its scopes say, and nothing else', async () => {
    const statuses = async (key: string) => [
      (await ask(key, 'GET', RUNS)).status,
      (await ask(key, 'POST', `${RUNS}/${weather.id}/resume`)).status,
      (await ask(key, 'POST', RUNS, { flow: 'weather', idempotencyKey: 'the same for all' })).status,
      (await ask(key, 'POST', '/api/v1/variables', { name: 'x', value: 1, tags: 'wrong' })).status,
      (await ask(key, 'DELETE', `${RUNS}/${weather.id}`)).status,
      (await ask(key, 'GET', '/api/v1/settings')).status,
    ]
    expect(await statuses('reader')).toEqual([200, 403, 403, 403, 403, 403])
    expect(await statuses('signaller')).toEqual([200, 409, 403, 403, 403, 403])
    expect(await statuses('runner')).toEqual([200, 403, 201, 403, 403, 403])
    expect(await statuses('admin')).toEqual([200, 409, 200, 400, 409, 200])
  })

  test('of a flow sees its runs, and no others', async () => {
    expect(await idsFor('weather')).not.toContain(report.id)
    expect(await idsFor('weather')).toContain(weather.id)
    expect(await idsFor('weather', '?flow=report')).toEqual([])
    expect((await ask<object>('weather', 'GET', `${RUNS}/counts?flow=report`)).body).toEqual({})
    for (const part of ['', '/states', '/task-runs', '/logs', '/graph', '/parameters', '/result'])
      expect((await ask('weather', 'GET', `${RUNS}/${report.id}${part}`)).status, part).toBe(404)
    expect((await ask('weather', 'GET', `${RUNS}/${weather.id}`)).status).toBe(200)
    expect((await ask('weather', 'GET', `/api/v1/task-runs/${report.id}.x-0`)).body.code).toBe(
      'CB_E_RUN_MISSING',
    )
    expect((await ask('weather', 'GET', `/api/v1/logs?run=${report.id}`)).status).toBe(404)
    expect((await ask('weather', 'GET', `/api/v1/logs?run=${weather.id}`)).status).toBe(200)
  })

  test('of a flow says nothing to other runs, one by one or in bulk, and starts no others', async () => {
    expect((await ask('weather', 'POST', `${RUNS}/${report.id}/cancel`)).status).toBe(404)
    const bulk = await ask<BulkAnswer>('weather', 'POST', `${RUNS}/bulk/cancel`, {
      filter: { id: report.id },
    })
    expect(bulk.body).toMatchObject({ matched: 0, applied: 0 })
    expect((await ask('weather', 'POST', RUNS, { flow: 'report' })).body.code).toBe('CB_E_FORBIDDEN')
    expect((await ask('weather', 'POST', RUNS, { flow: 'weather' })).status).toBe(201)
    expect((await ask<FlowRun>('admin', 'GET', `${RUNS}/${report.id}`)).body.state.name).toBe('Scheduled')
  })

  test('of a tag, or of a pool, is bound to those in the same way', async () => {
    expect(await idsFor('prod')).toEqual([report.id])
    expect(await idsFor('pool')).toEqual([])
    expect((await ask('pool', 'GET', `${RUNS}/${weather.id}`)).status).toBe(404)
    expect((await ask('pool', 'POST', `${RUNS}/${weather.id}/cancel`)).status).toBe(404)
    expect((await ask('pool', 'POST', RUNS, { flow: 'weather' })).status).toBe(403)
    const bulk = await ask<BulkAnswer>('pool', 'POST', `${RUNS}/bulk/cancel`, { filter: {}, dryRun: true })
    expect(bulk.body.matched).toBe(0)
    const counts = await ask<object>('pool', 'GET', `${RUNS}/counts`)
    expect(counts.body).toEqual({})
  })

  test('of a pool sees its runs, whatever the pool is called, and none of a pool called alike', async () => {
    const runs: Record<string, string> = {}
    const keyOf: Record<string, string> = {}
    const make = async <T>(path: string, body: object) =>
      (await ask<T>('admin', 'POST', `/api/v1/${path}`, body)).body
    for (const pool of ['gpu', 'gpu_', 'gpu__large', 'gpu__large__eu']) {
      await make('work-pools', { name: pool })
      const deployment = { flow: 'weather', name: pool, pool, entrypoint: 'a.ts:weather', path: '/flows' }
      await make('deployments', deployment)
      runs[pool] = (await make<FlowRun>('flow-runs', { deployment: `weather/${pool}` })).id
      keyOf[pool] = (await make<NewApiKey>('api-keys', { name: pool, scopes: ['read'], only: { pool } })).key
    }
    for (const [pool, key] of Object.entries(keyOf)) {
      expect(await idsFor(key), pool).toEqual([runs[pool]])
      for (const [other, run] of Object.entries(runs))
        expect((await ask(key, 'GET', `${RUNS}/${run}`)).status, `${pool} asks ${other}`).toBe(
          pool === other ? 200 : 404,
        )
    }
  })

  test('that is bound to some runs has nothing to do with what is about all', async () => {
    for (const path of [
      'logs',
      'events',
      'artifacts',
      'task-runs',
      'workers',
      'deployments',
      'variables',
      'blocks',
      'flows',
      'work-pools',
      'concurrency-limits',
    ])
      expect((await ask('weather', 'GET', `/api/v1/${path}`)).status, path).toBe(403)
  })
})
