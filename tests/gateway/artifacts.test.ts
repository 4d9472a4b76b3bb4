/** Artifacts over REST and through the client: what runs leave, on a real gateway over a broker in memory. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Program } from '../../src/actors/index.ts'
import type { Artifact, FlowRun, NewApiKey, Page, Problem, RunToken } from '../../src/api/index.ts'
import { createClient, type GatewayClient } from '../../src/client/index.ts'
import { thisPlatform } from '../../src/client/platform.ts'
import type { JsonObject } from '../../src/core/index.ts'
import { openStage, type Stage } from './live/support/stage.ts'
import { startGateway, type TestGateway } from './support/gateway.ts'

const AT = '/api/v1/artifacts'
const ids = (items: readonly Artifact[]) => items.map(({ id }) => id)

let stage: Stage
let gateway: TestGateway
let client: GatewayClient
/** The first and the second run, in which artifacts of the same keys were made. */
let first: string
let second: string

const leavingNoConnection = {
  ...thisPlatform,
  fetch: (url: string, init: RequestInit) =>
    fetch(url, {
      ...init,
      headers: { ...Object.fromEntries(new Headers(init.headers)), connection: 'close' },
    }),
}

/** Leaves these, the last of them in a task run. */
const leaving =
  (...artifacts: readonly JsonObject[]): Program =>
  async (session) => {
    for (const artifact of artifacts.slice(0, -1)) await session.note('artifact', artifact)
    await session.task({ task: 'draw' }, async () => {
      await session.note('artifact', artifacts.at(-1) ?? {}, { task: 'draw-0' })
      return null
    })
    return null
  }

/** Resolves when the gateway has seen all of the run. */
async function played(program: Program): Promise<string> {
  const run = await stage.play(program)
  let type = ''
  while (type !== 'COMPLETED') {
    const { body, status } = await gateway.ask<FlowRun>('GET', `/api/v1/flow-runs/${run}`)
    if (status === 200) type = body.state.type
  }
  return run
}

beforeAll(async () => {
  stage = await openStage()
  gateway = await startGateway({ broker: stage.broker })
  client = createClient({ url: gateway.url, platform: leavingNoConnection })
  first = await played(
    leaving(
      { kind: 'markdown', key: 'report', markdown: '# Rome' },
      { kind: 'link', link: 'https://example.com' },
      { kind: 'table', key: 'rows', description: 'All there are', table: [{ city: 'Rome' }] },
    ),
  )
  second = await played(
    leaving(
      { kind: 'markdown', key: 'report', markdown: '# Oslo' },
      { kind: 'progress', key: 'loaded', progress: 50 },
    ),
  )
})
afterAll(async () => {
  client.close()
  await gateway[Symbol.asyncDispose]()
  await stage[Symbol.asyncDispose]()
})

const kinds = async (query: Parameters<typeof client.artifacts.list>[0]) =>
  (await client.artifacts.list(query)).items.map(({ key = '-', kind }) => `${kind} ${key}`)

describe('artifacts', () => {
  test('are listed newest first, with what was made, where and when', async () => {
    expect(await kinds({})).toEqual([
      ...['progress loaded', 'markdown report', 'table rows', 'link -', 'markdown report'],
    ])
    const { items } = await client.artifacts.list({ run: first, kind: 'table' })
    expect(items).toEqual([
      {
        id: expect.stringMatching(new RegExp(`^${first}\\.\\d+\\.\\d+$`)),
        ...{ run: first, task: 'draw-0', key: 'rows', kind: 'table' },
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        data: { description: 'All there are', table: [{ city: 'Rome' }] },
      },
    ])
  })

  test('are found by run, task run, flow, key and kind, and by several of those', async () => {
    expect(await kinds({ run: first, key: 'report' })).toEqual(['markdown report'])
    expect(await kinds({ task: `${first}.draw-0` })).toEqual(['table rows'])
    expect(await kinds({ task: `${first}.draw-0`, run: second })).toEqual([])
    expect(await kinds({ flow: 'flow-1' })).toEqual(['progress loaded', 'markdown report'])
    expect(await kinds({ kind: ['link', 'table'] })).toEqual(['table rows', 'link -'])
    expect(await kinds({ key: ['rows', 'loaded'] })).toEqual(['progress loaded', 'table rows'])
    expect(await kinds({ key: 'rows', kind: 'markdown' })).toEqual([])
  })

  test('are pages of a list, and all of it', async () => {
    const { items, next } = await client.artifacts.list({ limit: 2 })
    expect([items.length, typeof next]).toEqual([2, 'string'])
    const all = await Array.fromAsync(client.artifacts.all({ limit: 2 }))
    expect(ids(all)).toEqual(ids((await client.artifacts.list()).items))
  })

  test('of one key are versions of one thing, of which the newest can be asked for', async () => {
    expect(await client.artifacts.latest('report')).toMatchObject({
      run: second,
      data: { markdown: '# Oslo' },
    })
    expect(await client.artifacts.latest('report', { run: first })).toMatchObject({
      data: { markdown: '# Rome' },
    })
    expect(await client.artifacts.latest('nothing')).toBeUndefined()
    expect(await kinds({ latest: true })).toEqual(['progress loaded', 'markdown report', 'table rows'])
    expect(await kinds({ latest: true, run: first })).toEqual(['table rows', 'markdown report'])
    expect(await kinds({ latest: false, key: 'report' })).toEqual(['markdown report', 'markdown report'])
  })

  test('are got by their id; an id that is none is refused, one that is nothing is not found', async () => {
    const [artifact] = (await client.artifacts.list({ limit: 1 })).items
    expect(await client.artifacts.get(artifact?.id ?? '')).toEqual(artifact)
    const status = async (id: string) => (await gateway.ask<Problem>('GET', `${AT}/${id}`)).status
    expect(await status('report')).toBe(400)
    expect(await status(`${first}.1`)).toBe(400)
    expect(await status(`${first}.999.1`)).toBe(404)
  })

  test('are asked for as their schema says: what is wrong is named', async () => {
    for (const [query, path] of [
      ['latest=perhaps', 'latest'],
      ['key=', 'key'],
      ['colour=red', 'colour'],
      ['run=a.b', 'run'],
    ] as const) {
      const { body, status } = await gateway.ask<Problem>('GET', `${AT}?${query}`)
      expect([status, body.errors?.map((fault) => fault.path)], query).toEqual([400, [path]])
    }
    const { next } = await client.artifacts.list({ limit: 1 })
    const mixed = await gateway.ask<Problem>('GET', `${AT}?latest=true&cursor=${next}`)
    expect(mixed.body).toMatchObject({ status: 400, code: 'CB_E_PAGE_CURSOR' })
  })
})

describe('the artifacts of a run are seen by those who see the run:', () => {
  let closed: TestGateway
  let newest: string
  const keys = new Map<string, string>()

  beforeAll(async () => {
    const make = async (name: string, body: object) =>
      keys.set(
        name,
        (await gateway.ask<NewApiKey>('POST', '/api/v1/api-keys', { body: { name, ...body } })).body.key,
      )
    await make('all', { scopes: ['read'] })
    await make('bound', { scopes: ['read'], only: { flow: 'flow-0' } })
    await make('starter', { scopes: ['run'] })
    closed = await startGateway({ broker: stage.broker, access: 'keys' })
    while ((await ask('all', `/api/v1/flow-runs/${second}`)).status !== 200);
    while ((await ask<Page<Artifact>>('all', `${AT}?run=${second}`)).body.items.length < 2);
    newest = (await ask<Page<Artifact>>('all', `${AT}?limit=1`)).body.items[0]?.id ?? ''
  })
  afterAll(() => closed?.[Symbol.asyncDispose]())

  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  const ask = <T = Problem>(key: string, path: string) =>
    closed.ask<T>('GET', path, bearer(keys.get(key) ?? key))

  test('a key without a filter sees all', async () => {
    expect(newest).toContain(second)
    expect((await ask('all', `${AT}/${newest}`)).status).toBe(200)
    expect((await ask<Page<Artifact>>('all', AT)).body.items).toHaveLength(5)
  })

  test('a key of a flow sees those of its runs, one by one, and learns nothing of others', async () => {
    const { body } = await ask<Page<Artifact>>('bound', `${AT}?run=${first}&latest=true`)
    expect(body.items.map(({ run }) => run)).toEqual([first, first])
    expect((await ask('bound', `${AT}/${body.items[0]?.id}`)).status).toBe(200)
    expect((await ask('bound', `${AT}?task=${first}.draw-0`)).status).toBe(200)
    expect((await ask('bound', AT)).status).toBe(403)
    expect((await ask('bound', `${AT}?key=report`)).status).toBe(403)
    expect((await ask('bound', `${AT}?flow=flow-1`)).status).toBe(403)
    expect((await ask('bound', `${AT}?run=${second}`)).status).toBe(404)
    expect((await ask('bound', `${AT}?task=${second}.draw-0`)).status).toBe(404)
    const [there, nowhere] = [
      await ask('bound', `${AT}/${newest}`),
      await ask('bound', `${AT}/${second}.999.1`),
    ]
    expect([there.status, there.body.detail]).toEqual([404, nowhere.body.detail])
  })

  test('a run token sees those of its run', async () => {
    const { body } = await closed.ask<RunToken>('POST', `/api/v1/flow-runs/${first}/tokens`, {
      ...bearer(keys.get('all') ?? ''),
      body: {},
    })
    expect((await ask<Page<Artifact>>(body.token, `${AT}?run=${first}`)).body.items).toHaveLength(3)
    expect((await ask(body.token, `${AT}?run=${second}`)).status).toBe(404)
    expect((await ask(body.token, `${AT}/${newest}`)).status).toBe(404)
  })

  test('a key that may not read sees none', async () => {
    expect((await ask('starter', AT)).status).toBe(403)
    expect((await ask('starter', `${AT}/${newest}`)).status).toBe(403)
  })
})
