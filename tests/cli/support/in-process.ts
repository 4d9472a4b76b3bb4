/** A command in this process, with streams that keep what is said: for everything that ends without starting anything. */

import { PassThrough } from 'node:stream'
import { commandLine } from '../../../src/cli/index.ts'
import { type Environment, systemDeps } from '../../../src/core/index.ts'
import type { Said } from './callboard.ts'

export interface Where {
  readonly folder: string
  readonly environment: Environment
}

export async function say(args: readonly string[], { environment, folder }: Where): Promise<Said> {
  const [out, err] = [listener(), listener()]
  const streams = { stdin: new PassThrough(), stdout: out.stream, stderr: err.stream }
  const code = await commandLine(args, { deps: systemDeps(), environment, folder, ...streams })
  return { code, out: out.said(), err: err.said() }
}

function listener(): { readonly stream: PassThrough; said(): string } {
  const stream = new PassThrough()
  const parts: string[] = []
  stream.on('data', (part) => parts.push(String(part)))
  return { stream, said: () => parts.join('') }
}
