/**
 * `npm test`: the checks, then all tests. This is what CI runs.
 * `npm test -- <arguments for Vitest>`: only those tests, without the checks.
 *
 * The last line is always the count, the exit code 0 only when something ran and nothing failed.
 */

import { findOrInstall } from './brokers.ts'
import { runChecks } from './lib/checks.ts'
import { countLine, isGreen, runTests } from './lib/tests.ts'

const args = process.argv.slice(2)
const fit = args.length > 0 || (await runChecks())
if (fit) await findOrInstall('nats-server')
const count = fit ? await runTests(args) : { passed: 0, failed: 1, skipped: 0 }
console.log(countLine(count))
process.exitCode = isGreen(count) ? 0 : 1
