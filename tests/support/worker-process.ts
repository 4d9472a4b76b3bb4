/**
 * A worker as a process: run with a broker's URL, a file, a name and the time of its leases, it hosts runs of the flow
 * `twenty-steps` until it is told to stop, or killed. Before each step's body ends it writes a line to the file: `<run> <step> <worker>`.
 */

import { appendFileSync } from 'node:fs'
import { createHost, inlineRunner, type Program } from '../../src/actors/index.ts'
import { openBroker } from '../../src/broker/index.ts'
import { sleep, systemClock, systemDeps } from '../../src/core/index.ts'
import { createScheduler } from '../../src/scheduler/index.ts'
import { STEP_MS, STEPS, type WorkerOrder, type WorkerReport } from './workers.ts'

const [, , url = '', file = '', name = '', lease = ''] = process.argv
const leaseMs = Number(lease)
const tell = (report: WorkerReport) => process.send?.(report)

/** 0 + 1 + … + 19, a step each. */
const program: Program = async (session) => {
  let sum = 0
  for (let step = 0; step < STEPS; step++) {
    const before = sum
    const body = async () => {
      await sleep(systemClock, STEP_MS)
      appendFileSync(file, `${session.start.run} ${step} ${name}\n`)
      tell({ did: 'step', run: session.start.run, step })
      return before + step
    }
    sum = (await session.task({ task: 'step' }, body)) as number
  }
  return sum
}

const deps = systemDeps()
const broker = await openBroker(url, deps)
await broker.start()
const scheduler = createScheduler(broker, deps, {
  preferred: false,
  leaseMs,
  workerLeaseMs: leaseMs,
})
const host = createHost({
  broker,
  deps,
  runners: [inlineRunner(deps, new Map([['twenty-steps', { program }]]))],
  settings: { worker: name, queues: ['e2e'], leaseMs },
})
await host.start()
await scheduler.start()

async function stop(): Promise<void> {
  await host.stop()
  await scheduler.stop()
  await broker.stop()
  process.disconnect()
}

process.on('message', (order: WorkerOrder) => {
  if (order === 'stop') void stop()
  else process.kill(process.pid, 'SIGSTOP')
})
process.once('disconnect', () => process.exit())
tell({ did: 'ready' })
