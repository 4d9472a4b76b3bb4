/** The live part of a gateway, with everything real under it, on a free port of this machine. */

import { join } from 'node:path'
import type { Broker } from '../../../../src/broker/index.ts'
import { openCatalog } from '../../../../src/catalog/index.ts'
import { type Deps, systemDeps } from '../../../../src/core/index.ts'
import { addDoors, createKeeper, type Keeper } from '../../../../src/gateway/access/index.ts'
import { Commands } from '../../../../src/gateway/commands.ts'
import { createFeed } from '../../../../src/gateway/feed.ts'
import { createServer } from '../../../../src/gateway/http/index.ts'
import {
  addSocket,
  addStream,
  createLive,
  directoryOf,
  LIVE_LIMITS,
  type Live,
  type LiveLimits,
} from '../../../../src/gateway/live/index.ts'
import { OwnWrites } from '../../../../src/gateway/own-writes.ts'
import { eventsOf, IN_MEMORY, ReadModel } from '../../../../src/gateway/read-model/index.ts'
import { createWorkers } from '../../../../src/gateway/workers.ts'

export interface TestGateway {
  readonly port: number
  readonly live: Live
  readonly keeper: Keeper
  stop(): Promise<void>
}

export interface GatewayInput {
  readonly broker: Broker
  readonly deps?: Deps
  readonly limits?: Partial<LiveLimits>
  /** Where the read model is. Default: in memory. */
  readonly folder?: string
  /** Default: nobody needs a key. */
  readonly isOpen?: boolean
  readonly origins?: readonly string[]
  readonly requestsPerMinute?: number
}

const DEFAULTS = { gracePeriod: 1_000, lateAfter: 60_000, maxRecoveries: 3 }

export async function startGateway(input: GatewayInput): Promise<TestGateway> {
  const { broker, folder, deps = systemDeps(), isOpen = true, origins = [], requestsPerMinute = 0 } = input
  const limits = { ...LIVE_LIMITS, ...input.limits }
  const catalog = openCatalog(broker, deps)
  const place = folder === undefined ? IN_MEMORY : join(folder, 'read-model')
  const model = new ReadModel({ place, broker: broker.url, logger: deps.logger })
  const feed = createFeed(broker, model, deps)
  const workers = createWorkers(broker, deps, 10_000)
  const keeper = createKeeper({ broker, catalog, deps })
  const writes = new OwnWrites(feed)
  const commands = new Commands({ broker, deps, catalog, settings: DEFAULTS, model, writes })
  for (const part of [feed, workers, keeper]) await part.start()
  const sources = { log: broker.log, feed, runs: directoryOf(model, feed, limits), workers, eventsOf }
  const live = createLive(sources, limits, deps)
  await live.start()
  const server = createServer({ deps, bodyLimit: 1024 * 1024 })
  await addDoors(server, { keeper, host: '127.0.0.1', isOpen, origins, requestsPerMinute })
  const options = { deps, commands, keeper, live, version: 'test' }
  await addSocket(server, options)
  addStream(server, options)
  await server.listen({ host: '127.0.0.1', port: 0 })
  const address = server.server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    live,
    keeper,
    async stop() {
      await live.stop()
      await server.close()
      for (const part of [feed, workers, keeper]) await part.stop()
      model.close()
    },
  }
}
