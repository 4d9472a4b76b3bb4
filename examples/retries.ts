/**
 * A task that fails three times, and its flow with it. Its log shows the way:
 * Pending → Running → AwaitingRetry → Retrying → AwaitingRetry → Retrying → Failed. The script ends with exit code 1.
 *
 *   node examples/retries.ts
 */

import { flow, task } from 'callboard'

// this task runs 3 times before the flow fails
const failure = task({ retries: 2, retryDelaySeconds: [0.2, 0.1] }, async function failure() {
  console.log('running')
  throw new Error('bad code')
})

export const testRetries = flow(async function testRetries() {
  return failure()
})

if (import.meta.main) await testRetries()
