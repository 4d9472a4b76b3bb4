/** Vitest's reporter that hands the count of a run to `tests.ts`, through the file it names. Prints nothing. */

import { writeFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'
import type { Count } from './tests.ts'

/** The variable that names the file. */
export const COUNT_FILE = 'TEST_COUNT_FILE'

/** A test that was still pending when the run ended never came to its end: it counts as failed. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const states = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) for (const test of module.children.allTests()) states[test.result().state]++
    const { passed, failed, skipped, pending } = states
    const count: Count = { passed, failed: failed + pending, skipped }
    writeFileSync(process.env[COUNT_FILE] ?? '', JSON.stringify(count))
  }
}
