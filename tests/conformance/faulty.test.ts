/**
 * The wire that the faults break must itself obey the port: without faults wholly, also when it is cut and healed by
 * hand; with delays and split batches too, because the port promises nothing about when.
 */

import { describe, it } from 'vitest'
import { memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import { systemClock, systemDeps } from '../../src/core/index.ts'
import {
  type ConformanceDriver,
  conformance,
  everywhere,
  type FaultPlan,
  type FaultyBroker,
  faulty,
} from '../../src/testing/index.ts'
import { memoryDriver } from '../support/memory-driver.ts'

function behindAWire(name: string, plan: Omit<FaultPlan, 'seed'>): ConformanceDriver {
  const { processes = '', restart = '' } = memoryDriver.lacks
  let seed = 0
  return {
    name,
    lacks: { processes, restart },
    async place() {
      const place = memoryPlace()
      const open = new Set<FaultyBroker>()
      return {
        open(options = {}) {
          const patience = {
            ...(options.settleMs === undefined ? {} : { settleMs: options.settleMs }),
            ...(options.callTimeoutMs === undefined ? {} : { callTimeoutMs: options.callTimeoutMs }),
          }
          const inner = memoryBroker(place, systemDeps(), options)
          const broker = faulty(inner, { ...plan, ...patience, seed: ++seed }, { clock: systemClock })
          open.add(broker)
          return broker
        },
        async cut() {
          for (const broker of open) broker.cut()
        },
        async heal() {
          for (const broker of open) broker.heal()
        },
        async close() {},
      }
    },
  }
}

// Most of these cases wait for time to pass, so they wait together.
const together = { describe, it: it.concurrent }

conformance(behindAWire('memory behind a whole wire', {}), together)
conformance(
  behindAWire('memory behind a slow wire', { rates: everywhere(0.15, 'delay', 'split'), longestDelayMs: 8 }),
  together,
)
