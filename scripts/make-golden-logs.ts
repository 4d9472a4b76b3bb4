/**
 * Writes the logs that this release leaves behind, with what they must fold to, into `tests/actors/golden`. A log that
 * is there already is left alone: it is a promise. When the format changes, raise `RECORD_VERSION`, add a migration,
 * and run this again: the new version's logs come beside the old ones.
 */

import { existsSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { RECORD_VERSION } from '../src/actors/index.ts'
import { GOLDEN_LIVES, outcomeOf } from '../tests/actors/support/golden-lives.ts'

const FOLDER = new URL('../tests/actors/golden/', import.meta.url)

for (const [name, make] of Object.entries(GOLDEN_LIVES)) {
  const file = fileURLToPath(new URL(`v${RECORD_VERSION}-${name}.ndjson`, FOLDER))
  if (existsSync(file)) {
    console.log(`kept    ${file}`)
    continue
  }
  const run = make()
  const entries = run.entries.map(({ rev, at, records }) => ({ rev, at, records }))
  const lines = [{ run: run.state.id, outcome: outcomeOf(run.state) }, ...entries]
  writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
  console.log(`written ${file}`)
}
