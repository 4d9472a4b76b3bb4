/**
 * The gateway: REST and the live socket over one broker, and the read model under both. It holds nothing that could not be
 * made again; any number of them may stand on one broker.
 *
 * Starting goes from the broker outwards, so that the address is there only once something can be answered; stopping goes
 * the other way.
 */

import type { AddressInfo } from 'node:net'
import type { Broker } from '../broker/index.ts'
import { openCatalog } from '../catalog/index.ts'
import {
  CallboardError,
  type Deps,
  packageVersion,
  type Service,
  type Settings,
  service,
} from '../core/index.ts'
import { type AccessMode, addDoors, createKeeper, isOpenAt } from './access/index.ts'
import { Commands } from './commands.ts'
import { createFeed } from './feed.ts'
import { addDocs, addMetrics, createServer, type Server } from './http/index.ts'
import {
  addAsyncApi,
  addSocket,
  addStream,
  createLive,
  directoryOf,
  LIVE_LIMITS,
  type LiveLimits,
} from './live/index.ts'
import { OwnWrites } from './own-writes.ts'
import { eventsOf, ReadModel } from './read-model/index.ts'
import { addReadYourWrites } from './read-your-writes.ts'
import { addRoutes, addRunTokens } from './routes/index.ts'
import { createWorkers } from './workers.ts'

export interface GatewayOptions {
  /** Started by the caller, and stopped after the gateway. */
  readonly broker: Broker
  readonly deps: Deps
  readonly settings: Settings
  /** Who has to show a key. Default: what the settings say. */
  readonly access?: AccessMode
  /** What one live connection may take. */
  readonly live?: Partial<LiveLimits>
}

export interface Gateway extends Service {
  /** Where it listens. @throws CB_E_STOPPED before `start` has resolved */
  readonly url: string
}

/**
 * `start` resolves when it listens; `/api/ready` tells when the read model is where the log is.
 *
 * `start` throws CB_E_KEYS_NEEDED, CB_E_ADDRESS, CB_E_STORE_UNWRITABLE, and what the broker throws; nothing is left
 * open then.
 */
export function createGateway(options: GatewayOptions): Gateway {
  let listening: Listening | undefined
  const life = service('The gateway', {
    async start() {
      listening = await open(options)
    },
    async stop() {
      await listening?.close()
    },
  })
  return {
    ...life,
    get url() {
      if (listening !== undefined) return listening.url
      throw new CallboardError('CB_E_STOPPED', 'The gateway was asked for its address before it was started.')
    },
  }
}

interface Listening {
  readonly url: string
  close(): Promise<void>
}

async function open(options: GatewayOptions): Promise<Listening> {
  const { broker, deps, settings } = options
  /** What is open, the last one first. */
  const open: (() => void | Promise<void>)[] = []
  const close = async () => {
    for (const end of open.splice(0)) await end()
  }
  const started = async (life: Service) => {
    open.unshift(() => life.stop())
    await life.start()
  }
  try {
    const catalog = openCatalog(broker, deps)
    const keeper = createKeeper({ broker, catalog, deps })
    await started(keeper)
    const isOpen = isOpenAt(settings.serverHost, options.access ?? settings.serverAccess, keeper.hasKeys)
    const model = new ReadModel({ place: settings.serverStore, broker: broker.url, logger: deps.logger })
    open.unshift(() => model.close())
    const feed = createFeed(broker, model, deps)
    await started(feed)
    const workers = createWorkers(broker, deps, settings.workerLease)
    await started(workers)
    const writes = new OwnWrites(feed)
    const commands = new Commands({ broker, deps, catalog, settings, model, writes })
    const limits = { ...LIVE_LIMITS, ...options.live }
    const sources = { log: broker.log, feed, runs: directoryOf(model, feed, limits), workers, eventsOf }
    const live = createLive(sources, limits, deps)

    const server = createServer({ deps, bodyLimit: settings.serverBodyLimit })
    await addDoors(server, {
      ...{ keeper, isOpen, host: settings.serverHost, origins: settings.serverCorsOrigins },
      requestsPerMinute: settings.serverRateLimit,
    })
    await addDocs(server)
    addReadYourWrites(server, writes)
    const liveOptions = { deps, keeper, live }
    await addSocket(server, { ...liveOptions, commands, version: packageVersion() })
    addRoutes(server, { broker, deps, settings, catalog, model, feed, writes, workers, commands })
    addStream(server, liveOptions)
    addRunTokens(server, { deps, keeper, model })
    addAsyncApi(server)
    addMetrics(server, {
      deps,
      runs: () => model.runs.counts({}),
      workers: () => workers.all().length,
      isConnected: () => broker.status === 'connected',
      isLive: () => feed.status.is === 'live',
      connections: () => live.members,
      readModel: () => model.figures,
    })
    open.unshift(() => server.close())
    await started(live) // stopped before the server: clients are told to come again
    await listen(server, settings)
    const { address, family, port } = server.server.address() as AddressInfo
    const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    deps.logger.info({ url, open: isOpen, readModel: model.figures.place }, 'the gateway listens')
    return { url, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** @throws CB_E_ADDRESS */
async function listen(server: Server, { serverHost: host, serverPort: port }: Settings): Promise<void> {
  try {
    await server.listen({ host, port })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const why = ADDRESS_TROUBLES.get(code)
    if (why === undefined) throw cause
    throw new CallboardError(
      'CB_E_ADDRESS',
      `The gateway cannot listen on ${host}:${port}: ${why} Choose another with --port, or with CALLBOARD_SERVER_PORT and CALLBOARD_SERVER_HOST.`,
      { cause },
    )
  }
}

const ADDRESS_TROUBLES: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another program listens there already.'],
  ['EADDRNOTAVAIL', 'this machine has no such address.'],
  ['EACCES', 'this user may not listen there.'],
  ['ENOTFOUND', 'nobody knows that name.'],
])
