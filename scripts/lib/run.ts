/** Runs one command from the repository's root, on the Node and the tools of node_modules. */

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The repository's root, with a slash at its end. */
export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url))

/** Some tools colour what they say whenever `CI` is set; nobody reads colours in a file. */
const COLOURS = process.stdout.isTTY ? {} : { NO_COLOR: '1' }

export interface RunOptions {
  /** `show`: straight to the terminal. `keep`: returned, for the caller to print if it matters. */
  readonly output: 'show' | 'keep'
  readonly env?: Readonly<Record<string, string>>
}

export interface RunResult {
  /** The exit code; 1 when a signal ended it. */
  readonly code: number
  /** What it printed on both streams, in order; empty with `show`. */
  readonly output: string
}

/** Resolves when the command has ended, whatever its exit code; rejects when it could not be started. */
export function run(command: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program = '', ...args] = command
  return new Promise((resolve, reject) => {
    const stdio = options.output === 'show' ? 'inherit' : 'pipe'
    const child = spawn(program, args, {
      cwd: ROOT,
      stdio: ['ignore', stdio, stdio],
      env: {
        ...process.env,
        ...COLOURS,
        PATH: `${ROOT}node_modules/.bin:${process.env.PATH}`,
        ...options.env,
      },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, output }))
  })
}
