import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const page = await readFile(new URL('../../docs/dependencies.md', import.meta.url), 'utf8')

/** The packages that have a row under a heading of the page. */
function rowsUnder(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name = '']) => name)
}

test('every dependency has its line in docs/dependencies.md, and every line its dependency', () => {
  expect(rowsUnder('What users install')).toEqual(Object.keys(manifest.dependencies))
  expect(rowsUnder('What working on it needs')).toEqual(Object.keys(manifest.devDependencies))
})

test('every dependency is pinned to one version', () => {
  const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies })
  for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+$/)
})

test('the licence named for each dependency is the one it carries', async () => {
  for (const [, name = '', licence = ''] of page.matchAll(/^\| `([^`]+)` \|.*\| ([^|]+) \|$/gm)) {
    const text = await readFile(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8')
    const installed: { license: string } = JSON.parse(text)
    expect(licence, name).toBe(installed.license)
  }
})
