/** What somebody waits for who starts a script: a process of its own, a store that is not there yet, one flow of one task. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface FirstRun {
  /** To import the package. */
  readonly importMs: number
  /** From the start of the process to the end of the run. */
  readonly allMs: number
  /** Of the processor, meanwhile. */
  readonly cpuMs: number
}

const BUILT = new URL('../../dist/sdk/public.js', import.meta.url)
const SOURCE = new URL('../../src/sdk/public.ts', import.meta.url)

/** Whether the package is measured as it is installed. Otherwise its source is, which Node strips of its types first. */
export const isBuilt = existsSync(BUILT)

export async function firstRun(): Promise<FirstRun> {
  const home = await mkdtemp(join(tmpdir(), 'callboard-first-run-'))
  try {
    const script = join(import.meta.dirname, 'first-run-process.ts')
    const env = { PATH: process.env.PATH, HOME: home, CALLBOARD_HOME: home, CALLBOARD_LOGGING_LEVEL: 'error' }
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [script, (isBuilt ? BUILT : SOURCE).href],
      { env },
    )
    return JSON.parse(stdout)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
