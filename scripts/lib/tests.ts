/**
 * Runs the tests and counts them.
 *
 * The count comes from a reporter of our own and is printed by this process after Vitest has ended: nothing can
 * print behind it. A run that was not green never counts as "0 failed", also
 * when what went wrong was no test (a file that cannot be imported, an error outside of any test).
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { COUNT_FILE } from './count-reporter.ts'
import { ROOT, run } from './run.ts'

export interface Count {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** True when something ran and nothing failed. */
export const isGreen = (count: Count): boolean => count.passed > 0 && count.failed === 0

/** The closing line: `N passed, N failed`, and `, N skipped` when some were. */
export const countLine = ({ passed, failed, skipped }: Count): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`

/** Runs Vitest with these extra arguments, showing its output. */
export async function runTests(args: readonly string[]): Promise<Count> {
  const folder = await mkdtemp(join(tmpdir(), 'callboard-tests-'))
  try {
    const file = join(folder, 'count.json')
    const reporters = ['--reporter=default', `--reporter=${ROOT}scripts/lib/count-reporter.ts`]
    const { code } = await run(
      [process.execPath, `${ROOT}node_modules/vitest/vitest.mjs`, 'run', ...reporters, ...args],
      { output: 'show', env: { [COUNT_FILE]: file } },
    )
    const text = await readFile(file, 'utf8').catch(() => undefined)
    return countOf(text === undefined ? undefined : JSON.parse(text), code)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What Vitest counted (`undefined`: it ended before it could) together with its exit code. */
export function countOf(counted: Count | undefined, exitCode: number): Count {
  const count = counted ?? { passed: 0, failed: 0, skipped: 0 }
  const wentWrong = exitCode !== 0 || count.passed === 0
  return wentWrong && count.failed === 0 ? { ...count, failed: 1 } : count
}
