/** What must not stand anywhere in the repository, because it is true on one machine only. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import lockfile from '../../package-lock.json' with { type: 'json' }
import { missingEntries } from '../../scripts/complete-lockfile.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Every file that is in the repository or about to be: tracked, or untracked and not ignored. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(ROOT + path))

/** `path:line: text` of every line that matches. */
function linesWith(pattern: RegExp): string[] {
  return files.flatMap((path) =>
    readFileSync(ROOT + path, 'utf8')
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )
}

describe('the tree', () => {
  test('has files to look at', () => {
    expect(files).toContain('package.json')
    expect(files).toContain('tests/architecture/tree.test.ts')
  })

  test('names no address of a package registry', () => {
    expect(linesWith(/\bregistry\.[a-z0-9-]+\.[a-z]|\b(npmjs|yarnpkg)\.(com|org)\b/i)).toEqual([])
  })

  test('names no path of one machine', () => {
    expect(linesWith(/(?<![\w.:$})/-])\/(work|root|farm|home\/\w+|Users\/\w+|tmp\/\w+)\//)).toEqual([])
  })

  test('has a lockfile that says what to install and not from where', () => {
    const entries = Object.entries(lockfile.packages)
    expect(entries.length).toBeGreaterThan(20)
    expect(entries.filter(([, entry]) => 'resolved' in entry).map(([path]) => path)).toEqual([])
  })
  test('has a lockfile that npm ci takes on every platform (node scripts/complete-lockfile.ts mends it)', () => {
    expect(missingEntries(lockfile)).toEqual({})
  })
})
