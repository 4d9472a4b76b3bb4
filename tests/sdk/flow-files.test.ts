/** Files of flows, and which flow of them is meant. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { entryPointOf, flowAt, flowsIn, tasksIn } from '../../src/sdk/index.ts'

const SDK = JSON.stringify(new URL('../../src/sdk/public.ts', import.meta.url).href)

const FILES = {
  'only.ts': `export const limit = 5
    export const weather = flow('only-weather', async () => 1)
    export const fetch = task('only-fetch', async () => 1)`,
  'default.ts': `export default flow('default-first', async () => 1)
    export const second = flow('default-second', async () => 1)`,
  'several.ts': `export const first = flow('several-first', async () => 1)
    export const second = flow('several-second', async () => 1)`,
  'none.ts': `export const limit = 5`,
  'foreign.ts': `export const theirs = Object.assign(() => 1, { withState() {}, start() {} })`,
  'both.ts': `export { theirs } from './foreign.ts'
    export const ours = flow('both-ours', async () => 1)`,
  'throws.ts': `throw new TypeError('not today')`,
} as const

let folder: string
const at = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flow-files-'))
  for (const [name, text] of Object.entries(FILES))
    await writeFile(at(name), `import { flow, task } from ${SDK}\nvoid [flow, task]\n${text}\n`)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('an entry point', () => {
  test.each([
    ['flows.ts', 'flows.ts', undefined],
    ['flows.ts:weather', 'flows.ts', 'weather'],
    ['/srv/a:b/flows.ts', '/srv/a:b/flows.ts', undefined],
    ['C:\\code\\flows.ts', 'C:\\code\\flows.ts', undefined],
    ['C:\\code\\flows.ts:weather', 'C:\\code\\flows.ts', 'weather'],
  ])('%s is a file and, after the last colon, an export', (text, file, exported) => {
    expect(entryPointOf(text)).toEqual({ file, exported })
  })
})

describe('the flow of a file', () => {
  test.each([
    ['only.ts', undefined, 'only-weather'],
    ['only.ts', 'weather', 'only-weather'],
    ['default.ts', undefined, 'default-first'],
    ['default.ts', 'second', 'default-second'],
    ['both.ts', 'ours', 'both-ours'],
  ])('%s is the one that is named, the default one, or the only one: %s', async (name, exported, flow) => {
    expect((await flowAt(at(name), exported)).definition.name).toBe(flow)
  })

  test.each([
    ['nowhere.ts', undefined, 'CB_E_CODE_MISSING', /There is no file .*nowhere\.ts/],
    ['throws.ts', undefined, 'CB_E_CODE_LOAD', /throws\.ts could not be loaded: TypeError: not today$/],
    ['none.ts', undefined, 'CB_E_CODE_LOAD', /none\.ts exports no flow\. Export one/],
    ['none.ts', 'weather', 'CB_E_CODE_LOAD', /none\.ts exports no flow\. Export one/],
    [
      'several.ts',
      undefined,
      'CB_E_CODE_LOAD',
      /several flows: 'first', 'second'\. Name one of them: .*:first$/,
    ],
    [
      'several.ts',
      'secnd',
      'CB_E_CODE_LOAD',
      /no export 'secnd'\. It exports the flows 'first', 'second'\. Did you mean 'second'\?$/,
    ],
    ['only.ts', 'limit', 'CB_E_CODE_LOAD', /The export 'limit' of .* is no flow\. Make it one/],
    ['only.ts', 'fetch', 'CB_E_CODE_LOAD', /The export 'fetch' of .* is a task, no flow/],
    ['foreign.ts', undefined, 'CB_E_CODE_LOAD', /'theirs' of .* was made by another copy of Callboard/],
    ['both.ts', 'theirs', 'CB_E_CODE_LOAD', /'theirs' of .* was made by another copy of Callboard/],
  ])('%s is not found as %s, and the error says why', async (name, exported, code, message) => {
    const error = await flowAt(at(name), exported).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
  })
})

describe('the flows of files', () => {
  test('are all that they export, each with its file, also where another file has none', async () => {
    const found = await flowsIn([at('several.ts'), at('none.ts'), at('only.ts')])
    expect(found.map(({ file, exported }) => [file, exported])).toEqual([
      [at('several.ts'), 'first'],
      [at('several.ts'), 'second'],
      [at('only.ts'), 'weather'],
    ])
  })

  test('are refused when there are none, or one of another copy is among them', async () => {
    await expect(flowsIn([at('none.ts')])).rejects.toMatchObject({ code: 'CB_E_CODE_LOAD' })
    await expect(flowsIn([at('both.ts')])).rejects.toThrow('another copy of Callboard')
  })
})

test('the tasks of a file are those that it exports', async () => {
  expect((await tasksIn(at('only.ts'))).map(({ name }) => name)).toEqual(['only-fetch'])
})
