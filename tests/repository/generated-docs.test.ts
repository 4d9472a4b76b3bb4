/** The pages that are made from tables in the source are committed as they would be made now. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { PAGES } from '../../scripts/generate-docs.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

describe('the generated page', () => {
  test.each([...PAGES])('%s is current (npm run docs makes it so)', (path, page) => {
    expect(readFileSync(ROOT + path, 'utf8')).toBe(page())
  })
})
