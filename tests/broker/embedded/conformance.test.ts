/** The embedded driver held to the definition of the port: in memory, in a folder, and over a folder from several sides. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { embeddedBroker, memoryBroker, memoryPlace } from '../../../src/broker/embedded/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import { type ConformanceDriver, conformance } from '../../../src/testing/index.ts'

const lacks = {
  cut: 'there is no connection that could be cut',
  restart: 'there is no server that could restart',
}

/** URLs of one folder in turn: each connection takes the next. */
function inFolder(name: string, urlsOf: (dir: string) => readonly string[]): ConformanceDriver {
  return {
    name,
    lacks,
    async place() {
      const dir = await mkdtemp(join(tmpdir(), 'callboard-conformance-'))
      const urls = urlsOf(dir)
      let opened = 0
      return {
        url: `embedded:${dir}`,
        open: (options) => embeddedBroker(urls[opened++ % urls.length] ?? '', systemDeps(), options),
        close: () => rm(dir, { recursive: true }),
      }
    },
  }
}

conformance(
  inFolder('embedded, one connection to the store shared by all', (dir) => [`embedded:${dir}`]),
  { describe, it },
)

// Different options are different connections to the database: what one does, the other learns as from another process.
conformance(
  inFolder('embedded, two connections to the store', (dir) => [
    `embedded:${dir}`,
    `embedded:${dir}?max_bytes=1TiB`,
  ]),
  { describe, it },
)

conformance(
  {
    name: 'memory',
    lacks: { ...lacks, processes: 'memory is shared within one process only' },
    async place() {
      const place = memoryPlace()
      return { open: (options) => memoryBroker(place, systemDeps(), options), close: async () => {} }
    },
  },
  { describe, it },
)
