/** What code apart from its worker does at the broker by itself. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { infrastructureStage, type Kind, resultOf } from './stage.ts'

const APART: readonly Kind[] = ['thread', 'process']

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-code-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe.each(APART)('code in a %s', { timeout: 60_000 }, (kind) => {
  test('shares a cache at the broker with other runs', async () => {
    await using stage = await infrastructureStage(kind, { brokerUrl: `embedded:${folder}` })
    const first = await stage.end(await stage.start('flows.ts:remembering'))
    const second = await stage.end(await stage.start('flows.ts:remembering'))
    expect(resultOf(first)).toMatch(/^7 of \d+$/)
    expect(resultOf(second)).toBe(resultOf(first))
    expect(second.state.tasks.get('remembered-0')?.state.tag).toBe('COMPLETED.Cached')
  })

  test('sends signals to other runs', async () => {
    await using stage = await infrastructureStage(kind, { brokerUrl: `embedded:${folder}` })
    const other = await stage.start('flows.ts:endless')
    await stage.untilState(other, 'Running')
    expect(resultOf(await stage.end(await stage.start('flows.ts:cancelling', { run: other })))).toBe(
      'accepted',
    )
    expect((await stage.end(other)).state.flow.tag).toBe('CANCELLED.Cancelled')
  })

  test("is told that it cannot when the broker is in its worker's memory", async () => {
    await using stage = await infrastructureStage(kind)
    const { state } = await stage.end(await stage.start('flows.ts:cancelling', { run: 'another' }))
    expect(state.flow.tag).toBe('FAILED.Failed')
    expect(state.failure?.code).toBe('CB_E_BROKER_UNREACHABLE')
    expect(state.failure?.message).toContain('or the inline infrastructure')
  })
})
