/** Asks before something is done to many. */

import { createInterface } from 'node:readline/promises'
import type { Context } from '../context.ts'
import { wrongUsage } from '../exits.ts'

/** @throws CommandFailure when nobody can be asked */
export async function confirmed(
  { around, out }: Context,
  question: string,
  yes: true | undefined,
): Promise<boolean> {
  if (yes === true) return true
  const { stdin, stderr } = around
  if (stdin.isTTY !== true || stderr.isTTY !== true)
    throw wrongUsage(`${question} Nobody can be asked here: add --yes to do it, or --dry-run to count only.`)
  const lines = createInterface({ input: stdin, output: stderr })
  try {
    const answer = await lines.question(`${question} [y/N] `)
    const isYes = /^y(es)?$/i.test(answer.trim())
    if (!isYes) out.note('Nothing was done.')
    return isYes
  } finally {
    lines.close()
  }
}
