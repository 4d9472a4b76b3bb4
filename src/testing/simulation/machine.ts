/**
 * One machine of the simulated cluster: a process with a broker connection, a host and a scheduler, on a clock of its
 * own. It can die at any await, freeze, lose its connection, or have its clock set wrong.
 */

import { createHost, inlineRunner } from '../../actors/index.ts'
import { type MemoryPlace, memoryBroker } from '../../broker/embedded/index.ts'
import { type ClockView, type Deps, seededRandom, silentLogger, type VirtualClock } from '../../core/index.ts'
import { createScheduler } from '../../scheduler/index.ts'
import { everywhere, faulty } from '../faults/index.ts'
import type { Ledger } from './ledger.ts'
import { PROGRAM_NAMES, simProgram } from './programs.ts'

export interface MachineOptions {
  readonly name: string
  readonly seed: number
  readonly faultRate: number
  readonly clock: VirtualClock
  readonly place: MemoryPlace
  readonly ledger: Ledger
  readonly logger?: Deps['logger']
}

export interface Machine {
  readonly name: string
  readonly isAlive: boolean
  /** Rejects when it cannot take part; a supervisor would start it anew. */
  readonly up: Promise<void>
  crash(): void
  freeze(): void
  thaw(): void
  cut(forMs: number): void
  /** Its wall clock jumps. */
  skew(ms: number): void
}

/** Faults that leave the process alive. Crashes are the scenario's. */
const SMALL_FAULTS = ['lose-before', 'lose-after', 'delay', 'double', 'reorder', 'deny', 'split'] as const

const SIM_TIMES = {
  leaseMs: 3_000,
  parkAfterMs: 2_000,
  cutOffMs: 20_000,
  sweepEveryMs: 10_000,
  claimWithinMs: 10_000,
} as const

export function bootMachine({
  name,
  seed,
  faultRate,
  clock,
  place,
  ledger,
  logger = silentLogger,
}: MachineOptions): Machine {
  const view: ClockView = clock.view({ name })
  const deps: Deps = { clock: view, random: seededRandom(seed), logger: logger.child({ machine: name }) }
  const broker = faulty(
    memoryBroker(place, deps),
    { seed, rates: everywhere(faultRate, ...SMALL_FAULTS), cutMs: 1_000 },
    deps,
  )
  const stage = { machine: name, deps, ledger }
  const flows = new Map(PROGRAM_NAMES.map((program) => [program as string, simProgram(program).flow(stage)]))
  let isAlive = true
  const up = start()

  async function start(): Promise<void> {
    const { leaseMs, parkAfterMs, cutOffMs, sweepEveryMs, claimWithinMs } = SIM_TIMES
    await broker.start()
    const scheduler = createScheduler(broker, deps, {
      leaseMs,
      workerLeaseMs: leaseMs,
      sweepEveryMs,
      claimWithinMs,
    })
    const host = createHost({
      broker,
      deps,
      runners: [inlineRunner(deps, flows)],
      settings: { worker: name, queues: ['sim'], slots: 8, leaseMs, parkAfterMs, cutOffMs },
    })
    await Promise.all([scheduler.start(), host.start()])
  }

  return {
    name,
    get isAlive() {
      return isAlive
    },
    up,
    crash() {
      if (!isAlive) return
      isAlive = false
      view.kill()
      ledger.bury(name)
      void broker.crash()
    },
    freeze: () => view.freeze(),
    thaw: () => view.thaw(),
    cut: (forMs) => broker.cut(forMs),
    skew: (ms) => view.shift(ms),
  }
}
