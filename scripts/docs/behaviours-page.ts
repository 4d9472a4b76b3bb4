/** Pages that hold numbered behaviours beside the tests that show them: `[tag N]` in a test's title. */

import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Behaviour } from './prefect-behaviours.ts'

export interface ShownBy {
  readonly title: string
  readonly file: string
}

const ROOT = join(import.meta.dirname, '../..')

/** Titles of tests and conformance cases that carry `[tag N]`, by number. A title may carry several. */
export function testsTagged(tag: 'prefect' | 'scenario'): ReadonlyMap<number, readonly ShownBy[]> {
  const found = new Map<number, ShownBy[]>()
  const titles = /(['"`])((?:(?!\1).)*\[(?:prefect|scenario) [\d, ]+\](?:(?!\1).)*)\1/g
  const numbers = new RegExp(`\\[${tag} ([\\d, ]+)\\]`, 'g')
  for (const folder of ['tests', 'src/testing'])
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      if (!name.endsWith('.ts')) continue
      const file = join(ROOT, folder, name)
      for (const [, , title = ''] of readFileSync(file, 'utf8').matchAll(titles))
        for (const [, list = ''] of title.matchAll(numbers))
          for (const n of list.split(',').map(Number)) {
            const shown = found.get(n) ?? []
            shown.push({
              title: title.replace(/\s*\[(?:prefect|scenario) [\d, ]+\]\s*/g, ' ').trim(),
              file: relative(ROOT, file),
            })
            found.set(n, shown)
          }
    }
  return found
}

/** Rows that neither a test shows nor a reason excuses. */
export function unexplained(
  rows: readonly Behaviour[],
  shown: ReadonlyMap<number, unknown>,
): readonly Behaviour[] {
  return rows.filter((row) => row.instead === undefined && !shown.has(row.n))
}

const MOST_NAMED = 3

export function behavioursPage(
  heading: string,
  intro: string,
  rows: readonly Behaviour[],
  shown: ReadonlyMap<number, readonly ShownBy[]>,
): string {
  const cell = (text: string) => text.replaceAll('|', '\\|')
  const lines = rows.map((row) => {
    const tests = shown.get(row.n) ?? []
    const named = tests.slice(0, MOST_NAMED).map((test) => `“${cell(test.title)}” (\`${test.file}\`)`)
    if (tests.length > MOST_NAMED) named.push(`and ${tests.length - MOST_NAMED} more`)
    const shownBy = [...named, ...(row.instead === undefined ? [] : [cell(row.instead)])].join('; ')
    return `| ${row.n} | ${cell(row.what)} | ${shownBy} |`
  })
  return [`# ${heading}`, '', intro, '', '| # | behaviour | shown by |', '|---|---|---|', ...lines, ''].join(
    '\n',
  )
}
