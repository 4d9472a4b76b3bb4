/** Our own drivers, as the conformance suite wants them presented. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embeddedBroker, memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import { systemDeps } from '../../src/core/index.ts'
import type { ConformanceDriver } from '../../src/testing/index.ts'

const NO_WIRE = 'there is no wire between this process and its broker'
const NO_SERVER = 'there is no server that could restart by itself'

export const memoryDriver: ConformanceDriver = {
  name: 'memory',
  lacks: { cut: NO_WIRE, processes: 'it lives in the memory of one process', restart: NO_SERVER },
  async place() {
    const place = memoryPlace()
    return {
      open: (options) => memoryBroker(place, systemDeps(), options),
      async close() {},
    }
  },
}

export const embeddedDriver: ConformanceDriver = {
  name: 'embedded',
  lacks: { cut: NO_WIRE, restart: NO_SERVER },
  async place() {
    const folder = await mkdtemp(join(tmpdir(), 'callboard-embedded-'))
    const url = `embedded:${folder}`
    return {
      url,
      open: (options) => embeddedBroker(url, systemDeps(), options),
      close: () => rm(folder, { recursive: true }),
    }
  },
}
