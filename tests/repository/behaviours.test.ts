/** No numbered behaviour is without a test that shows it, or a sentence that says why there is none. */

import { describe, expect, test } from 'vitest'
import { testsTagged, unexplained } from '../../scripts/docs/behaviours-page.ts'
import { FAILURE_SCENARIOS } from '../../scripts/docs/failure-scenarios.ts'
import { PREFECT_BEHAVIOURS } from '../../scripts/docs/prefect-behaviours.ts'

describe.each([
  ['scenario', FAILURE_SCENARIOS],
  ['prefect', PREFECT_BEHAVIOURS],
] as const)('the behaviours numbered by [%s N]', (tag, rows) => {
  test('are counted from one without a gap', () => {
    expect(rows.map(({ n }) => n)).toEqual(rows.map((_, index) => index + 1))
  })

  test('are each shown by a test, or say why not', () => {
    expect(unexplained(rows, testsTagged(tag)).map(({ n, what }) => `${n}: ${what}`)).toEqual([])
  })

  test('are all that titles speak of', () => {
    const known = new Set(rows.map(({ n }) => n))
    expect([...testsTagged(tag).keys()].filter((n) => !known.has(n))).toEqual([])
  })
})
