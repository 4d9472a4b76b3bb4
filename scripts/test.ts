/**
 * `npm test`: the checks, then all tests. This is what CI runs.
 * `npm test -- <arguments for Vitest>`: only those tests, without the checks.
 *
 * The last line is always the count, the exit code 0 only when something ran and nothing failed.
 */

import { findOrInstall } from './brokers.ts'
import { runChecks } from './lib/checks.ts'
import { countLine, isGreen, runTests } from './lib/tests.ts'

/** Says which server the tests will use; what to do when there is none. */
async function findServers(): Promise<boolean> {
  try {
    const found = await findOrInstall('nats-server')
    const which = found.how === 'compose' ? `the Compose service "${found.service}"` : found.version
    console.log(`ok      nats-server (${found.how === 'installed' ? `${which}, installed just now` : which})`)
    return true
  } catch (error) {
    console.log(`FAILED  nats-server\n        ${error instanceof Error ? error.message : error}`)
    return false
  }
}

const args = process.argv.slice(2)
const worthRunning = args.length > 0 || ((await runChecks()) && (await findServers()))
const count = worthRunning ? await runTests(args) : { passed: 0, failed: 1, skipped: 0 }
console.log(countLine(count))
process.exitCode = isGreen(count) ? 0 : 1
