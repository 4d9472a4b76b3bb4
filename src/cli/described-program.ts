/** The commands as definitions, for those who only read them: nothing can be run. */

import { systemDeps } from '../core/index.ts'
import { Context } from './context.ts'
import { buildProgram, type Program } from './program.ts'

export function describedProgram(): Program {
  const { stdin, stdout, stderr } = process
  const around = { deps: systemDeps(), environment: {}, folder: '.', stdin, stdout, stderr }
  return buildProgram(new Context(around, () => ({})))
}
