/** From arguments to an exit code: builds the program, runs the command, says what went wrong. */

import { Context, type Surroundings } from './context.ts'
import { endingOf } from './exits.ts'
import { buildProgram } from './program.ts'

/** Never throws; what went wrong is said on standard error. */
export async function commandLine(args: readonly string[], around: Surroundings): Promise<number> {
  leaveQuietlyWhenNobodyReads(around.stdout)
  const context = new Context(around, () => program.opts())
  const program = buildProgram(context)
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    const { exitCode, message } = endingOf(error)
    if (message !== undefined) context.out.note(message)
    return exitCode
  } finally {
    context.close()
  }
}

/** `callboard flow-run ls | head` ends when `head` has enough. */
function leaveQuietlyWhenNobodyReads(stdout: NodeJS.WritableStream): void {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}
