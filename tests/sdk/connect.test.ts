/** The same client, at a broker and through a gateway. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openBroker } from '../../src/broker/index.ts'
import { silentLogger, systemDeps } from '../../src/core/index.ts'
import { useEngine } from '../../src/sdk/current-engine.ts'
import { createEngine, type Engine } from '../../src/sdk/engine.ts'
import {
  type Client,
  connect,
  flow,
  getRunLogger,
  type Serving,
  task,
  waitForSignal,
} from '../../src/sdk/public.ts'
import { startGateway, type TestGateway } from '../gateway/support/gateway.ts'

let folder: string
let engine: Engine
let release: () => void
let gateway: TestGateway
let serving: Serving

const step = task('connect-step', async (n: number) => {
  getRunLogger().info(`step ${n}`)
  return n * 2
})
const asking = flow('connect-asking', async ({ n }: { n: number }) => {
  const doubled = await step(n)
  const { by } = (await waitForSignal('go')) as { by: string }
  if (by === 'nobody') throw new RangeError('nobody came')
  return { doubled, by }
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-connect-'))
  const deps = { ...systemDeps(), logger: silentLogger }
  const broker = await openBroker(`embedded:${folder}`, deps)
  await broker.start()
  engine = createEngine({
    env: {
      deps,
      broker,
      settings: {
        logPrints: false,
        keepLevel: 'info',
        graceMs: 30_000,
        lateAfterMs: 15_000,
        maxRecoveries: 3,
        taskRetries: 0,
        queue: 'connect',
        uiUrl: undefined,
      },
    },
  })
  await engine.life.start()
  release = useEngine(engine)
  serving = await asking.serve()
  gateway = await startGateway({ broker })
})
afterEach(async () => {
  await gateway[Symbol.asyncDispose]()
  await serving.stop()
  release()
  await engine.life.stop()
  await engine.env.broker.stop()
  await rm(folder, { recursive: true, force: true })
})

describe.each(['broker', 'gateway'])('a client of the %s', { timeout: 60_000 }, (kind) => {
  let client: Client
  beforeEach(async () => {
    client = await connect(kind === 'gateway' ? gateway.url : `embedded:${folder}`)
  })
  afterEach(() => client.close())

  test('starts a run by its deployment, follows it, tells it, and gets its result', async () => {
    const parameters = { n: 21 }
    const run = await client.start('connect-asking/default', { parameters, tags: ['x'], name: 'brave-otter' })
    expect(await run.name()).toBe('brave-otter')
    const lines: string[] = []
    for await (const { message, task } of run.logs()) {
      lines.push(`${task}: ${message}`)
      break
    }
    expect(lines).toEqual(['connect-step-0: step 21'])
    expect((await run.state()).isFinal()).toBe(false)
    await run.signal('go', { by: 'ann' })
    expect(await run.result()).toEqual({ doubled: 42, by: 'ann' })
    const names: string[] = []
    for await (const { of, name } of run.events()) if (of === 'flow') names.push(name)
    expect([names[0], names.at(-1)]).toEqual(['Scheduled', 'Completed'])
  })

  test('gets what a run failed with, and no more of one that has not ended in time', async () => {
    const { id } = await client.start('connect-asking/default', { parameters: { n: 1 } })
    await expect(client.run(id).wait({ timeout: '100ms' })).rejects.toMatchObject({ code: 'CB_E_TIMEOUT' })
    await client.signal(id, 'go', { by: 'nobody' })
    await expect(client.run(id).result()).rejects.toThrow('nobody came')
    expect(String(await client.state(id))).toBe("Failed('nobody came')")
  })

  test('is refused what a run does not take, and what is not there', async () => {
    const run = await client.start('connect-asking/default', { parameters: { n: 1 } })
    await expect(run.resume()).rejects.toMatchObject({ code: 'CB_E_SIGNAL_REJECTED' })
    await run.cancel({ graceSeconds: 1 })
    expect((await run.wait()).name).toBe('Cancelled')
    await expect(client.state(run.id.replaceAll(/./g, '0'))).rejects.toMatchObject({
      code: 'CB_E_RUN_MISSING',
    })
  })
})
