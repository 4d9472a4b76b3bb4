/**
 * What must hold before a test is worth running, quickest first. Each check is a plain command, so that
 * what failed here can be run again by hand; `npm run check` and `npm test` run this one list.
 */

import { run } from './run.ts'

interface Check {
  readonly name: string
  readonly command: readonly string[]
}

const CHECKS: readonly Check[] = [
  { name: 'format and lint', command: ['biome', 'check', '--error-on-warnings', '.'] },
  { name: 'types', command: ['tsc', '--noEmit'] },
  { name: 'dead exports and unused dependencies', command: ['knip', '--no-config-hints'] },
  { name: 'build', command: ['npm', 'run', '--silent', 'build'] },
]

/**
 * Runs the checks in order and prints a line for each. At the first that fails it prints what the command
 * said and how to run it again, and answers `false`.
 */
export async function runChecks(): Promise<boolean> {
  for (const check of CHECKS) {
    const began = performance.now()
    const { code, output } = await run(check.command, { output: 'keep' })
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    if (code === 0) {
      console.log(`ok      ${check.name} (${seconds} s)`)
      continue
    }
    console.log(output.trimEnd())
    console.log(`FAILED  ${check.name} (${seconds} s)`)
    console.log(`        again: ${byHand(check.command)}`)
    return false
  }
  return true
}

/** The command as a person types it: the tools of node_modules are reached through npx. */
function byHand(command: readonly string[]): string {
  return command[0] === 'npm' ? command.join(' ') : `npx ${command.join(' ')}`
}
