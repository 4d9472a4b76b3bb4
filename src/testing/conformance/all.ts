/** All cases, in the order in which a driver is best built. */

import { busCases } from './bus.ts'
import { requestCases } from './bus-requests.ts'
import { kvCases } from './kv.ts'
import { expiryCases, watchCases } from './kv-time.ts'
import { lifecycleCases } from './lifecycle.ts'
import { appendCases } from './log-append.ts'
import { archiveCases } from './log-archive.ts'
import { followCases } from './log-follow.ts'
import { followingCases } from './log-following.ts'
import { readCases } from './log-read.ts'
import { recordCases } from './log-records.ts'
import { objectCases } from './objects.ts'
import { cutCases, restartCases } from './outages.ts'
import { processCases } from './processes.ts'
import { queueCases } from './queue.ts'
import { claimCases } from './queue-claims.ts'
import { type ConformanceCase, type ConformanceDriver, type Runner, register } from './suite.ts'

export const conformanceCases: readonly ConformanceCase[] = [
  ...lifecycleCases,
  ...appendCases,
  ...recordCases,
  ...readCases,
  ...followCases,
  ...followingCases,
  ...archiveCases,
  ...queueCases,
  ...claimCases,
  ...busCases,
  ...requestCases,
  ...kvCases,
  ...expiryCases,
  ...watchCases,
  ...objectCases,
  ...cutCases,
  ...restartCases,
  ...processCases,
]

/** Registers every case with a test framework. See `ConformanceDriver` for what a driver must offer. */
export function conformance(driver: ConformanceDriver, runner: Runner): void {
  register(driver, runner, conformanceCases)
}
