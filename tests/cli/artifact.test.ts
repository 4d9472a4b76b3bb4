/** `callboard artifact` against a gateway in this process, with artifacts as the SDK writes them. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FlowRun } from '../../src/client/index.ts'
import { encodeToJson, type JsonObject } from '../../src/core/index.ts'
import { openStage, type Stage } from '../gateway/live/support/stage.ts'
import { startGateway, type TestGateway } from '../gateway/support/gateway.ts'
import { say } from './support/in-process.ts'

const ARTIFACTS: readonly object[] = [
  {
    kind: 'markdown',
    key: 'report',
    description: 'The daily report',
    markdown: '\n# Weather\n\nIt is **warm**.\n\n',
  },
  {
    kind: 'table',
    key: 'cities',
    table: [
      { city: '\u001b[31mOslo\u001b[0m', celsius: 7.5, seen: new Date(0), people: 700_000n },
      {
        city: 'Rome',
        celsius: -12,
        note: undefined,
        wind: { speed: 3n, from: new URL('https://example.com') },
      },
      { city: 'Bern', celsius: null, seen: new Date(Number.NaN) },
    ],
  },
  { kind: 'table', key: 'nothing', table: [] },
  { kind: 'link', key: 'dashboard', link: 'https://example.com/d', text: 'The dashboard' },
  { kind: 'image', key: 'chart', url: 'https://example.com/chart.png' },
  { kind: 'markdown', key: 'long', markdown: `## \u001b[31m${'so long '.repeat(20)}\nand more` },
  { kind: 'sound', key: 'odd', url: 'https://example.com/a.ogg', size: 10n },
  { kind: 'table', key: 'no-table', table: 'none' },
  { kind: 'progress', progress: 66.66 },
]

let stage: Stage
let gateway: TestGateway
let run: string

const callboard = (...args: readonly string[]) =>
  say(args, { folder: '/nowhere', environment: { CALLBOARD_URL: gateway.url } })

// Anew for each test: the connections of the commands go with the gateway.
beforeEach(async () => {
  stage = await openStage()
  gateway = await startGateway({ broker: stage.broker })
  const note = (artifact: object) => encodeToJson(artifact) as JsonObject
  run = await stage.play(async (session) => {
    for (const artifact of ARTIFACTS) await session.note('artifact', note(artifact))
    await session.task({ task: 'fetch' }, async () => {
      await session.note('artifact', note({ kind: 'progress', key: 'loaded', progress: 42 }), {
        task: 'fetch-0',
      })
      return null
    })
    await session.note('artifact', note({ kind: 'markdown', key: 'report', markdown: 'It is cold.' }))
    return null
  })
  let type = ''
  while (type !== 'COMPLETED') {
    const { body, status } = await gateway.ask<FlowRun>('GET', `/api/v1/flow-runs/${run}`)
    if (status === 200) type = body.state.type
  }
})
afterEach(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await stage?.[Symbol.asyncDispose]()
})

/** What stands in the columns of a listing, without the id and the time. */
async function listed(...args: readonly string[]): Promise<readonly string[]> {
  const { code, err, out } = await callboard('artifact', 'ls', ...args)
  expect([code, err]).toEqual([0, ''])
  const [head, ...rows] = out.trimEnd().split('\n')
  expect(head).toMatch(/^ID +KIND +KEY +TASK +CREATED +WHAT$/)
  return rows.map((row) => row.replace(/^\S+ +/, '').replace(/ +(\d+[smh] ago|now) +/, '  '))
}

/** What is shown of an artifact after its own facts. */
async function shown(key: string): Promise<string> {
  const { code, err, out } = await callboard('artifact', 'inspect', key)
  expect([code, err]).toEqual([0, ''])
  return out.replace(/^[\s\S]*?\ncreated +\S+ {2}.*\n/, '')
}

describe('a listing of artifacts', () => {
  test('says of each in a line what it is', async () => {
    expect(await listed('--run', run)).toEqual([
      'markdown  report  It is cold.',
      'progress  loaded     fetch-0  42%',
      'progress  66.7%',
      'table     no-table  {"table":"none"}',
      'sound     odd  {"url":"https://example.com/a.ogg","size":{"$cb":"bigint","…',
      'markdown  long  so long so long so long so long so long so long so long so …',
      'image     chart  https://example.com/chart.png',
      'link      dashboard  The dashboard, https://example.com/d',
      'table     nothing  0 rows',
      'table     cities  3 rows',
      'markdown  report  The daily report',
    ])
  })

  test('has those that are asked for: by key, kind, flow, how many, and the newest of each key', async () => {
    expect(await listed('--kind', 'link', '--kind', 'image')).toHaveLength(2)
    expect(await listed('--key', 'report', '--run', run.slice(-8))).toHaveLength(2)
    expect(await listed('--key', 'report', '--latest')).toEqual(['markdown  report  It is cold.'])
    expect(await listed('--limit', '3', '--flow', 'flow-0')).toHaveLength(3)
    const none = await callboard('artifact', 'ls', '--flow', 'other')
    expect(none).toEqual({ code: 0, out: '', err: 'No artifacts.\n' })
  })

  test('is JSON when that is asked for', async () => {
    const { out } = await callboard('artifact', 'ls', '--kind', 'link', '--json')
    expect(JSON.parse(out)).toMatchObject([{ run, kind: 'link', data: { link: 'https://example.com/d' } }])
  })
})

describe('an artifact', () => {
  test('is shown with where it comes from, by its id or as the newest of its key', async () => {
    const { out } = await callboard('artifact', 'ls', '--key', 'report', '--json')
    const [newest, oldest] = JSON.parse(out)
    const byKey = await callboard('artifact', 'inspect', 'report', '--json')
    expect(JSON.parse(byKey.out)).toEqual(newest)
    const byId = await callboard('artifact', 'inspect', oldest.id)
    expect(byId.out.split('\n').slice(0, 6)).toEqual([
      `id           ${oldest.id}`,
      `run          ${run}`,
      'key          report',
      'kind         markdown',
      expect.stringMatching(/^created {6}\d{4}-\S+Z {2}(now|\d+[smh] ago)$/),
      'description  The daily report',
    ])
    expect((await callboard('artifact', 'inspect', 'loaded')).out).toContain('task      fetch-0\n')
  })

  test('that is a text is that text', async () => {
    expect(await shown('report')).toBe('\nIt is cold.\n')
  })

  test('that is a table is a table of its values, with numbers to the right', async () => {
    const rows = (await shown('cities')).split('\n')
    expect(rows).toEqual([
      'rows     3',
      '',
      'city  celsius  seen                      people  note  wind',
      'Oslo      7.5  1970-01-01T00:00:00.000Z  700000',
      `Rome      -12                            ${' '.repeat(14)}{"speed":"3","from":"https://example.com/"}`,
      'Bern           Invalid Date',
      '',
    ])
    expect(await shown('nothing')).toBe('rows     0\n')
  })

  test('that is a link, an image or a progress is said in a line', async () => {
    expect(await shown('dashboard')).toBe('text     The dashboard\nlink     https://example.com/d\n')
    expect(await shown('chart')).toBe('image    https://example.com/chart.png\n')
    expect(await shown('loaded')).toBe('progress  42%\n')
  })

  test('that is not as its kind has it is shown as it is', async () => {
    expect(JSON.parse(await shown('odd'))).toEqual({
      url: 'https://example.com/a.ogg',
      size: { $cb: 'bigint', v: '10' },
    })
    expect(JSON.parse(await shown('no-table'))).toEqual({ table: 'none' })
  })

  test('that is none is said, and the command ends with 1', async () => {
    const key = await callboard('artifact', 'inspect', 'reprot')
    expect([key.code, key.err]).toEqual([1, expect.stringContaining("no artifact of the key 'reprot'")])
    const id = await callboard('artifact', 'inspect', `${run}.999.1`)
    expect([id.code, id.err]).toEqual([1, expect.stringContaining('CB_E_RUN_MISSING')])
  })
})
