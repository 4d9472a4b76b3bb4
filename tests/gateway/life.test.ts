/** The life of a gateway: how it starts and stops, what it outlasts, and what several of them see. */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createRun } from '../../src/actors/index.ts'
import type { FlowRun, Page, Problem, Ready, SignalAnswer } from '../../src/api/index.ts'
import { memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import type { Broker } from '../../src/broker/index.ts'
import { optionsSource, resolveSettings, systemDeps } from '../../src/core/index.ts'
import { createGateway } from '../../src/gateway/index.ts'
import { faulty, stressService } from '../../src/testing/index.ts'
import { deploy, startGateway, type TestGateway } from './support/gateway.ts'
import { POLICY } from './support/log.ts'

const deps = systemDeps()
const place = memoryPlace()
let folder: string
let broker: Broker
const closing: AsyncDisposable[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-gateway-'))
  broker = memoryBroker(place, deps)
  await broker.start()
})
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one[Symbol.asyncDispose]()
  await broker.stop()
  await rm(folder, { recursive: true, force: true })
})

async function gateway(options: Parameters<typeof startGateway>[0] = {}): Promise<TestGateway> {
  const one = await startGateway({ broker, ...options })
  closing.push(one)
  return one
}

const settingsFor = (given: object) =>
  resolveSettings([optionsSource('the test', { serverPort: 0, serverStore: ':memory:', ...given })], {
    home: folder,
  }).settings

const newRun = (name: string) =>
  createRun(broker, deps, {
    flow: 'f',
    name,
    parameters: { v: null },
    policy: POLICY,
    by: { channel: 'test' },
  })

describe('a gateway', () => {
  test('keeps the contract of everything with a life', async () => {
    await stressService(() => createGateway({ broker, deps, settings: settingsFor({}) }), { rounds: 5 })
  })

  test('has an address only while it listens', async () => {
    const one = createGateway({ broker, deps, settings: settingsFor({}) })
    expect(() => one.url).toThrow(expect.objectContaining({ code: 'CB_E_STOPPED' }))
    await one.start()
    expect(one.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    await one.stop()
    await expect(fetch(one.url)).rejects.toThrow()
  })

  test('says that its port is taken, and leaves nothing open', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const address = taken.address()
    const serverPort = typeof address === 'object' && address !== null ? address.port : 0
    const one = createGateway({ broker, deps, settings: settingsFor({ serverPort }) })
    await expect(one.start()).rejects.toMatchObject({ code: 'CB_E_ADDRESS' })
    await one.stop()
    await new Promise((resolve) => taken.close(resolve))
  })

  test('does not listen where others can reach it as long as there is no key', async () => {
    const one = createGateway({ broker, deps, settings: settingsFor({ serverHost: '0.0.0.0' }) })
    await expect(one.start()).rejects.toMatchObject({ code: 'CB_E_KEYS_NEEDED' })
    await one.stop()
  })
})

describe('what it knows', () => {
  test('is there again after a restart, with what happened meanwhile', async () => {
    const settings = { serverStore: folder }
    const { run: before } = await newRun('before')
    const first = await startGateway({ broker, settings })
    expect((await first.get<FlowRun>(`/api/v1/flow-runs/${before}`)).name).toBe('before')
    await first[Symbol.asyncDispose]()
    await broker.start()
    const { run: meanwhile } = await newRun('meanwhile')
    const second = await gateway({ settings })
    const { items } = await second.get<Page<FlowRun>>('/api/v1/flow-runs?sort=created:asc', {
      'callboard-after': `${meanwhile}.1`,
    })
    expect(items.map(({ name }) => name)).toEqual(expect.arrayContaining(['before', 'meanwhile']))
  })

  test('is the same when it is deleted and made again from the log', async () => {
    const settings = { serverStore: folder }
    for (const name of ['a', 'b', 'c']) await newRun(name)
    const first = await startGateway({ broker, settings })
    const list = (one: TestGateway) => one.get<Page<FlowRun>>('/api/v1/flow-runs?limit=200')
    const known = await list(first)
    await first[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
    const second = await gateway({ settings })
    expect(await list(second)).toEqual(known)
  })

  test('is made anew when the broker was emptied behind its back', async () => {
    const settings = { serverStore: folder }
    await newRun('gone')
    const first = await startGateway({ broker, settings })
    await first[Symbol.asyncDispose]()
    const emptied = memoryBroker(memoryPlace(), deps)
    await emptied.start()
    closing.push({ [Symbol.asyncDispose]: () => emptied.stop() })
    const second = await startGateway({ broker: emptied, settings })
    closing.push(second)
    const { run } = await createRun(emptied, deps, {
      flow: 'f',
      name: 'new',
      parameters: { v: null },
      policy: POLICY,
      by: { channel: 'test' },
    })
    const { items } = await second.get<Page<FlowRun>>('/api/v1/flow-runs', { 'callboard-after': `${run}.1` })
    expect(items.map(({ name }) => name)).toEqual(['new'])
  })
})

describe('several gateways on one broker', () => {
  test('see what another has written, to whoever shows its mark', async () => {
    const [one, two] = [await gateway(), await gateway()]
    await deploy(one)
    for (let round = 0; round < 20; round++) {
      const made = await one.ask<FlowRun>('POST', '/api/v1/flow-runs', { body: { flow: 'weather' } })
      const mark = { 'callboard-after': made.headers.get('callboard-after') ?? '' }
      const found = await two.ask<FlowRun>('GET', `/api/v1/flow-runs/${made.body.id}`, { headers: mark })
      expect(found).toMatchObject({ status: 200, body: { id: made.body.id } })
      const told = await one.ask<SignalAnswer>('POST', `/api/v1/flow-runs/${made.body.id}/cancel`)
      const after = { 'callboard-after': told.headers.get('callboard-after') ?? '' }
      const { items } = await two.get<Page<FlowRun>>(`/api/v1/flow-runs?id=${made.body.id}`, after)
      expect(items[0]?.state.name).toBe('Cancelled')
    }
  })
})

describe('while the broker is away', () => {
  test('writes are refused with a reason and when to come again, and reads go on', async () => {
    const plan = { seed: 1 }
    const failing = faulty(memoryBroker(place, deps), plan, deps)
    const one = await startGateway({ broker: failing })
    closing.push({ [Symbol.asyncDispose]: () => failing.stop() }, one)
    await deploy(one, { flow: 'away' })
    const made = await one.ask<FlowRun>('POST', '/api/v1/flow-runs', { body: { flow: 'away' } })
    failing.cut()
    const ready = await one.ask<Ready>('GET', '/api/ready')
    expect(ready).toMatchObject({
      status: 503,
      body: { ready: false, broker: 'disconnected', reason: expect.stringContaining('disconnected') },
    })
    const refused = await one.ask<Problem>('POST', '/api/v1/work-pools', { body: { name: 'other' } })
    expect(refused).toMatchObject({ status: 503, body: { code: 'CB_E_BROKER_UNAVAILABLE' } })
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    expect((await one.get<FlowRun>(`/api/v1/flow-runs/${made.body.id}`)).id).toBe(made.body.id)
    failing.heal()
    expect((await one.ask<Ready>('GET', '/api/ready')).body.broker).toBe('connected')
  })
})
