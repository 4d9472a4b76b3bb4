/** Blocks over REST: their secrets go in and never come out. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Block, Page, Problem } from '../../src/api/index.ts'
import { openCatalog } from '../../src/catalog/index.ts'
import { startGateway, type TestGateway } from './support/gateway.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await startGateway()
  await ask('POST', BLOCKS, BLOCK)
})
afterEach(() => gateway[Symbol.asyncDispose]())

const BLOCKS = '/api/v1/blocks'
const ONE = `${BLOCKS}/slack/alerts`
const BLOCK = {
  type: 'slack',
  name: 'alerts',
  data: { channel: '#ops', url: 'https://hooks/hush', aws: { id: 'a', key: 'hush hush' } },
  secrets: ['url', 'aws.key'],
}
const SHOWN = { channel: '#ops', url: '***', aws: { id: 'a', key: '***' } }

const ask = (method: string, path: string, body?: unknown) =>
  gateway.ask<Block & Problem>(method, path, body === undefined ? {} : { body })

/** As a flow loads it. */
const kept = () => openCatalog(gateway.broker, gateway.deps).blocks.get('slack/alerts')

describe('a block with secrets', () => {
  test('is kept as it is given, and shown without them in every answer', async () => {
    const answers = [
      await ask('GET', ONE),
      await ask('GET', BLOCKS),
      await ask('PUT', ONE, BLOCK),
      await ask('PATCH', ONE, { secrets: [...BLOCK.secrets, 'nothing'] }),
      await ask('POST', BLOCKS, { ...BLOCK, name: 'other' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 201])
    for (const { body } of answers) expect(JSON.stringify(body)).not.toContain('hush')
    expect(answers[0]?.body).toMatchObject({ data: SHOWN, secrets: BLOCK.secrets })
    expect((await gateway.get<Page<Block>>(BLOCKS)).items[0]).toMatchObject({ data: SHOWN })
    expect((await kept()).data).toEqual(BLOCK.data)
  })

  test('keeps them when other fields are changed or left out', async () => {
    const changed = await ask('PATCH', ONE, { data: { channel: null, team: 'core' } })
    expect(changed.body.data).toEqual({ url: '***', aws: SHOWN.aws, team: 'core' })
    expect((await kept()).data).toEqual({ url: BLOCK.data.url, aws: BLOCK.data.aws, team: 'core' })
  })

  test('is not changed to what was shown instead of them', async () => {
    for (const [method, body] of [
      ['PATCH', { data: { url: '***' } }],
      ['PUT', { ...BLOCK, data: SHOWN }],
    ] as const) {
      const { body: problem, status } = await ask(method, ONE, body)
      expect([status, problem.errors?.[0]?.path]).toEqual([400, 'data.url'])
    }
    expect((await kept()).data).toEqual(BLOCK.data)
  })

  test('is not bared: only who gives it all anew may say that a field is no secret', async () => {
    for (const secrets of [[], ['url'], null]) {
      const { body, status } = await ask('PATCH', ONE, { secrets })
      expect([status, body.errors?.[0]?.path]).toEqual([400, 'secrets'])
    }
    const plain = { data: { url: 'https://plain' } }
    expect((await ask('PUT', ONE, plain)).body).toMatchObject({ ...plain, secrets: [] })
  })

  test('has texts for them, nothing else', async () => {
    const wrong = { ...BLOCK, name: 'other', data: { ...BLOCK.data, aws: { key: 12 } } }
    const { body, status } = await ask('POST', BLOCKS, wrong)
    expect([status, body.errors?.[0]?.path]).toEqual([400, 'data.aws.key'])
    expect((await ask('GET', `${BLOCKS}/slack/other`)).status).toBe(404)
  })
})
