/** Choosing a driver by URL. */

import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { openBroker } from '../../src/broker/index.ts'
import { isCallboardError, systemDeps } from '../../src/core/index.ts'

const refusal = (url: string) =>
  openBroker(url, systemDeps()).then(
    () => 'opened',
    (error: unknown) => (isCallboardError(error) ? `${error.code} ${error.message}` : error),
  )

describe('opening a broker', () => {
  test('makes one in memory', async () => {
    const broker = await openBroker('memory:', systemDeps())
    await broker.start()
    expect(broker.capabilities.driver).toBe('memory')
    await broker.stop()
  })

  test.each(['nats://127.0.0.1:4222', 'tls://127.0.0.1:4222'])(
    'makes one for %s without connecting',
    async (url) => {
      expect((await openBroker(url, systemDeps())).status).toBe('starting')
    },
  )

  test('refuses a scheme that is not known, naming those that are', async () => {
    expect(await refusal('mysql://ann:geheim@db/x')).toMatch(/^CB_E_BROKER_URL .*embedded:<folder>, memory:/)
  })

  test('guesses what was meant', async () => {
    expect(await refusal('embeded:/data')).toContain('Did you mean embedded:?')
  })

  test('refuses what is no URL at all', async () => {
    expect(await refusal('/data/store')).toMatch(/^CB_E_BROKER_URL/)
    expect(await refusal('constructor:x')).toMatch(/^CB_E_BROKER_URL/)
  })

  test('repeats no password', async () => {
    expect(await refusal('mysql://ann:geheim@db/x')).not.toContain('geheim')
  })
})

test('importing the port loads no driver', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    await import(${JSON.stringify(new URL('../../src/broker/index.ts', import.meta.url).href)})
    console.log(loaded.filter((url) => /embedded|\\/nats\\/|@nats-io|sqlite/.test(url)).join())`
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(printed.trim()).toBe('')
})
