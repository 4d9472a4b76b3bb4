/** Runs that wait for a day: what they cost the scheduler that holds their partitions, and how fast another takes over. */

import { beginRun, judgeFlow, judgeWait, RunLog, recordOf } from '../../../src/actors/index.ts'
import type { Broker } from '../../../src/broker/index.ts'
import { mintId, systemDeps } from '../../../src/core/index.ts'
import { liveMemory } from '../../lib/memory.ts'
import { newRun } from '../../lib/new-run.ts'
import type { Row } from '../../lib/results.ts'
import { takeOver } from '../../lib/take-over.ts'

const AT_ONCE = 256
const DAY_MS = 86_400_000
const deps = systemDeps()

export async function* parkedRuns(broker: Broker, count: number): AsyncGenerator<Row> {
  let left = count
  const lane = async () => {
    while (left-- > 0) await park(broker)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))

  const many = count.toLocaleString('en')
  const before = liveMemory()
  const cold = await takeOver(broker, count)
  yield {
    workload: `${many} parked runs, in the scheduler`,
    unit: 'MB',
    value: liveMemory() - before,
    target: { kind: 'most', atMost: 100 },
    note: 'live heap and buffers after a collection, against before the take-over',
  }
  yield { workload: `${many} parked runs, taken over from the log`, unit: 'ms', value: cold.ms }
  await cold.scheduler.stop()
  const warm = await takeOver(broker, count)
  yield { workload: `${many} parked runs, taken over from checkpoints`, unit: 'ms', value: warm.ms }
  await warm.scheduler.stop()
}

/** A run that was created, claimed, started and put to sleep until tomorrow, in one entry. */
async function park(broker: Broker): Promise<void> {
  const id = mintId(deps)
  const created = await recordOf(broker, deps, id, newRun('sleeper'))
  const state = beginRun(id, created, { rev: 0, at: created.at })
  const log = new RunLog(broker, deps, state, { created })
  const at = deps.clock.now()
  const answers = await Promise.all([
    log.propose(judgeFlow({ type: 'CLAIM', at, worker: 'bench' })),
    log.propose(judgeFlow({ type: 'START', at })),
    log.propose(judgeWait({ id: 'sleep-0', kind: 'sleep', forMs: DAY_MS }, at)),
    log.propose(judgeFlow({ type: 'PARK', at, until: at + DAY_MS, signals: [] })),
  ])
  await log.close()
  if (log.state.flow.tag !== 'PAUSED.Sleeping')
    throw new Error(`A run could not be parked: ${JSON.stringify(answers)}`)
}
