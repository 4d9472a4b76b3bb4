/** The gateway on a real nats-server. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHost, inlineRunner, type Program } from '../../src/actors/index.ts'
import type { FlowRun, LogLine, Page, Problem, Ready, SignalAnswer } from '../../src/api/index.ts'
import { type Broker, openBroker } from '../../src/broker/index.ts'
import { systemDeps } from '../../src/core/index.ts'
import { type NatsServer, startNats } from '../support/nats-server.ts'
import { deploy, startGateway, type TestGateway } from './support/gateway.ts'
import { POLICY } from './support/log.ts'

const RUNS = '/api/v1/flow-runs'
const deps = systemDeps()
let server: NatsServer
let broker: Broker
let gateway: TestGateway

beforeAll(async () => {
  server = await startNats()
  broker = await openBroker(server.url, deps, { callTimeoutMs: 1_000 })
  await broker.start()
  gateway = await startGateway({ broker })
  await deploy(gateway)
})
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await broker?.stop()
  await server?.[Symbol.asyncDispose]()
})

test('a run is started, told and found, and reads show what was written before them', async () => {
  for (let round = 0; round < 10; round++) {
    const { body: run, status } = await gateway.ask<FlowRun>('POST', RUNS, { body: { flow: 'weather' } })
    expect(status).toBe(201)
    expect(await gateway.get(`${RUNS}/${run.id}`)).toEqual(run)
    const told = await gateway.ask<SignalAnswer>('POST', `${RUNS}/${run.id}/cancel`)
    expect(told.body).toMatchObject({ outcome: 'applied', state: { name: 'Cancelled' } })
    expect((await gateway.get<FlowRun>(`${RUNS}/${run.id}`)).state.name).toBe('Cancelled')
  }
  expect(await gateway.get(`${RUNS}/counts?flow=weather`)).toEqual({ CANCELLED: 10 })
})

test('a run that is hosted is paused and resumed, and its lines are found', async () => {
  const program: Program = async (session) => {
    await session.note('log', { lines: [{ at: 1, level: 'warn', message: 'clouds over Rome' }] })
    await session.pause()
    return session.task({ task: 'fetch' }, async () => 'sunny')
  }
  const host = createHost({
    ...{ broker, deps, settings: { queues: ['q'], slots: 4 } },
    runners: [inlineRunner(deps, new Map([['played', { program }]]))],
  })
  await host.start()
  const begun = await host.begin({
    flow: 'played',
    name: 'p',
    parameters: { v: null },
    policy: POLICY,
    by: { channel: 'test' },
  })
  const run = () => gateway.get<FlowRun>(`${RUNS}/${begun.run}`, { 'callboard-after': `${begun.run}.1` })
  while ((await run()).state.name !== 'Paused');
  expect((await gateway.ask('POST', `${RUNS}/${begun.run}/resume`)).status).toBe(200)
  await begun.over
  while ((await run()).endTime === undefined);
  expect(await run()).toMatchObject({
    state: { type: 'COMPLETED', data: 'sunny' },
    taskRuns: { COMPLETED: 1 },
  })
  const lines = await gateway.get<Page<LogLine>>('/api/v1/logs?q=rome&level=warn')
  expect(lines.items.map(({ message }) => message)).toEqual(['clouds over Rome'])
  await host.stop()
})

test('a server that was killed is away until it is back; the gateway goes on where it was', async () => {
  const { items: before } = await gateway.get<Page<FlowRun>>(`${RUNS}?limit=200`)
  const away = Promise.withResolvers<void>()
  const back = Promise.withResolvers<void>()
  const end = broker.onStatus((status) => (status === 'connected' ? back.resolve() : away.resolve()))
  await server.kill()
  await away.promise
  expect(await gateway.ask<Ready>('GET', '/api/ready')).toMatchObject({ status: 503, body: { ready: false } })
  const refused = await gateway.ask<Problem>('POST', RUNS, { body: { flow: 'weather' } })
  expect(refused.status).toBe(503)
  expect((await gateway.get<Page<FlowRun>>(`${RUNS}?limit=200`)).items).toEqual(before)
  await server.start()
  await back.promise
  end()
  const { body: run, status } = await gateway.ask<FlowRun>('POST', RUNS, { body: { flow: 'weather' } })
  expect(status).toBe(201)
  expect((await gateway.get<Page<FlowRun>>(`${RUNS}?limit=200`)).items.map(({ id }) => id)).toContain(run.id)
})
