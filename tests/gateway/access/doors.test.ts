/** What a request passes before a route sees it, at a whole gateway. */

import { request as httpRequest } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { Problem, RunToken } from '../../../src/api/index.ts'
import type { Broker } from '../../../src/broker/index.ts'
import type { ApiKey } from '../../../src/catalog/index.ts'
import { openCatalog } from '../../../src/catalog/index.ts'
import { type Logger, systemDeps } from '../../../src/core/index.ts'
import { newKey } from '../../../src/gateway/access/index.ts'
import { openStage } from '../live/support/stage.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'

const deps = systemDeps()

async function makeKey(broker: Broker, more: Partial<Pick<ApiKey, 'only' | 'scopes' | 'expiresAt'>> = {}) {
  const { key, hash } = newKey(deps.random)
  const name = `key-${hash.slice(0, 8)}`
  await openCatalog(broker, deps).apiKeys.create({ name, hash, scopes: ['read'], ...more })
  return { name, key, headers: { authorization: `Bearer ${key}` } }
}

const code = async (gateway: TestGateway, method: string, path: string, headers = {}, body?: unknown) => {
  const answered = await gateway.ask<Problem>(method, path, { headers, body })
  return [answered.status, answered.body?.code]
}

describe('a gateway that wants keys', () => {
  test('lets nobody in without one, but tells everybody that it is there', async () => {
    await using stage = await openStage()
    const { broker } = stage
    await makeKey(broker)
    await using gateway = await startGateway({ broker, access: 'keys' })
    expect(await code(gateway, 'GET', '/api/v1/flow-runs')).toEqual([401, 'CB_E_UNAUTHENTICATED'])
    expect(await code(gateway, 'POST', '/api/v1/flow-runs', {}, { flow: 'x' })).toEqual([
      401,
      'CB_E_UNAUTHENTICATED',
    ])
    expect(await code(gateway, 'GET', '/api/v1/nowhere')).toEqual([401, 'CB_E_UNAUTHENTICATED'])
    expect((await gateway.ask('GET', '/api/health')).status).toBe(200)
    for (const authorization of ['Bearer cb_wrong', 'Bearer', 'Basic dTpw', 'Bearer cbr_e30.x', ''])
      expect((await code(gateway, 'GET', '/api/v1/flow-runs', { authorization }))[0]).toBe(401)
  })

  test('lets each key do what its scopes say', async () => {
    await using stage = await openStage()
    const { broker } = stage
    const [reader, signaller, admin] = await Promise.all([
      makeKey(broker),
      makeKey(broker, { scopes: ['signal'] }),
      makeKey(broker, { scopes: ['admin'] }),
    ])
    await using gateway = await startGateway({ broker, access: 'keys' })
    const run = await stage.create()
    const cancel = `/api/v1/flow-runs/${run}/cancel`
    expect((await code(gateway, 'GET', '/api/v1/flow-runs', reader.headers))[0]).toBe(200)
    expect(await code(gateway, 'POST', cancel, reader.headers, {})).toEqual([403, 'CB_E_FORBIDDEN'])
    expect(await code(gateway, 'GET', '/api/v1/api-keys', reader.headers)).toEqual([403, 'CB_E_FORBIDDEN'])
    expect(await code(gateway, 'GET', '/api/v1/flow-runs', signaller.headers)).toEqual([
      403,
      'CB_E_FORBIDDEN',
    ])
    expect((await code(gateway, 'POST', cancel, signaller.headers, {}))[0]).toBe(200)
    expect((await code(gateway, 'GET', '/api/v1/api-keys', admin.headers))[0]).toBe(200)
    expect(await code(gateway, 'DELETE', `/api/v1/flow-runs/${run}`, signaller.headers)).toEqual([
      403,
      'CB_E_FORBIDDEN',
    ])
  })

  test('lets a key in no longer once it is deleted or has run out', async () => {
    await using stage = await openStage()
    const { broker } = stage
    const [brief, admin] = await Promise.all([
      makeKey(broker, { expiresAt: deps.clock.now() - 1 }),
      makeKey(broker, { scopes: ['admin'] }),
    ])
    await using gateway = await startGateway({ broker, access: 'keys' })
    expect((await code(gateway, 'GET', '/api/v1/flow-runs', brief.headers))[0]).toBe(401)
    const made = await gateway.ask<{ key: string }>('POST', '/api/v1/api-keys', {
      headers: admin.headers,
      body: { name: 'guest', scopes: ['read'] },
    })
    const guest = { authorization: `Bearer ${made.body.key}` }
    while ((await code(gateway, 'GET', '/api/v1/flow-runs', guest))[0] !== 200);
    await gateway.ask('DELETE', '/api/v1/api-keys/guest', { headers: admin.headers })
    while ((await code(gateway, 'GET', '/api/v1/flow-runs', guest))[0] !== 401);
  })

  test('gives tokens for one run, which are good for that run only, and at any other gateway too', async () => {
    await using stage = await openStage()
    const { broker } = stage
    const both = await makeKey(broker, { scopes: ['read', 'signal'] })
    const reader = await makeKey(broker)
    await using gateway = await startGateway({ broker, access: 'keys' })
    await using other = await startGateway({ broker, access: 'keys' })
    const [run, others] = [await stage.create(), await stage.create()]
    const path = `/api/v1/flow-runs/${run}`
    await gateway.get(path, both.headers)
    const made = await gateway.ask<RunToken>('POST', `${path}/tokens`, {
      headers: both.headers,
      body: { scopes: ['read', 'signal'] },
    })
    expect(made).toMatchObject({ status: 201, body: { run, token: expect.stringMatching(/^cbr_/) } })
    const bearer = { authorization: `Bearer ${made.body.token}` }
    while ((await code(other, 'GET', path, both.headers))[0] !== 200);
    for (const at of [gateway, other]) expect((await code(at, 'GET', path, bearer))[0]).toBe(200)
    expect((await code(gateway, 'GET', `/api/v1/flow-runs/${others}`, bearer))[0]).toBe(404)
    expect((await code(gateway, 'POST', `/api/v1/flow-runs/${others}/cancel`, bearer, {}))[0]).toBe(404)
    expect((await code(gateway, 'POST', `${path}/tokens`, bearer, {}))[0]).toBe(403)
    expect((await code(gateway, 'GET', '/api/v1/workers', bearer))[0]).toBe(403)
    expect((await code(other, 'POST', `${path}/cancel`, bearer, {}))[0]).toBe(200)
    const wanting = await code(gateway, 'POST', `${path}/tokens`, reader.headers, { scopes: ['signal'] })
    expect(wanting).toEqual([403, 'CB_E_FORBIDDEN'])
  })

  test('does not start where others reach it while there is no key', async () => {
    await using stage = await openStage()
    const { broker } = stage
    const starting = startGateway({ broker, settings: { serverHost: '0.0.0.0' } })
    await expect(starting).rejects.toMatchObject({ code: 'CB_E_KEYS_NEEDED' })
    await makeKey(broker)
    await using gateway = await startGateway({ broker, settings: { serverHost: '0.0.0.0' } })
    expect((await fetch(`${gateway.url.replace('0.0.0.0', '127.0.0.1')}/api/v1/flow-runs`)).status).toBe(401)
  })
})

describe('a gateway on this machine', () => {
  test('needs no key, and yet refuses a wrong one', async () => {
    await using gateway = await startGateway()
    expect((await gateway.ask('GET', '/api/v1/flow-runs')).status).toBe(200)
    const wrong = { authorization: 'Bearer cb_wrong' }
    expect(await code(gateway, 'GET', '/api/v1/flow-runs', wrong)).toEqual([401, 'CB_E_UNAUTHENTICATED'])
  })

  test('does not answer to a name that was pointed at it, nor foreign pages that write', async () => {
    await using gateway = await startGateway()
    const { port } = new URL(gateway.url)
    const statusOf = (headers: Record<string, string>, method: string) =>
      new Promise((resolve, reject) => {
        const asking = httpRequest(
          { port, host: '127.0.0.1', path: '/api/v1/flow-runs', method, headers },
          (response) => {
            response.resume()
            resolve(response.statusCode)
          },
        )
        asking.on('error', reject)
        asking.end()
      })
    expect(await statusOf({ host: 'evil.example' }, 'GET')).toBe(403)
    expect(await statusOf({ host: `localhost:${port}`, origin: 'https://evil.example' }, 'POST')).toBe(403)
    expect(await statusOf({ host: `localhost:${port}` }, 'GET')).toBe(200)
  })

  test('tells browsers nothing about other origins, unless they are listed', async () => {
    const origin = 'https://ours.example'
    await using closed = await startGateway()
    await using open = await startGateway({ settings: { serverCorsOrigins: [origin] } })
    const preflight = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    }
    const at = (gateway: TestGateway, headers: Record<string, string>) =>
      gateway.ask('OPTIONS', '/api/v1/flow-runs', { headers })
    expect((await at(closed, preflight)).headers.get('access-control-allow-origin')).toBeNull()
    const allowed = await at(open, preflight)
    expect(allowed.status).toBe(204)
    expect(allowed.headers.get('access-control-allow-origin')).toBe(origin)
    expect(allowed.headers.get('access-control-allow-credentials')).toBeNull()
    const foreign = await at(open, { ...preflight, origin: 'https://evil.example' })
    expect(foreign.headers.get('access-control-allow-origin')).not.toBe('https://evil.example')
    const read = await open.ask('GET', '/api/v1/flow-runs', { headers: { origin } })
    expect(read.headers.get('access-control-allow-origin')).toBe(origin)
  })

  test('sends the headers that keep browsers from being clever', async () => {
    await using gateway = await startGateway()
    const { headers } = await gateway.ask('GET', '/api/v1/flow-runs')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-powered-by')).toBeNull()
  })
})

describe('a key that asks too often', () => {
  test('is told when to come again, and takes nothing from the others', async () => {
    await using stage = await openStage()
    const { broker } = stage
    const [greedy, modest] = [await makeKey(broker), await makeKey(broker)]
    await using gateway = await startGateway({ broker, access: 'keys', settings: { serverRateLimit: 5 } })
    const ask = (headers: Record<string, string>) =>
      gateway.ask<Problem>('GET', '/api/v1/flow-runs', { headers })
    for (let n = 0; n < 5; n++) expect((await ask(greedy.headers)).status).toBe(200)
    const refused = await ask(greedy.headers)
    expect(refused).toMatchObject({ status: 429, body: { code: 'CB_E_RATE_LIMITED' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await ask(modest.headers)).status).toBe(200)
    // Strangers share what their address has, whatever they show.
    const strange = [0, 1, 2, 3, 4, 5].map((n) => ask({ authorization: `Bearer cb_${n}` }))
    expect((await Promise.all(strange)).map(({ status }) => status).toSorted()).toEqual([
      401, 401, 401, 401, 401, 429,
    ])
  })
})

describe('a token', () => {
  test('is in no line of the gateway’s log, whatever happens to it', async () => {
    await using stage = await openStage()
    const { broker } = stage
    const admin = await makeKey(broker, { scopes: ['admin'] })
    const lines: string[] = []
    const logger: Logger = {
      ...{ trace: keep, debug: keep, info: keep, warn: keep, error: keep },
      child: () => logger,
    }
    function keep(facts: object, message: string): void {
      lines.push(message, JSON.stringify(facts))
    }
    const gateway = await startGateway({ broker, access: 'keys', deps: { ...systemDeps(), logger } })
    const made = await gateway.ask<{ key: string }>('POST', '/api/v1/api-keys', {
      headers: admin.headers,
      body: { name: 'guest', scopes: ['read'] },
    })
    const wrong = newKey(deps.random).key
    await code(gateway, 'GET', '/api/v1/flow-runs', { authorization: `Bearer ${wrong}` })
    await code(gateway, 'POST', '/api/v1/flow-runs', admin.headers, { nonsense: 1 })
    await code(gateway, 'GET', `/api/v1/flow-runs?token=${admin.key}`, admin.headers)
    const listed = await gateway.get<object>('/api/v1/api-keys', admin.headers)
    await gateway[Symbol.asyncDispose]()
    expect(lines.length).toBeGreaterThan(0)
    for (const secret of [admin.key, made.body.key, wrong]) {
      expect(lines.join('\n')).not.toContain(secret)
      expect(JSON.stringify(listed)).not.toContain(secret)
    }
  })
})
