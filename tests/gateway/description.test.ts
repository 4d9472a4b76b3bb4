/** The gateway about itself: how it is, and what can be asked of it. */

import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { STATE_TYPES } from '../../src/actors/index.ts'
import { StateCounts, StateType } from '../../src/api/index.ts'
import { startGateway, type TestGateway } from './support/gateway.ts'

interface Operation {
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema?: object }[]
  readonly requestBody?: object
  readonly responses: Readonly<Record<string, object>>
}
interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

describe('the OpenAPI document', () => {
  test('is one by the specification of 3.1', async () => {
    const document = await gateway.get<Document>('/api/openapi.json')
    expect(document.openapi).toBe('3.1.0')
    expect(await new Validator().validate({ ...document })).toEqual({ valid: true })
  })

  test('names every route that there is, with what it takes, what it gives and how it refuses', async () => {
    const { paths } = await gateway.get<Document>('/api/openapi.json')
    const operations = Object.entries(paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
    )
    expect(operations.length).toBeGreaterThan(55)
    for (const { method, operation, path } of operations) {
      const name = `${method} ${path}`
      expect(operation.summary, name).toMatch(/\w/)
      expect(operation.tags, name).toHaveLength(1)
      expect(Object.keys(operation.responses), name).toContain('default')
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
      const known = (operation.parameters ?? [])
        .filter((parameter) => parameter.in === 'path')
        .map(({ name }) => name)
      expect(known.toSorted(), name).toEqual(named.toSorted())
      if (method === 'patch' || method === 'put') expect(operation.requestBody, name).toBeDefined()
    }
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        ...[
          '/api/health',
          '/api/ready',
          '/api/version',
          '/api/v1/flow-runs',
          '/api/v1/flow-runs/{id}/events',
        ],
        ...[
          '/api/v1/flow-runs/bulk/{signal}',
          '/api/v1/flow-runs/{id}/signals/{name}',
          '/api/v1/task-runs/{id}/logs',
        ],
        ...[
          '/api/v1/deployments/{flow}/{name}/run',
          '/api/v1/api-keys',
          '/api/v1/settings',
          '/api/v1/artifacts',
        ],
      ]),
    )
  })

  test('is shown as a page that needs nothing from elsewhere', async () => {
    const { body, headers, status } = await gateway.ask<string>('GET', '/api/docs')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toContain('text/html')
    expect(body).toContain('/api/v1/flow-runs/{id}/pause')
    expect(body).not.toMatch(/<script|src=|https?:\/\/(?!callboard\.dev)/)
  })
})

describe('the words of the wire', () => {
  test('are those of the statecharts', () => {
    expect(StateType.enum).toEqual([...STATE_TYPES])
    expect(Object.keys(StateCounts.properties)).toEqual([...STATE_TYPES])
  })
})

describe('how it is', () => {
  test('is told by health, readiness and version', async () => {
    expect(await gateway.get('/api/health')).toEqual({ status: 'ok' })
    expect(await gateway.get('/api/ready')).toEqual({ ready: true, broker: 'connected', caughtUp: true })
    expect(await gateway.get('/api/version')).toMatchObject({
      api: 'v1',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    })
  })

  test('is told to Prometheus', async () => {
    await gateway.ask('GET', '/api/v1/flow-runs')
    const { body, headers } = await gateway.ask<string>('GET', '/metrics')
    expect(headers.get('content-type')).toContain('text/plain')
    for (const line of ['callboard_broker_connected 1', 'callboard_read_model_live 1', 'callboard_workers 0'])
      expect(body).toContain(`\n${line}\n`)
    expect(body).toMatch(
      /callboard_http_request_duration_seconds_count\{method="GET",route="\/api\/v1\/flow-runs",status="200"\} \d/,
    )
  })
})
