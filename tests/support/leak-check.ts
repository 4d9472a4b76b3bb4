/**
 * After each test, nothing may be left running that was not there before it. A file that imports this, or a
 * configuration that names it in `setupFiles`, has the check on all its tests.
 */

import { afterEach, beforeEach } from 'vitest'
import { type LeakCheck, leakCheck } from '../../src/testing/index.ts'

let check: LeakCheck | undefined

beforeEach(() => {
  check = leakCheck()
})

afterEach(async () => {
  const left = (await check?.leftovers()) ?? []
  if (left.length > 0) throw new Error(`The test left something running:\n  ${left.join('\n  ')}`)
})
