/** Requests of the client against an HTTP server that answers what a test says. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient, GatewayError } from '../../src/client/index.ts'

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

interface Asked {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly token: string | undefined
  readonly body: unknown
}

let server: Server
let url = ''
let asked: Asked[] = []
let answers: Answer[] = []

beforeEach(async () => {
  asked = []
  answers = []
  server = createServer(async (request, response) => {
    asked.push({
      method: request.method,
      url: request.url,
      token: request.headers.authorization,
      body: await bodyOf(request),
    })
    const { status = 200, headers = {}, body } = answers.shift() ?? {}
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return text === '' ? undefined : JSON.parse(text)
}

describe('a request', () => {
  test('carries its filter, its body and its token', async () => {
    answers = [{ body: { items: [] } }, { status: 201, body: { id: 'r1' } }]
    const client = createClient({ url: `${url}/`, token: () => Promise.resolve('cb_1') })
    await client.flowRuns.list({ flow: 'weather', state: ['RUNNING', 'Late'], limit: 5 })
    expect(await client.flowRuns.start({ flow: 'weather', parameters: { city: 'Lisbon' } })).toEqual({
      id: 'r1',
    })
    expect(asked).toEqual([
      {
        method: 'GET',
        url: '/api/v1/flow-runs?flow=weather&state=RUNNING&state=Late&limit=5',
        token: 'Bearer cb_1',
        body: undefined,
      },
      {
        method: 'POST',
        url: '/api/v1/flow-runs',
        token: 'Bearer cb_1',
        body: { flow: 'weather', parameters: { city: 'Lisbon' } },
      },
    ])
  })

  test('writes ids and names so that they cannot become another path', async () => {
    answers = [{ body: {} }, { body: {} }]
    const client = createClient({ url })
    await client.flowRuns.get('../api-keys')
    await client.deployments.get(['weather', 'a/b c'])
    expect(asked.map((request) => request.url)).toEqual([
      '/api/v1/flow-runs/..%2Fapi-keys',
      '/api/v1/deployments/weather/a%2Fb%20c',
    ])
  })

  test('of all items asks for page after page', async () => {
    answers = [{ body: { items: [1, 2], next: 'n1' } }, { body: { items: [3] } }]
    const client = createClient({ url })
    const found: unknown[] = []
    for await (const run of client.flowRuns.all({ flow: 'weather' })) found.push(run)
    expect(found).toEqual([1, 2, 3])
    expect(asked.map((request) => request.url)).toEqual([
      '/api/v1/flow-runs?flow=weather',
      '/api/v1/flow-runs?flow=weather&cursor=n1',
    ])
  })

  test('for a list stops asking when nobody reads on', async () => {
    answers = [{ body: { items: [1, 2], next: 'n1' } }]
    for await (const _ of createClient({ url }).flowRuns.all()) break
    expect(asked).toHaveLength(1)
  })
})

describe('a signal', () => {
  test('that a run does not take is an answer with the signals it takes', async () => {
    const answer = {
      outcome: 'rejected',
      state: { type: 'COMPLETED', name: 'Completed' },
      legalSignals: ['retry'],
    }
    answers = [{ status: 409, body: answer }]
    expect(await createClient({ url }).flowRuns.pause('r1')).toEqual(answer)
  })

  test('carries a key of its own, so that a proxy that repeats it does no harm', async () => {
    answers = [{ body: {} }, { body: {} }, { body: {} }]
    const client = createClient({ url })
    await client.flowRuns.cancel('r1', { graceMs: 0 })
    await client.flowRuns.signal('r1', 'approve me', { payload: 1 })
    await client.flowRuns.signal('r1', 'resume', { key: 'mine' })
    expect(asked.map((request) => request.url)).toEqual([
      '/api/v1/flow-runs/r1/cancel',
      '/api/v1/flow-runs/r1/signals/approve%20me',
      '/api/v1/flow-runs/r1/resume',
    ])
    expect(asked.map(({ body }) => body)).toEqual([
      { graceMs: 0, key: expect.stringMatching(/^[0-9a-f]{32}$/) },
      { payload: 1, key: expect.stringMatching(/^[0-9a-f]{32}$/) },
      { key: 'mine' },
    ])
  })
})

describe('a refusal', () => {
  test('is an error with the code, the places that are wrong and when to come back', async () => {
    const errors = [{ path: 'parameters.city', message: 'must be a text' }]
    answers = [
      {
        status: 422,
        headers: { 'retry-after': '2' },
        body: { type: 'x', title: 'x', status: 422, detail: 'The city is missing.', code: 'CB_E_X', errors },
      },
    ]
    const error = await createClient({ url })
      .flowRuns.start({ flow: 'weather' })
      .catch((thrown) => thrown)
    expect(error).toBeInstanceOf(GatewayError)
    expect(error).toMatchObject({ message: 'The city is missing.', code: 'CB_E_X', status: 422, errors })
    expect(error).toMatchObject({ retryAfterMs: 2_000, isRetryable: false })
  })

  test('by something that is no gateway says so', async () => {
    answers = [{ body: '<html>' }, { status: 502, body: 'Bad gateway' }]
    const client = createClient({ url })
    await expect(client.version()).rejects.toMatchObject({ code: 'PROTOCOL' })
    await expect(client.version()).rejects.toMatchObject({ code: 'HTTP', status: 502, isRetryable: true })
  })

  test('to connect says which address was tried and what to start', async () => {
    const error = await createClient({ url: 'http://127.0.0.1:1' })
      .version()
      .catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'UNREACHABLE', isRetryable: true })
    expect(error.message).toContain('http://127.0.0.1:1')
    expect(error.message).toContain('callboard dev')
  })
})
