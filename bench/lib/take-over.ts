/** A scheduler that has taken over everything. */

import type { Broker } from '../../src/broker/index.ts'
import { PARTITIONS, systemDeps } from '../../src/core/index.ts'
import { createScheduler, type Scheduler } from '../../src/scheduler/index.ts'

/** Resolves with how long it took, once it holds every partition, with at least so many runs. */
export async function takeOver(broker: Broker, runs = 0): Promise<{ scheduler: Scheduler; ms: number }> {
  const scheduler = createScheduler(broker, systemDeps())
  const complete = Promise.withResolvers<void>()
  scheduler.onChange(({ holding, changing }) => {
    if (holding.length === PARTITIONS && changing.length === 0) complete.resolve()
  })
  const began = performance.now()
  await scheduler.start()
  await complete.promise
  const ms = performance.now() - began
  const known = scheduler.status().runs
  if (known < runs) throw new Error(`The scheduler knows ${known} runs of ${runs}.`)
  return { scheduler, ms }
}
