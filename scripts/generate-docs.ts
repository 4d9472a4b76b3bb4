/**
 * `npm run docs`: writes the reference pages that are made from the source. A test compares what is committed with
 * what this would write.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { behavioursPage, testsTagged } from './docs/behaviours-page.ts'
import { commandLinePage } from './docs/command-line-page.ts'
import { errorsPage } from './docs/errors-page.ts'
import { FAILURE_SCENARIOS } from './docs/failure-scenarios.ts'
import { PREFECT_BEHAVIOURS } from './docs/prefect-behaviours.ts'
import { settingsPage } from './docs/settings-page.ts'

/** What makes each generated page, by its path in the repository. */
export const PAGES: ReadonlyMap<string, () => string> = new Map([
  ['docs/reference/command-line.md', commandLinePage],
  ['docs/reference/errors.md', errorsPage],
  [
    'docs/reference/failure-scenarios.md',
    () =>
      behavioursPage(
        'Forty ways things go wrong',
        'What can fail under a run, what Callboard does then, and the tests that make it fail and look.',
        FAILURE_SCENARIOS,
        testsTagged('scenario'),
      ),
  ],
  [
    'docs/reference/prefect-parity.md',
    () =>
      behavioursPage(
        'What Prefect does, and where it is shown here',
        'The behaviours that users of Prefect will look for, each with the tests that show it, or why there is none.',
        PREFECT_BEHAVIOURS,
        testsTagged('prefect'),
      ),
  ],
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
