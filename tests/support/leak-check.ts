/**
 * After each test, nothing may be left running that was not there before it. Named in `setupFiles`, so that every test
 * has it. Tests that run at the same time as others are left out: nobody could say whose a socket is.
 */

import { afterEach, beforeEach } from 'vitest'
import { type LeakCheck, leakCheck } from '../../src/testing/leak-check.ts'

let check: LeakCheck | undefined

beforeEach(({ task }) => {
  check = task.concurrent ? undefined : leakCheck()
})

afterEach(async ({ task }) => {
  if (task.concurrent) return
  const left = (await check?.leftovers()) ?? []
  if (left.length > 0) throw new Error(`The test left something running:\n  ${left.join('\n  ')}`)
})
