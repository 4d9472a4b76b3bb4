/** Whatever is sent: an answer that says what is wrong, never a crash, never a 500. */

import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FlowRun, Page, Problem } from '../../src/api/index.ts'
import { deploy, startGateway, type TestGateway } from './support/gateway.ts'

let gateway: TestGateway
let run: string
beforeAll(async () => {
  gateway = await startGateway({ settings: { serverBodyLimit: '64KiB' } })
  await deploy(gateway)
  const { body } = await gateway.ask<FlowRun>('POST', '/api/v1/flow-runs', { body: { flow: 'weather' } })
  run = body.id
})
afterAll(() => gateway[Symbol.asyncDispose]())

interface Route {
  readonly method: string
  readonly path: string
}

async function routes(): Promise<readonly Route[]> {
  const { paths } = await gateway.get<{ paths: Record<string, Record<string, object>> }>('/api/openapi.json')
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item)
      .filter(() => !path.endsWith('/events') || path === '/api/v1/events')
      .map((method) => ({ path, method: method.toUpperCase() })),
  )
}

function expectProblem({ body, status }: { body: Problem; status: number }): void {
  expect(body).toMatchObject({ status, code: expect.stringMatching(/^CB_E_/), title: expect.any(String) })
  expect(body.detail).toMatch(/\w/)
  // There is no scheduler here, and what is asked of one says so.
  if (body.code !== 'CB_E_SLOTS_UNKEPT') expect(status).toBeLessThan(500)
}

describe('a request is refused with the place of the fault', () => {
  const at = async (path: string) => {
    const answered = await gateway.ask<Problem>('GET', path)
    return [answered.status, ...(answered.body.errors ?? []).map((fault) => fault.path)]
  }

  test('in its query', async () => {
    expect(await at('/api/v1/flow-runs?limit=201')).toEqual([400, 'limit'])
    expect(await at('/api/v1/flow-runs?limit=many')).toEqual([400, 'limit'])
    expect(await at('/api/v1/flow-runs?colour=red')).toEqual([400, 'colour'])
    expect(await at('/api/v1/flow-runs?sort=luck')).toEqual([400, 'sort'])
    expect(await at('/api/v1/flow-runs?since=yesterday')).toEqual([400, 'since'])
    expect(await at('/api/v1/flow-runs?id=not%20an%20id')).toEqual([400, 'id'])
    expect(await at('/api/v1/flow-runs?cursor=made-up')).toEqual([400])
    expect(await at('/api/v1/workers?cursor=%00')).toEqual([400])
    expect(
      await at('/api/v1/flow-runs/history?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z'),
    ).toEqual([400, 'until'])
    expect(await at('/api/v1/flow-runs/history?since=2020-01-01T00:00:00Z&stepMs=1000')).toEqual([
      400,
      'stepMs',
    ])
    expect(await at(`/api/v1/flow-runs/${run}/logs?after=x`)).toEqual([400, 'after'])
  })

  test('in its path', async () => {
    expect(await at('/api/v1/flow-runs/no%20id')).toEqual([400, 'id'])
    expect(await at('/api/v1/flow-runs/a.b')).toEqual([400, 'id'])
    expect(await at('/api/v1/flow-runs/%00')).toEqual([400, 'id'])
    expect((await gateway.ask('GET', '/api/v1/flow-runs/%zz')).status).toBe(400)
    expect((await gateway.ask('GET', `/api/v1/task-runs/${'x'.repeat(7_000)}`)).status).toBe(400)
  })

  test('in its headers', async () => {
    const answered = await gateway.ask<Problem>('GET', '/api/v1/flow-runs', {
      headers: { 'callboard-after': 'x' },
    })
    expect(answered).toMatchObject({ status: 400, body: { errors: [{ path: 'callboard-after' }] } })
  })

  test('in its body', async () => {
    const faults = async (body: unknown) => {
      const answered = await gateway.ask<Problem>('POST', '/api/v1/flow-runs', { body })
      return [answered.status, ...(answered.body.errors ?? []).map(({ path }) => path)]
    }
    expect(await faults({ flow: 'weather', colour: 'red' })).toEqual([400, 'colour'])
    expect(await faults({ flow: 12 })).toEqual([400, 'flow'])
    expect(await faults({ flow: 'weather', tags: ['a', ''] })).toEqual([400, 'tags.1'])
    expect(await faults({ flow: 'weather', parameters: [] })).toEqual([400, 'parameters'])
    expect(await faults({ flow: 'weather', scheduledTime: '2026-13-45' })).toEqual([400, 'scheduledTime'])
    expect(await faults([])).toEqual([400, ''])
    expect(await faults('text')).toEqual([400, ''])
    expect(await faults(null)).toEqual([400, 'flow'])
  })
})

describe('a body is refused', () => {
  const post = (text: string, headers = {}) =>
    gateway.ask<Problem>('POST', '/api/v1/flow-runs', { text, headers })

  test('when it is no JSON', async () => {
    for (const text of ['{', '{"flow": }', "{'flow': 'weather'}", 'undefined', '{"a":1}{"b":2}', '\u0000'])
      expect((await post(text)).body, text).toMatchObject({ status: 400, code: 'CB_E_REQUEST_INVALID' })
  })

  test('when it would reach into the prototype of objects', async () => {
    expect((await post('{"flow":"weather","__proto__":{"x":1}}')).status).toBe(400)
    expect((await post('{"flow":"weather","parameters":{"constructor":{"prototype":{"x":1}}}}')).status).toBe(
      400,
    )
  })

  test('when it is too large, whatever it is', async () => {
    const answered = await post(`{"flow":"weather","name":"${'x'.repeat(70_000)}"}`)
    expect(answered.body).toMatchObject({ status: 413, code: 'CB_E_BODY_TOO_LARGE', errors: [{ path: '' }] })
  })

  test('when it is nested so deeply that nobody means it', async () => {
    const deep = `{"flow":"weather","parameters":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`
    expect((await post(deep)).body).toMatchObject({ status: 400, code: 'CB_E_REQUEST_INVALID' })
    const brackets = JSON.stringify({ flow: 'weather', name: '['.repeat(900) })
    expect((await post(brackets)).status).toBe(201)
  })

  test('when it is something else than JSON', async () => {
    expect((await post('flow=weather', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(
      400,
    )
    expect((await post('<flow/>', { 'content-type': 'text/xml' })).status).toBe(400)
  })
})

describe('a route that is not there', () => {
  test('is a problem like any other', async () => {
    const nowhere = await gateway.ask<Problem>('GET', '/api/v2/flow-runs')
    expect(nowhere).toMatchObject({ status: 404, body: { code: 'CB_E_ROUTE_UNKNOWN' } })
    expect((await gateway.ask<Problem>('PUT', '/api/v1/flow-runs')).body).toMatchObject({
      code: 'CB_E_ROUTE_UNKNOWN',
    })
  })
})

describe('any request', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('', '.', '..', '%', '0', 'null', "'--", '*'),
  )
  const part = text.map((one) => encodeURIComponent(one.isWellFormed() ? one : '\ufffd') || '-')
  const query = fc.dictionary(
    fc.oneof(
      fc.constantFrom(
        'limit',
        'cursor',
        'sort',
        'flow',
        'state',
        'tag',
        'name',
        'q',
        'level',
        'since',
        'until',
        'run',
        'event',
        'after',
        'id',
        'parent',
        'stepMs',
      ),
      part,
    ),
    fc.oneof(part, fc.integer().map(String), fc.constant('2026-01-01T00%3A00%3A00Z')),
    { maxKeys: 4 },
  )
  const body = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)),
    fc
      .record(
        {
          flow: fc.constant('weather'),
          parameters: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        },
        { requiredKeys: ['flow'] },
      )
      .map((value) => JSON.stringify(value)),
    fc
      .record(
        {
          filter: fc.jsonValue(),
          payload: fc.jsonValue(),
          key: fc.string(),
          graceMs: fc.double(),
          timeoutMs: fc.jsonValue(),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
    fc
      .record(
        {
          name: text,
          pool: text,
          flow: text,
          value: fc.jsonValue(),
          slots: fc.double(),
          entrypoint: text,
          path: text,
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
    text,
  )

  test('to any route is answered, and never with a 500', async () => {
    const all = await routes()
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...all),
        fc.array(part, { minLength: 3, maxLength: 3 }),
        query,
        body,
        async ({ method, path }, parts, asked, sent) => {
          const names = parts.values()
          const at = path.replaceAll(/\{\w+\}/g, (name) =>
            name === '{id}' && parts[0]?.includes('0') ? run : (names.next().value ?? '-'),
          )
          const search = Object.entries(asked)
            .map(([name, value]) => `${name}=${value}`)
            .join('&')
          const answered = await gateway.ask<Problem>(
            method,
            `${at}${search === '' ? '' : `?${search}`}`,
            method === 'GET' ? {} : { text: sent },
          )
          const isAnswer =
            answered.status < 400 || (answered.body as object | null) === null || 'outcome' in answered.body
          if (isAnswer) expect(answered.status).toBeLessThan(500)
          else expectProblem(answered)
        },
      ),
      { numRuns: 400 },
    )
    expect((await gateway.get<Page<FlowRun>>('/api/v1/flow-runs')).items.length).toBeGreaterThan(0)
  })
})

describe('a connection', () => {
  const raw = async (bytes: string | Buffer): Promise<string> => {
    const { hostname, port } = new URL(gateway.url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const heard: Buffer[] = []
    socket.on('data', (data: Buffer) => heard.push(data))
    socket.on('error', () => {})
    socket.end(bytes)
    await once(socket, 'close')
    return Buffer.concat(heard).toString('latin1')
  }

  test('that speaks no HTTP is answered 400 and closed', async () => {
    for (const noise of [
      'hello\r\n\r\n',
      'GET\r\n\r\n',
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]),
      'GET / HTTP/9.9\r\n\r\n',
    ])
      expect(await raw(noise)).toMatch(/^(HTTP\/1\.1 400|$)/)
  })

  test('whose headers never end is refused at their limit', async () => {
    expect(await raw(`GET /api/health HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431/,
    )
  })

  test('that is cut in the middle of a body leaves the server as it was', async () => {
    await raw(
      'POST /api/v1/flow-runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"flow":',
    )
    expect(await gateway.get('/api/health')).toEqual({ status: 'ok' })
  })
})
