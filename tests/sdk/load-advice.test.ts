/** What Node will not load, in a process of its own: here a bundler's loader would be in the way. */

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const FILES = {
  'package.json': '{ "type": "module" }',
  'util.ts': 'export const used = 1; export interface Shape {}',
  'parts/index.ts': 'export const used = 1',
  'old/package.json': '{ "type": "commonjs" }',
  'old/main.ts': "import { join } from 'node:path'\nexport const used = join('a', 'b')",
  'old/deep/main.ts': 'export const used = 1',
  'no-ending.ts': "import { used } from './util'",
  'js-ending.ts': "import { used } from './util.js'",
  'folder.ts': "import { used } from './parts'",
  'nowhere.ts': "import { used } from './nowhere-else.ts'",
  'package.ts': "import used from 'a-package-that-is-not-installed'",
  'alias.ts': "import used from '@/util'",
  'require.ts':
    "import { createRequire } from 'node:module'\ncreateRequire(import.meta.url)('not-installed')",
  'type.ts': "import { Shape } from './util.ts'\nexport const shape: Shape = {}",
  'enum.ts': 'export enum Colour { Red }',
  'page.tsx': 'export const page = 1',
  'open.ts': 'export const open = {',
  'throws.ts': "throw new Error('not today')",
  'throws-other.ts': "throw 'not today'",
}
const ADVICE = pathToFileURL(join(import.meta.dirname, '../../src/sdk/load-advice.ts')).href

let folder: string
let told: Readonly<Record<string, string | undefined>>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-load-'))
  for (const [name, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  const program = `
    const { loadAdvice } = await import('${ADVICE}')
    const told = {}
    for (const name of ${JSON.stringify(Object.keys(FILES).filter((name) => !name.endsWith('.json')))})
      await import(${JSON.stringify(pathToFileURL(folder).href)} + '/' + name).catch(async (thrown) => {
        told[name] = await loadAdvice(thrown)
      })
    console.log(JSON.stringify(told))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
  told = JSON.parse(stdout)
}, 60_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('of a file that Node does not load', () => {
  test.each([
    ['no-ending.ts', /^Name the file with its ending, as it is there: .*\/util\.ts\.$/],
    ['js-ending.ts', /^Name the file with its ending, as it is there: .*\/util\.ts\.$/],
    ['folder.ts', /^Name the file with its ending, as it is there: parts\/index\.ts\.$/],
    ['package.ts', /^Install it where the code runs\.$/],
    ['require.ts', /^Install it where the code runs\.$/],
    ['alias.ts', /"paths" of a tsconfig\.json/],
    ['type.ts', /import type \{ … \}/],
    ['enum.ts', /erasableSyntaxOnly/],
    ['page.tsx', /^Node runs \.ts/],
    [
      'old/main.ts',
      /^Write "type": "module" into .*\/old\/package\.json, or end the name of the file in \.mts\.$/,
    ],
    ['old/deep/main.ts', /^Write "type": "module" into .*\/old\/package\.json/],
  ])('%s gets an advice', (name, advice) => {
    expect(told[name]).toMatch(advice)
  })

  test.each(['nowhere.ts', 'open.ts', 'throws.ts', 'throws-other.ts'])('%s speaks for itself', (name) => {
    expect(told).not.toHaveProperty([name])
  })

  test('nothing is said of one that it loads', () => {
    expect(Object.keys(told)).not.toContain('util.ts')
  })
})
