/** What is defined by name, over REST: the same few routes for each kind. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WORKERS_BUCKET } from '../../src/actors/index.ts'
import type {
  ApiKey,
  ConcurrencyLimit,
  Deployment,
  Flow,
  NewApiKey,
  Page,
  Problem,
  Setting,
  Worker,
  WorkQueue,
} from '../../src/api/index.ts'
import { LIMITS_BUCKET, limitKey } from '../../src/scheduler/index.ts'
import { startGateway, type TestGateway } from './support/gateway.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await startGateway({ settings: { natsPassword: 'hunter2', natsUser: 'ann' } })
})
afterEach(() => gateway[Symbol.asyncDispose]())

const V1 = '/api/v1'

interface Case {
  readonly path: string
  readonly names: readonly string[]
  readonly given: Readonly<Record<string, unknown>>
  readonly change: Readonly<Record<string, unknown>>
  /** A field that may be left out, and is with null. */
  readonly optional: string
  readonly wrong: Readonly<Record<string, unknown>>
}

const CASES: readonly Case[] = [
  {
    path: 'work-pools',
    names: ['gpu'],
    given: { name: 'gpu', limit: 3 },
    change: { description: 'big ones' },
    optional: 'limit',
    wrong: { limit: -1 },
  },
  {
    path: 'work-queues',
    names: ['default', 'fast'],
    given: { pool: 'default', name: 'fast', priority: 1 },
    change: { limit: 4 },
    optional: 'limit',
    wrong: { priority: 0 },
  },
  {
    path: 'deployments',
    names: ['weather', 'prod'],
    given: { flow: 'weather', name: 'prod', entrypoint: 'a.ts:weather', path: '/flows' },
    change: { tags: ['net'], description: 'hourly' },
    optional: 'description',
    wrong: { limitStrategy: 'perhaps' },
  },
  {
    path: 'variables',
    names: ['city'],
    given: { name: 'city', value: { name: 'Rome' } },
    change: { value: 12 },
    optional: '',
    wrong: { tags: 'no list' },
  },
  {
    path: 'blocks',
    names: ['slack', 'alerts'],
    given: { type: 'slack', name: 'alerts', data: { channel: '#ops' } },
    change: { data: { channel: '#oncall' } },
    optional: '',
    wrong: { secrets: 'no list' },
  },
  {
    path: 'concurrency-limits',
    names: ['tag:db'],
    given: { name: 'tag:db', slots: 2 },
    change: { slots: 3, decayPerSecond: 1 },
    optional: 'decayPerSecond',
    wrong: { slots: 1.5 },
  },
]

describe.each(CASES)('$path', ({ change, given, names, optional, path, wrong }) => {
  const all = `${V1}/${path}`
  const one = `${all}/${names.map(encodeURIComponent).join('/')}`
  const ask = <T = Record<string, unknown> & Problem>(method: string, at: string, body?: unknown) =>
    gateway.ask<T>(method, at, body === undefined ? {} : { body })

  beforeEach(async () => {
    if (path !== 'work-pools') await ask('POST', `${V1}/work-pools`, { name: 'default' })
  })

  test('are made, found, changed and deleted', async () => {
    const made = await ask('POST', all, given)
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject(given)
    expect((await ask('GET', one)).body).toMatchObject(made.body)
    expect((await ask<Page<object>>('GET', all)).body.items).toContainEqual(made.body)
    const changed = await ask('PATCH', one, change)
    expect(changed.status).toBe(200)
    expect(changed.body).toMatchObject({ ...given, ...change })
    expect((await ask('DELETE', one)).status).toBe(204)
    expect((await ask('GET', one)).body).toMatchObject({ status: 404, code: 'CB_E_CATALOG_MISSING' })
    expect((await ask('DELETE', one)).status).toBe(404)
    expect((await ask('PATCH', one, change)).status).toBe(404)
  })

  test('are put in the place of what is there, or made', async () => {
    const { flow: _, name: __, pool: ___, ...rest } = given
    expect((await ask('PUT', one, rest)).status).toBe(200)
    expect((await ask('PUT', one, { ...given, ...change })).body).toMatchObject({ ...given, ...change })
    const renamed = await ask('PUT', one, { ...given, name: 'another' })
    expect(renamed.body).toMatchObject({ status: 400, errors: [{ path: 'name' }] })
  })

  test('are made once under one name', async () => {
    await ask('POST', all, given)
    expect((await ask('POST', all, given)).body).toMatchObject({ status: 409, code: 'CB_E_CATALOG_EXISTS' })
  })

  test('are refused with something wrong in them, and the place is named', async () => {
    const [field = ''] = Object.keys(wrong)
    for (const answered of [await ask('POST', all, { ...given, ...wrong }), await ask('PATCH', one, wrong)]) {
      expect(answered.status).toBe(400)
      expect(answered.body.errors?.[0]?.path).toContain(field)
    }
    expect((await ask('POST', all, { ...given, createdAt: 12 })).body.errors).toEqual([
      { path: 'createdAt', message: 'is not known' },
    ])
    expect((await ask<Page<{ name: string }>>('GET', all)).body.items.map(({ name }) => name)).not.toContain(
      given.name,
    )
  })

  test.skipIf(optional === '')('lose a field that is changed to null', async () => {
    await ask('POST', all, given)
    await ask('PATCH', one, change)
    expect(Object.keys((await ask('GET', one)).body)).toContain(optional)
    await ask('PATCH', one, { [optional]: null })
    expect(Object.keys((await ask('GET', one)).body)).not.toContain(optional)
  })

  const isPausable = !['variables', 'blocks', 'concurrency-limits'].includes(path)
  test.runIf(isPausable)('are paused and go on', async () => {
    await ask('POST', all, given)
    expect((await ask('POST', `${one}/pause`)).body).toMatchObject({ paused: true })
    expect((await ask('POST', `${one}/resume`)).body).toMatchObject({ paused: false })
  })

  test('come in pages', async () => {
    for (const suffix of ['a', 'b', 'c'])
      await ask('POST', all, { ...given, name: `${given.name}-${suffix}` })
    const seen: string[] = []
    let next: string | undefined
    do {
      const cursor = next === undefined ? '' : `&cursor=${next}`
      const { body } = await ask<Page<{ name: string }>>('GET', `${all}?limit=1${cursor}`)
      seen.push(...body.items.map(({ name }) => name))
      next = body.next
    } while (next !== undefined)
    expect(seen.filter((name) => name.startsWith(`${given.name}-`))).toHaveLength(3)
    expect(new Set(seen).size).toBe(path === 'work-queues' ? new Set(seen).size : seen.length)
  })
})

describe('a work pool', () => {
  test('has its queue `default`, which says how many runs wait in it', async () => {
    await gateway.ask('POST', `${V1}/work-pools`, { body: { name: 'gpu' } })
    const queue = await gateway.get<WorkQueue>(`${V1}/work-queues/gpu/default`)
    expect(queue).toMatchObject({ pool: 'gpu', name: 'default', brokerQueue: 'gpu__default', depth: 0 })
    await gateway.broker.queue.enqueue('gpu__default', { run: 'x' }, { id: 'x' })
    expect((await gateway.get<WorkQueue>(`${V1}/work-queues/gpu/default`)).depth).toBe(1)
  })

  test('is needed for a queue', async () => {
    const { status } = await gateway.ask('POST', `${V1}/work-queues`, { body: { pool: 'nobody', name: 'q' } })
    expect(status).toBe(404)
  })
})

describe('a concurrency limit', () => {
  test('is where the scheduler watches for it', async () => {
    await gateway.ask('POST', `${V1}/concurrency-limits`, { body: { name: 'api calls', slots: 5 } })
    const bucket = await gateway.broker.kv.bucket(LIMITS_BUCKET)
    expect((await bucket.get(limitKey('api calls')))?.value).toEqual({
      name: 'api calls',
      slots: 5,
      strategy: 'enqueue',
      active: true,
    })
    const page = await gateway.get<Page<ConcurrencyLimit>>(`${V1}/concurrency-limits`)
    expect(page.items).toEqual([{ name: 'api calls', slots: 5, strategy: 'enqueue', active: true }])
  })
})

describe('an API key', () => {
  test('is shown once; only its hash is kept, and nobody is shown that', async () => {
    const made = await gateway.ask<NewApiKey>('POST', `${V1}/api-keys`, {
      body: { name: 'ci', scopes: ['read'], expiresAt: '2031-01-01T00:00:00.000Z' },
    })
    expect(made.status).toBe(201)
    expect(made.body.key).toMatch(/^cb_[\w-]{43}$/)
    expect(made.body.apiKey).toMatchObject({
      name: 'ci',
      scopes: ['read'],
      expiresAt: '2031-01-01T00:00:00.000Z',
    })
    const listed = JSON.stringify(await gateway.get<Page<ApiKey>>(`${V1}/api-keys`))
    expect(listed).toContain('"ci"')
    expect(listed).not.toMatch(/hash|cb_/)
    expect((await gateway.ask('DELETE', `${V1}/api-keys/ci`)).status).toBe(204)
    expect((await gateway.ask('DELETE', `${V1}/api-keys/ci`)).status).toBe(404)
  })
})

describe('flows', () => {
  test('are those with runs and those with deployments', async () => {
    await gateway.ask('POST', `${V1}/work-pools`, { body: { name: 'default' } })
    const body = { flow: 'weather', name: 'prod', entrypoint: 'a.ts:weather', path: '/flows' }
    await gateway.ask<Deployment>('POST', `${V1}/deployments`, { body })
    expect(await gateway.get(`${V1}/flows/weather`)).toEqual({
      name: 'weather',
      runs: {},
      versions: [],
      deployments: ['weather/prod'],
    })
    await gateway.ask('POST', `${V1}/flow-runs`, { body: { flow: 'weather' } })
    expect((await gateway.get<Page<Flow>>(`${V1}/flows`)).items).toMatchObject([
      { name: 'weather', runs: { SCHEDULED: 1 } },
    ])
    expect((await gateway.ask('GET', `${V1}/flows/nobody`)).status).toBe(404)
  })
})

describe('workers', () => {
  test('are those whose leases are there, with what they say of themselves', async () => {
    const bucket = await gateway.broker.kv.bucket(WORKERS_BUCKET)
    const facts = {
      worker: 'w1',
      status: 'draining',
      queues: ['q'],
      slots: 4,
      hosted: 1,
      startedAt: 1_000,
      name: 'box',
      pid: 12,
      pools: ['default'],
    }
    await bucket.put('w1', facts)
    await bucket.put('w2', 'nonsense')
    let items: readonly Worker[] = []
    while (items.length === 0) items = (await gateway.get<Page<Worker>>(`${V1}/workers`)).items
    expect(items).toMatchObject([
      {
        id: 'w1',
        status: 'draining',
        queues: ['q'],
        slots: 4,
        hosted: 1,
        name: 'box',
        pid: 12,
        pools: ['default'],
        startedAt: '1970-01-01T00:00:01.000Z',
      },
    ])
    expect(await gateway.get(`${V1}/workers/w1`)).toEqual(items[0])
    await bucket.delete('w1')
    while ((await gateway.ask('GET', `${V1}/workers/w1`)).status === 200);
    expect((await gateway.get<Page<Worker>>(`${V1}/workers`)).items).toEqual([])
  })
})

describe('settings', () => {
  test('are shown with their variables, and no secret', async () => {
    const { items } = await gateway.get<Page<Setting>>(`${V1}/settings`)
    const of = (name: string) => items.find((setting) => setting.name === name)
    expect(of('natsUser')).toMatchObject({ variable: 'CALLBOARD_NATS_USER', value: 'ann' })
    expect(of('natsPassword')).not.toHaveProperty('value')
    expect(JSON.stringify(items)).not.toContain('hunter2')
  })
})
