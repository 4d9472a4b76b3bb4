/** The table of what was asked for points at tests that are there. */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(`${ROOT}docs/reference/seed-features.md`, 'utf8')
const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| feature'))

/** `sdk/calls` → the test file of that name, or the folder. */
function testsOf(name: string): string | undefined {
  const paths = [
    `tests/${name}.test.ts`,
    `tests/${name}`,
    ...(name === 'examples' ? ['tests/examples/examples.test.ts'] : []),
  ]
  return (
    paths.find((path) => path.endsWith('.ts') && existsSync(ROOT + path)) ??
    paths.find((path) => existsSync(ROOT + path))
  )
}

/** Each quoted title with the name of the tests that stands before it. */
const named = rows.flatMap((row) => {
  let file = ''
  return [...row.matchAll(/`([a-z0-9-]+(?:\/[a-z-]+)?)`|"([^"]+)"/g)].flatMap(([, name, title]) => {
    if (name !== undefined && testsOf(name) !== undefined) file = name
    return title === undefined ? [] : [{ row, file, title }]
  })
})

describe('the table of what was asked for', () => {
  test('has every row filled in', () => {
    expect(rows.length).toBe(96)
    for (const row of rows) expect(row.split('|')[2]?.trim().length, row).toBeGreaterThan(10)
  })

  test('names tests that exist, by titles that they have', () => {
    expect(named.length).toBeGreaterThan(60)
    const missing = named.filter(({ file, title }) => {
      const path = testsOf(file)
      if (path === undefined || !path.endsWith('.ts')) return true
      const source = readFileSync(ROOT + path, 'utf8')
      return !title.split('…').every((part) => source.includes(part.trim()))
    })
    expect(missing.map(({ file, title }) => `${file}: ${title}`)).toEqual([])
  })
})
