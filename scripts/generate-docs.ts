/**
 * `npm run docs`: writes the reference pages that are made from the source. A test compares what is committed with
 * what this would write.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errorsPage } from './docs/errors-page.ts'
import { settingsPage } from './docs/settings-page.ts'

/** What makes each generated page, by its path in the repository. */
export const PAGES: ReadonlyMap<string, () => string> = new Map([
  ['docs/reference/errors.md', errorsPage],
  ['docs/reference/settings.md', settingsPage],
])

if (import.meta.main) {
  for (const [path, page] of PAGES) {
    const file = join(import.meta.dirname, '..', path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, page())
    console.log(`wrote   ${path}`)
  }
}
