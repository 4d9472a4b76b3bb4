/**
 * A flow that waits for a person: it processes something, tells people where to approve, and goes on once one of them has.
 * Whoever approves does it from anywhere: `await resumeFlowRun('<run id>')`.
 *
 *   node examples/semi-manual-process.ts
 */

import { flow, getRunLogger, pauseFlowRun, runtime, task } from 'callboard'

const sendAlert = task('send-alert', async (text: string) => {
  const webhook = process.env.SLACK_WEBHOOK_URL
  if (webhook === undefined) return
  await fetch(webhook, { method: 'POST', body: JSON.stringify({ text }) })
})

const runInitialProcessing = task(async function runInitialProcessing() {
  const logger = getRunLogger()
  logger.info('Processing something important 🤖')
  logger.info('Calculating the answer to life, the universe, and everything...')
})

const runSomethingCritical = task(async function runSomethingCritical() {
  const logger = getRunLogger()
  logger.info("We'll reveal the answer to life, the universe, and everything!")
  logger.info('The answer is... 42!')
})

export const semiManualProcess = flow(async function semiManualProcess({
  process = 'ChatGPT training',
} = {}) {
  const logger = getRunLogger()
  await runInitialProcessing()
  await sendAlert(`${process} finished. Please approve to continue processing: ${runtime.flowRun.id}`)
  logger.info('Waiting for approval...')
  await pauseFlowRun({ timeoutSeconds: 600 })
  logger.info('Process got approved! 🎉 Moving on to the next task')
  await runSomethingCritical()
})

if (import.meta.main) await semiManualProcess()
