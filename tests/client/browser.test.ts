/** What a browser would load of the client: nothing that only Node has, and no package. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'callboard-client-'))

beforeAll(() => {
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  execFileSync(tsc, ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', folder, '--noCheck'], { cwd: ROOT })
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true }))

/** Every import of the file and of what it imports. */
function importsFrom(
  file: string,
  seen = new Map<string, readonly string[]>(),
): ReadonlyMap<string, readonly string[]> {
  const code = readFileSync(file, 'utf8')
  const found = [...code.matchAll(/\b(?:import|from)\s*\(?\s*['"]([^'"]+)['"]/g)].map(([, name = '']) => name)
  seen.set(relative(folder, file), found)
  for (const name of found.filter((one) => one.startsWith('.'))) {
    const next = normalize(join(dirname(file), name))
    if (!seen.has(relative(folder, next))) importsFrom(next, seen)
  }
  return seen
}

test('the compiled client imports its own files and nothing else', () => {
  const imports = importsFrom(join(folder, 'client/index.js'))
  expect(imports.size).toBeGreaterThan(8)
  expect([...imports.keys()].filter((file) => !file.startsWith('client/'))).toEqual([])
  expect([...imports.values()].flat().filter((name) => !name.startsWith('.'))).toEqual([])
})

test('the compiled client names nothing that only Node has', () => {
  for (const file of importsFrom(join(folder, 'client/index.js')).keys())
    expect(readFileSync(join(folder, file), 'utf8'), file).not.toMatch(
      /\b(Buffer|process|require|__dirname|setImmediate)\b[.(]/,
    )
})
