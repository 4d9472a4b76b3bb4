/** A fixed set of seeds in groups, so that a failing one is named and the others still run. */

import { expect, test } from 'vitest'
import { scenarioOf, simulate } from '../../src/testing/simulation/index.ts'

const GROUP = 50
const PATIENCE_MS = 120_000

export function testSeeds(from: number, count: number): void {
  const groups = Array.from({ length: count / GROUP }, (_, i) => from + i * GROUP)
  test.each(groups)(
    `${GROUP} histories from seed %i hold every promise`,
    async (first) => {
      for (let seed = first; seed < first + GROUP; seed++) {
        const { violations } = await simulate(scenarioOf(seed))
        expect(violations, `npm run simulate -- --seed ${seed}`).toEqual([])
      }
    },
    PATIENCE_MS,
  )
}
