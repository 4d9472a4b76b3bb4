/** One process of the harness: a broker connection that can fail, an engine, a clock that can be killed. */

import { WORKERS_BUCKET } from '../../actors/index.ts'
import { type MemoryPlace, memoryBroker } from '../../broker/embedded/index.ts'
import type { Broker } from '../../broker/index.ts'
import { type Clock, type Deps, type Logger, seededRandom } from '../../core/index.ts'
import { SCHEDULER_BUCKET } from '../../scheduler/index.ts'
import { createEngine, type Engine, type RunSettings } from '../../sdk/index.ts'
import { type FaultPlan, type FaultyBroker, faulty } from '../faults/index.ts'

export interface MachineOptions {
  readonly name: string
  readonly seed: number
  readonly clock: Clock
  readonly place: MemoryPlace
  readonly logger: Logger
  readonly settings: RunSettings
  readonly faults: Omit<FaultPlan, 'seed'>
  readonly parkAfterMs: number
}

export interface TestMachine {
  readonly name: string
  readonly engine: Engine
  readonly broker: FaultyBroker
  /** It died by a fault of the plan. */
  readonly isDead: boolean
}

/**
 * Long: what beats every second makes two virtual days expensive. A harness that lets a process die takes its leases away
 * (`buryLeases`) instead of waiting for them.
 */
const LEASE_MS = 3_600_000

const TIMES = { leaseMs: LEASE_MS, workerLeaseMs: LEASE_MS, pingEveryMs: LEASE_MS, sweepEveryMs: 600_000 }

export async function startMachine(options: MachineOptions): Promise<TestMachine> {
  const { clock, faults, logger, name, parkAfterMs, place, seed, settings } = options
  const deps: Deps = { clock, random: seededRandom(seed), logger }
  const broker = faulty(memoryBroker(place, deps), { seed, ...faults }, deps)
  await broker.start()
  const engine = createEngine({
    env: { deps, broker, settings },
    host: { worker: name, leaseMs: LEASE_MS, parkAfterMs },
    scheduler: TIMES,
  })
  await engine.life.start()
  return {
    name,
    engine,
    broker,
    get isDead() {
      return broker.faults.some(({ kind }) => kind.startsWith('crash'))
    },
  }
}

/** What a dead process held is free: as if its leases had run out. */
export async function buryLeases(broker: Broker): Promise<void> {
  for (const name of [WORKERS_BUCKET, SCHEDULER_BUCKET]) {
    const bucket = await broker.kv.bucket(name, { ttlMs: LEASE_MS })
    for await (const { key } of bucket.list()) await bucket.delete(key)
  }
}
