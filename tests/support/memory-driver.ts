/** The driver in memory, as the conformance suite wants it presented: what tests about the suite itself run on. */

import { memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import { systemDeps } from '../../src/core/index.ts'
import type { ConformanceDriver } from '../../src/testing/index.ts'

export const memoryDriver: ConformanceDriver = {
  name: 'memory',
  lacks: {
    cut: 'there is no wire between this process and its broker',
    processes: 'it lives in the memory of one process',
    restart: 'there is no server that could restart by itself',
  },
  async place() {
    const place = memoryPlace()
    return {
      open: (options) => memoryBroker(place, systemDeps(), options),
      async close() {},
    }
  },
}
