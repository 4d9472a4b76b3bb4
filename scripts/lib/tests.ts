/**
 * Runs the tests and counts them.
 *
 * The count comes from Vitest's own JSON report, not from its screen, and is printed by this process after
 * Vitest has ended: nothing can print behind it. A run that was not green never counts as "0 failed", also
 * when what went wrong was no test (a file that cannot be imported, an error outside of any test).
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
    const report = join(folder, 'report.json')
    const { code } = await run(
      [
        process.execPath,
        join(ROOT, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${report}`,
        ...args,
      ],
      { output: 'show' },
    )
    return countOf(await readReport(report), code)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The count of a report (`undefined`: Vitest wrote none) together with Vitest's exit code. */
export function countOf(report: Count | undefined, exitCode: number): Count {
  const count = report ?? { passed: 0, failed: 0, skipped: 0 }
  const wentWrong = exitCode !== 0 || count.passed === 0
  return wentWrong && count.failed === 0 ? { ...count, failed: 1 } : count
}

async function readReport(path: string): Promise<Count | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const report: Readonly<Record<string, unknown>> = JSON.parse(text)
  const number = (key: string) => Number(report[key] ?? 0)
  return {
    passed: number('numPassedTests'),
    failed: number('numFailedTests'),
    skipped: number('numPendingTests') + number('numTodoTests'),
  }
}
