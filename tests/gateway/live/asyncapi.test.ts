/** The description of the socket, held against AsyncAPI's own schema and against what is really said. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { asyncApi } from '../../../src/gateway/live/index.ts'
import { openStage } from './support/stage.ts'

const require = createRequire(import.meta.url)
const document = asyncApi() as {
  components: { messages: Record<string, { payload: object }> }
  channels: { live: { messages: object } }
}

const addFormats = formats.default

describe('the AsyncAPI document', () => {
  test('is a valid AsyncAPI 3 document', () => {
    const schema = JSON.parse(
      readFileSync(require.resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json'), 'utf8'),
    )
    const ajv = addFormats(new Ajv({ strict: false, allErrors: false, logger: false }))
    const isValid = ajv.compile(schema)
    expect(isValid(document), JSON.stringify(isValid.errors?.slice(0, 5))).toBe(true)
    expect(isValid({ ...document, channels: { live: { address: 5 } } })).toBe(false)
  })

  test('describes every frame that a run brings forth', async () => {
    await using stage = await openStage()
    const client = await stage.client(await stage.gateway())
    const run = await stage.play(async (session) => {
      await session.note('log', { lines: [{ at: 5, level: 'info', message: 'hello' }] })
      await session.note('artifact', { key: 'report', kind: 'markdown', markdown: '# all well' })
      await session.note('progress', { fraction: 0.5 })
      await session.task({ task: 'only' }, async () => 1)
    })
    await client.subscribe({ run }, { after: 'start' })
    await client.until(({ op }) => op === 'end')
    await client.subscribe({ run })
    await client.subscribe({ workers: {} })
    await client.until((frame) => frame.op === 'event' && frame.kind === 'worker')
    await client.answer({ op: 'signal', run, signal: 'cancel' })
    await client.answer({ op: 'signal', run, signal: 'retry' })
    await client.answer({ op: 'ping' })
    const ajv = addFormats(new Ajv({ strict: false, allErrors: true }))
    const kinds = new Set<string>()
    for (const frame of client.frames) {
      const payload = document.components.messages[frame.op]?.payload
      expect(payload, frame.op).toBeDefined()
      expect(ajv.validate(payload ?? {}, frame), `${JSON.stringify(frame)}: ${ajv.errorsText()}`).toBe(true)
      if (frame.op === 'event') kinds.add(frame.kind)
    }
    expect([...kinds].toSorted()).toEqual(['artifact', 'event', 'log', 'state', 'task', 'worker'])
  })
})
