/** Flow runs over REST, on a real server and a real broker in memory. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createHost, createRun, inlineRunner, type Program } from '../../src/actors/index.ts'
import type {
  BulkAnswer,
  FlowRun,
  Graph,
  LogLine,
  Page,
  PastState,
  Problem,
  RunEvent,
  SignalAnswer,
  TaskRun,
} from '../../src/api/index.ts'
import { deploy, startGateway, type TestGateway } from './support/gateway.ts'
import { POLICY } from './support/log.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await startGateway()
})
afterEach(() => gateway[Symbol.asyncDispose]())

const RUNS = '/api/v1/flow-runs'

async function start(more: object = {}): Promise<FlowRun> {
  const { body, status } = await gateway.ask<FlowRun>('POST', RUNS, {
    body: { deployment: 'weather/prod', ...more },
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body
}

const signal = (run: string, name: string, body: object = {}) =>
  gateway.ask<SignalAnswer & Problem>('POST', `${RUNS}/${run}/${name}`, { body })

/** Hosts a run of this code, and gives its id at once. */
async function play<T>(program: Program, use: (run: string, ended: Promise<void>) => Promise<T>): Promise<T> {
  const { broker, deps } = gateway
  const flows = new Map([['played', { program }]])
  const host = createHost({
    broker,
    deps,
    runners: [inlineRunner(deps, flows)],
    settings: { queues: ['q'], slots: 4 },
  })
  await host.start()
  try {
    const begun = await host.begin({
      flow: 'played',
      name: 'p',
      parameters: { v: null },
      policy: POLICY,
      by: { channel: 'test' },
    })
    return await use(
      begun.run,
      Promise.resolve(begun.over).then(() => {}),
    )
  } finally {
    await host.stop()
  }
}

describe('a run', () => {
  beforeEach(() => deploy(gateway, { tags: ['net'], parameters: { unit: 'C' } }))

  test('is started, and found at once by its id and in lists', async () => {
    const {
      body: run,
      headers,
      status,
    } = await gateway.ask<FlowRun>('POST', RUNS, {
      body: { deployment: 'weather/prod', parameters: { city: 'Rome' }, name: 'mine', tags: ['eu'] },
    })
    expect(status).toBe(201)
    expect(headers.get('callboard-after')).toBe(`${run.id}.1`)
    expect(run).toMatchObject({
      ...{ name: 'mine', flow: 'weather', deployment: 'weather/prod', tags: ['net', 'eu'], runCount: 0 },
      ...{ parameters: { unit: 'C', city: 'Rome' }, state: { type: 'SCHEDULED', name: 'Scheduled' } },
      ...{ createdBy: { channel: 'api' }, legalSignals: ['cancel'], queue: 'default__default', rev: 1 },
    })
    expect(await gateway.get(`${RUNS}/${run.id}`)).toEqual(run)
    expect((await gateway.get<Page<FlowRun>>(`${RUNS}?tag=eu&state=SCHEDULED`)).items).toEqual([run])
    expect(await gateway.get(`${RUNS}/counts`)).toEqual({ SCHEDULED: 1 })
  })

  test('is not looked for in a type of state that is misspelt: the answer says which there are', async () => {
    await start()
    for (const path of [RUNS, `${RUNS}/counts`, '/api/v1/task-runs'])
      for (const slip of ['RUNING', 'CANCELED', 'CRASHD', 'PASUED', 'SCHEDULE']) {
        const { body, status } = await gateway.ask<Problem>('GET', `${path}?state=${slip}`)
        expect([status, body.code], `${path} ${slip}`).toEqual([400, 'CB_E_REQUEST_INVALID'])
        expect(body.detail).toContain('AwaitingRecovery')
      }
  })

  test('is looked for under any name a state may have: what was asked is answered, with a hint where it looks like a slip', async () => {
    const { id } = await start()
    const names = { running: 'Running', Canceled: 'Cancelled', Passed: 'Paused', Retring: 'Retrying' }
    for (const [name, meant] of Object.entries(names)) {
      const hint = `No run is in a state '${name}'. Did you mean ${meant}?`
      for (const path of [RUNS, '/api/v1/task-runs', `${RUNS}/${id}/task-runs`])
        expect(await gateway.get(`${path}?state=${name}`), path).toEqual({ items: [], hint })
      expect(await gateway.get(`${RUNS}/counts?state=${name}`)).toEqual({})
      const { body } = await gateway.ask('POST', `${RUNS}/bulk/cancel`, {
        body: { filter: { state: name }, dryRun: true },
      })
      expect(body).toMatchObject({ matched: 0, hint })
    }
    expect(await gateway.get(`${RUNS}?state=Wise&state=RUNNING&state=NICE`)).toEqual({ items: [] })
    const found = await gateway.get<Page<FlowRun>>(`${RUNS}?state=Passed&state=Scheduled`)
    expect([found.items.map((run) => run.id), found.hint]).toEqual([[id], expect.stringContaining('Passed')])
  })

  test('is the same run for the same idempotency key', async () => {
    const body = { deployment: 'weather/prod', idempotencyKey: 'once' }
    const first = await gateway.ask<FlowRun>('POST', RUNS, { body })
    const second = await gateway.ask<FlowRun>('POST', RUNS, { body })
    expect([first.status, second.status]).toEqual([201, 200])
    expect(second.body.id).toBe(first.body.id)
  })

  test('is started later when it is to', async () => {
    const scheduledTime = '2031-01-01T09:00:00.000Z'
    const run = await start({ scheduledTime })
    expect(run.expectedStartTime).toBe(scheduledTime)
    expect(
      (await gateway.get<Page<FlowRun>>(`${RUNS}?since=2031-01-01T00:00:00Z`)).items.map(({ id }) => id),
    ).toEqual([run.id])
  })

  test('of a deployment can be started at the deployment', async () => {
    const { status, body } = await gateway.ask<FlowRun>('POST', '/api/v1/deployments/weather/prod/run', {
      body: { name: 'there' },
    })
    expect([status, body.name]).toEqual([201, 'there'])
    const bare = await gateway.ask<FlowRun>('POST', '/api/v1/deployments/weather/prod/run')
    expect(bare.status).toBe(201)
  })

  test('is not started of what there is not, nor of two things at once', async () => {
    const of = async (body: object) => {
      const answered = await gateway.ask<Problem>('POST', RUNS, { body })
      return [answered.status, answered.body.code]
    }
    expect(await of({ deployment: 'weather/nightly' })).toEqual([404, 'CB_E_CATALOG_MISSING'])
    expect(await of({ flow: 'wether' })).toEqual([404, 'CB_E_FLOW_UNKNOWN'])
    expect(await of({})).toEqual([400, 'CB_E_REQUEST_INVALID'])
    expect(await of({ flow: 'weather', deployment: 'weather/prod' })).toEqual([400, 'CB_E_REQUEST_INVALID'])
    expect(await gateway.get(`${RUNS}/counts`)).toEqual({})
  })

  test('is not started with parameters that its schema refuses, and the places are named', async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    await gateway.ask('PATCH', '/api/v1/deployments/weather/prod', { body: { parameterSchema: schema } })
    const { body, status } = await gateway.ask<Problem>('POST', RUNS, {
      body: { deployment: 'weather/prod', parameters: { city: 12 } },
    })
    expect(status).toBe(422)
    expect(body).toMatchObject({ code: 'CB_E_PARAMETERS_INVALID', errors: [{ path: 'city' }] })
  })

  test('that has ended can be deleted; no other can', async () => {
    const run = await start()
    expect((await gateway.ask<Problem>('DELETE', `${RUNS}/${run.id}`)).body).toMatchObject({
      status: 409,
      code: 'CB_E_RUN_NOT_ENDED',
    })
    await signal(run.id, 'cancel')
    expect((await gateway.ask('DELETE', `${RUNS}/${run.id}`)).status).toBe(204)
    expect((await gateway.ask<Problem>('GET', `${RUNS}/${run.id}`)).body).toMatchObject({
      status: 404,
      code: 'CB_E_RUN_MISSING',
    })
    expect((await gateway.get<Page<FlowRun>>(RUNS)).items).toEqual([])
    expect((await gateway.ask('DELETE', `${RUNS}/${run.id}`)).status).toBe(404)
  })

  test('that is not there is not found, whatever is asked of it', async () => {
    for (const path of ['', '/states', '/task-runs', '/logs', '/graph', '/result', '/parameters'])
      expect((await gateway.ask('GET', `${RUNS}/nobody${path}`)).status, path).toBe(404)
    expect((await signal('nobody', 'cancel')).status).toBe(404)
    expect((await signal('nobody', 'signals/go')).status).toBe(404)
  })
})

describe('a signal', () => {
  beforeEach(() => deploy(gateway))

  test('that is applied answers 200 with the state it led to, and is found at once', async () => {
    const { id } = await start()
    const { body, headers, status } = await signal(id, 'cancel', { message: 'not today' })
    expect(status).toBe(200)
    expect(body).toEqual({ outcome: 'applied', state: { type: 'CANCELLED', name: 'Cancelled' }, rev: 2 })
    expect(headers.get('callboard-after')).toBe(`${id}.2`)
    const run = await gateway.get<FlowRun>(`${RUNS}/${id}`)
    expect(run.state).toMatchObject({ name: 'Cancelled', message: 'not today' })
    const { items } = await gateway.get<Page<PastState>>(`${RUNS}/${id}/states`)
    expect(items.map(({ state }) => state.name)).toEqual(['Scheduled', 'Cancelled'])
    expect(items[1]?.by).toMatchObject({ channel: 'api', address: '127.0.0.1' })
  })

  test('that the run does not take answers 409 with those that it takes', async () => {
    const { id } = await start()
    const { body, status } = await signal(id, 'resume')
    expect(status).toBe(409)
    expect(body).toMatchObject({
      outcome: 'rejected',
      state: { name: 'Scheduled' },
      legalSignals: ['cancel'],
    })
    expect(body.reason).toContain('not paused')
  })

  test('under the same key gets the first answer again', async () => {
    const { id } = await start()
    const first = await signal(id, 'cancel', { key: 'k' })
    const second = await signal(id, 'cancel', { key: 'k' })
    expect(second).toMatchObject({ status: 200, body: { outcome: 'applied', state: first.body.state } })
    expect((await signal(id, 'cancel', { key: 'another' })).status).toBe(409)
  })

  test('to code that has to stop first answers 202', async () => {
    const began = Promise.withResolvers<void>()
    await play(
      async (session) => {
        began.resolve()
        await new Promise((_, reject) =>
          session.signal.addEventListener('abort', () => reject(session.signal.reason)),
        )
      },
      async (id, ended) => {
        await began.promise
        const { body, status } = await signal(id, 'cancel', { graceMs: 5_000 })
        expect([status, body.outcome, body.state]).toEqual([
          202,
          'accepted',
          { type: 'CANCELLING', name: 'Cancelling' },
        ])
        await ended
        expect((await gateway.get<FlowRun>(`${RUNS}/${id}`)).state.type).toBe('CANCELLED')
      },
    )
  })

  test('with a payload that the run does not take answers 422 with the places, and nothing is stored', async () => {
    const schema = { type: 'object', properties: { approved: { type: 'boolean' } }, required: ['approved'] }
    await play(
      async (session) => {
        await session.pause({ input: { schema } })
        return 'done'
      },
      async (id, ended) => {
        await until(id, 'Paused')
        const paused = await gateway.get<FlowRun>(`${RUNS}/${id}`)
        expect(paused.state.details).toMatchObject({ input: { schema } })
        expect(paused.legalSignals).toEqual(expect.arrayContaining(['resume', 'cancel']))
        const wrong = await signal(id, 'resume', { payload: { approved: 'perhaps' } })
        expect(wrong.status).toBe(422)
        expect(wrong.body).toMatchObject({ code: 'CB_E_SIGNAL_REJECTED', status: 422 })
        expect(wrong.body.errors?.[0]?.path).toContain('approved')
        expect((await gateway.get<FlowRun>(`${RUNS}/${id}`)).state.name).toBe('Paused')
        expect((await signal(id, 'resume', { payload: { approved: true } })).status).toBe(200)
        await ended
      },
    )
  })

  test('of a name of its own reaches the code, and is an event with who sent it', async () => {
    const got = Promise.withResolvers<unknown>()
    await play(
      async (session) => {
        got.resolve(await session.waitForSignal('approve'))
      },
      async (id, ended) => {
        const { status } = await signal(id, 'signals/approve', { payload: { note: 'fine' } })
        expect(status).toBe(200)
        await ended
        const { items } = await gateway.get<Page<RunEvent>>(`/api/v1/events?run=${id}&event=signal.approve`)
        expect(items).toMatchObject([{ data: { payload: { note: 'fine' } }, by: { channel: 'api' } }])
      },
    )
    expect(JSON.stringify(await got.promise)).toContain('fine')
  })

  /** Asks for the run until it is so; the run itself decides when. */
  async function until(id: string, name: string): Promise<void> {
    while ((await gateway.get<FlowRun>(`${RUNS}/${id}`)).state.name !== name);
  }
})

describe('what a run leaves behind', () => {
  test('is there: states, task runs, lines, artifacts, its graph and its result', async () => {
    await play(
      async (session) => {
        await session.note('log', { lines: [{ at: 1_000, level: 'info', message: 'hello from Rome' }] })
        await session.note('artifact', { kind: 'markdown', key: 'report', markdown: '# Rome' })
        await session.task({ task: 'fetch' }, async () => 'x'.repeat(60_000))
        await session.task({ task: 'save', upstream: ['fetch-0'] }, async () => 1)
        return { city: 'Rome' }
      },
      async (id, ended) => {
        await ended
        const run = await gateway.get<FlowRun>(`${RUNS}/${id}`)
        expect(run).toMatchObject({
          state: { name: 'Completed', data: { city: 'Rome' } },
          taskRuns: { COMPLETED: 2 },
        })
        const tasks = await gateway.get<Page<TaskRun>>(`${RUNS}/${id}/task-runs`)
        expect(tasks.items.map(({ key, state }) => [key, state.name])).toEqual([
          ['fetch-0', 'Completed'],
          ['save-0', 'Completed'],
        ])
        expect(tasks.items[0]?.state).toMatchObject({ details: { dataBytes: 60_002 } })
        const task = tasks.items[1]?.id ?? ''
        expect(await gateway.get(`/api/v1/task-runs/${task}`)).toEqual(tasks.items[1])
        const states = await gateway.get<Page<PastState>>(`/api/v1/task-runs/${task}/states`)
        expect(states.items.map(({ state }) => state.name)).toEqual(['Pending', 'Running', 'Completed'])
        const lines = await gateway.get<Page<LogLine>>(`${RUNS}/${id}/logs?q=rome`)
        expect(lines.items).toMatchObject([{ run: id, message: 'hello from Rome', level: 'info' }])
        expect((await gateway.get<Page<LogLine>>(`/api/v1/logs?q=hello&level=warn`)).items).toEqual([])
        const artifacts = await gateway.get<Page<{ id: string }>>('/api/v1/artifacts?key=report')
        expect(artifacts.items).toMatchObject([{ run: id, data: { markdown: '# Rome' } }])
        expect(await gateway.get(`/api/v1/artifacts/${artifacts.items[0]?.id}`)).toEqual(artifacts.items[0])
        const graph = await gateway.get<Graph>(`${RUNS}/${id}/graph`)
        expect(graph.nodes.map(({ key, upstream }) => [key, upstream])).toEqual([
          ['fetch-0', []],
          ['save-0', ['fetch-0']],
        ])
        expect(await gateway.get(`${RUNS}/${id}/result`)).toEqual({ value: { city: 'Rome' } })
        expect((await gateway.ask('GET', `/api/v1/task-runs/${id}.nothing-0`)).status).toBe(404)
      },
    )
  })

  test('is there when it is too large to stand in the log', async () => {
    const { broker, deps } = gateway
    const parameters = { v: { text: 'y'.repeat(100_000) } }
    const { run } = await createRun(broker, deps, {
      flow: 'f',
      name: 'n',
      parameters,
      policy: POLICY,
      by: { channel: 'test' },
    })
    await gateway.ask('GET', `${RUNS}/${run}`, { headers: { 'callboard-after': `${run}.1` } })
    const found = await gateway.get<FlowRun>(`${RUNS}/${run}`)
    expect(found.parameters).toBeUndefined()
    expect(await gateway.get(`${RUNS}/${run}/parameters`)).toEqual({ value: parameters.v })
  })
})

describe('runs in bulk', () => {
  beforeEach(() => deploy(gateway))

  test('are counted by a dry run, and told by a real one', async () => {
    for (let number = 0; number < 5; number++) await start({ tags: number < 3 ? ['a'] : [] })
    const bulk = (body: object) => gateway.ask<BulkAnswer>('POST', `${RUNS}/bulk/cancel`, { body })
    expect((await bulk({ filter: { tag: 'a' }, dryRun: true })).body).toMatchObject({
      matched: 3,
      applied: 0,
      dryRun: true,
    })
    expect(await gateway.get(`${RUNS}/counts`)).toEqual({ SCHEDULED: 5 })
    expect((await bulk({ filter: { tag: 'a' } })).body).toMatchObject({
      matched: 3,
      applied: 3,
      rejected: 0,
      more: false,
    })
    expect(await gateway.get(`${RUNS}/counts`)).toEqual({ SCHEDULED: 2, CANCELLED: 3 })
    const again = (await bulk({ filter: {} })).body
    expect(again).toMatchObject({ matched: 5, applied: 2, rejected: 3 })
    expect(again.rejections).toHaveLength(3)
  })

  test('are told again under the same key without harm', async () => {
    await start()
    const body = { filter: {}, signal: { key: 'k' } }
    const once = await gateway.ask<BulkAnswer>('POST', `${RUNS}/bulk/cancel`, { body })
    const twice = await gateway.ask<BulkAnswer>('POST', `${RUNS}/bulk/cancel`, { body })
    expect([once.body.applied, twice.body.applied]).toEqual([1, 1])
  })

  test('need a filter, even if it is an empty one', async () => {
    expect((await gateway.ask('POST', `${RUNS}/bulk/cancel`)).status).toBe(400)
    expect((await gateway.ask('POST', `${RUNS}/bulk/shout`, { body: { filter: {} } })).status).toBe(400)
  })
})
