/**
 * The command line: from arguments to exit codes. It wires the other rooms together and decides nothing that is theirs; most
 * commands ask the gateway through the public client.
 */

export { commandLine } from './command-line.ts'
export type { Surroundings } from './context.ts'
export { describedProgram } from './described-program.ts'
