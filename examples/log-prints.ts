/**
 * Prints as log lines: the flow asks for them, functions that know nothing of it are in, and one task stays out.
 *
 *   node examples/log-prints.ts
 */

import { flow, task } from 'callboard'

function businessLogic(text: string) {
  console.log(text)
}

const myTask = task(async function my_task() {
  console.log('world 🌍')
  businessLogic('custom code that knows nothing of flows')
})

const sensitiveTask = task({ logPrints: false }, async function sensitive_task() {
  console.log('print this only locally to the terminal')
  businessLogic('custom sensitive data')
})

export const myFlow = flow({ logPrints: true }, async function my_flow() {
  console.log('hello 👋')
  await myTask()
  await sensitiveTask()
})

if (import.meta.main) await myFlow()
