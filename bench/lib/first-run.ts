/** What somebody waits for who starts a script: a process of its own, a store that is not there yet, one flow of one task. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onPackage } from './on-package.ts'

export interface FirstRun {
  /** To import the package. */
  readonly importMs: number
  /** From the start of the process to the end of the run. */
  readonly allMs: number
  /** Of the processor, meanwhile. */
  readonly cpuMs: number
}

export async function firstRun(): Promise<FirstRun> {
  const home = await mkdtemp(join(tmpdir(), 'callboard-first-run-'))
  try {
    return await onPackage('first-run-process.ts', [], { HOME: home, CALLBOARD_HOME: home })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
