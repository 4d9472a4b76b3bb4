import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const pages = ['*.md', 'docs/**/*.md'].flatMap((pattern) => globSync(pattern, { cwd: ROOT }))

/** Where the links of a page lead that stay in the repository, relative to the root. */
function localLinks(page: string): string[] {
  const text = readFileSync(ROOT + page, 'utf8').replaceAll(/```[\s\S]*?```/g, '')
  return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => normalize(join(dirname(page), target)))
}

test('every link between pages leads somewhere', () => {
  expect(pages).toContain('docs/index.md')
  const broken = pages.flatMap((page) =>
    localLinks(page).flatMap((target) => (existsSync(ROOT + target) ? [] : [`${page} → ${target}`])),
  )
  expect(broken).toEqual([])
})

test('every page under docs can be reached from docs/index.md', () => {
  const reached = new Set(['docs/index.md'])
  for (const page of reached)
    for (const target of localLinks(page)) if (pages.includes(target)) reached.add(target)
  expect(pages.filter((page) => page.startsWith('docs/') && !reached.has(page))).toEqual([])
})
