/** Programs of this folder that use the package as a script of somebody does, in a process of their own. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const BUILT = new URL('../../dist/sdk/public.js', import.meta.url)
const SOURCE = new URL('../../src/sdk/public.ts', import.meta.url)

/** Whether the package is measured as it is installed. Otherwise its source is, which Node strips of its types first. */
const isBuilt = existsSync(BUILT)

/** What was measured, for a row's note. */
export const whichPackage = isBuilt ? 'the package as it is built' : 'from source: npm run build first'

/** Runs the program with the package's URL as its first argument; gives what it prints, which is JSON. */
export async function onPackage<T>(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<T> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, program), (isBuilt ? BUILT : SOURCE).href, ...args],
    { env: { PATH: process.env.PATH, CALLBOARD_LOGGING_LEVEL: 'error', ...env } },
  )
  return JSON.parse(stdout)
}
