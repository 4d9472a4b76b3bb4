/**
 * The NATS driver, put together: connect, look at the server, make or check the streams, then let the parts work.
 *
 * What it needs of a server is JetStream and version 2.9.10. What it must never ask of one, because servers in the field
 * lose data over it, stands where it would be asked: `streams.ts`, `deletions.ts`, `log-archive.ts`, `feed.ts`.
 */

import type { ServerInfo } from '@nats-io/transport-node'
import { CallboardError, type Deps, service } from '../../core/index.ts'
import { type Broker, type BrokerOptions, type Capabilities, LIMITS, type Limits } from '../port.ts'
import { Api } from './api.ts'
import { natsBus } from './bus.ts'
import { identityOf } from './cursors.ts'
import { since, supports, warningsFor } from './features.ts'
import { natsKv } from './kv.ts'
import { EXPIRY_LAG_MS } from './kv-watch.ts'
import { Link } from './link.ts'
import { natsLog } from './log.ts'
import { type LogHome, Tips } from './log-home.ts'
import { namesFor } from './names.ts'
import { natsObjects } from './objects.ts'
import { natsQueue } from './queue.ts'
import { watchQuotas } from './quotas.ts'
import { type Environment, resolveSettings } from './settings.ts'
import { ensureStreams, logStream, objectsStream, workStream } from './streams.ts'
import { Writes } from './writes.ts'

export interface NatsBrokerOptions extends BrokerOptions {
  /** Where credentials may be (`NATS_ENVIRONMENT`). Default `process.env`. */
  readonly environment?: Environment
}

const DEFAULT_SETTLE_MS = 30_000
const DEFAULT_CLAIM_TIMEOUT_MS = 30_000
const DEFAULT_CALL_TIMEOUT_MS = 5_000
/** Of a message, for what is not payload: subject, reply, headers. */
const ENVELOPE_BYTES = 4 * 1024

/**
 * A broker on a NATS server. Nothing is opened before `start`.
 *
 * @throws CB_E_BROKER_URL, CB_E_URL_OPTION, CB_E_SETTING_INVALID when the URL or the environment is wrong
 */
export function natsBroker(url: string, deps: Deps, options: NatsBrokerOptions = {}): Broker {
  const settings = resolveSettings(url, options.environment ?? process.env)
  const { replicas, quotas } = settings
  const link = new Link(settings, deps, options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS)
  const names = namesFor(settings.prefix)
  const api = new Api(link)
  const writes = new Writes(link)
  const logHome: LogHome = {
    link,
    api,
    writes,
    names,
    tips: new Tips(),
    replicas,
    identity: '',
    maxPayload: 0,
  }
  let objectsIdentity = ''
  let limits: Limits = LIMITS
  let capabilities: Capabilities | undefined
  let stopQuotas = () => {}

  const life = service(`The broker ${settings.url}`, {
    async start() {
      try {
        const server = await link.connect()
        assertFit(server, replicas)
        await api.assertJetStream()
        const infos = await ensureStreams(
          api,
          [
            logStream(names.logStream, names.logFilter('all'), replicas, quotas.log),
            workStream(names.workStream, names.workFilter('all'), replicas, quotas.work),
            objectsStream(names.objectsStream, names.objectsBucket, replicas, quotas.objects),
          ],
          { early: true },
        )
        const [log, , objects] = infos
        logHome.identity = identityOf(log?.created ?? '')
        logHome.maxPayload = server.max_payload
        objectsIdentity = identityOf(objects?.created ?? '')
        limits = limitsOf(server)
        capabilities = capabilitiesOf(server, replicas, limits)
        link.opened(checkAgain)
        stopQuotas = watchQuotas(link, api, [names.logStream, names.workStream, names.objectsStream])
      } catch (error) {
        await link.close()
        throw error
      }
    },
    async stop() {
      stopQuotas()
      await link.endOwned()
      await writes.idle(link.callTimeoutMs)
      await link.close()
    },
  })

  /** After a reconnect: is it the same log? */
  async function checkAgain(): Promise<void> {
    const info = await api.streamInfo(names.logStream, { early: true })
    const identity = info ? identityOf(info.created) : ''
    if (identity === logHome.identity) return
    deps.logger.error(
      { stream: names.logStream, found: info !== undefined },
      'the run log at the NATS server was wiped or replaced behind our back; what was derived from it must be built anew',
    )
    logHome.identity = identity
    logHome.tips.clear()
  }

  return {
    url: settings.url,
    get capabilities() {
      if (!capabilities)
        throw new CallboardError('CB_E_STOPPED', `What ${settings.url} can do is known once it is started.`)
      return capabilities
    },
    log: natsLog(logHome, options.settleMs ?? DEFAULT_SETTLE_MS),
    queue: natsQueue({
      link,
      api,
      writes,
      names,
      claimTimeoutMs: options.claimTimeoutMs ?? DEFAULT_CLAIM_TIMEOUT_MS,
      limit: () => limits.queueItem,
    }),
    bus: natsBus(link, names, () => limits.busMessage),
    kv: natsKv({ link, api, writes, names, replicas, quota: quotas.kv, limit: () => limits.kvValue }),
    objects: natsObjects({
      link,
      api,
      writes,
      names,
      maxPayload: () => logHome.maxPayload,
      identity: () => objectsIdentity,
    }),
    get status() {
      return link.status
    },
    onStatus: (handler) => link.onStatus(handler),
    start: () => life.start(),
    async stop() {
      link.refuse()
      await life.stop()
    },
  }
}

/** @throws CB_E_BROKER_TOO_OLD */
function assertFit(server: ServerInfo, replicas: number): void {
  const { version } = server
  if (!supports(version, 'baseline'))
    throw new CallboardError(
      'CB_E_BROKER_TOO_OLD',
      `The NATS server has version ${version}. Callboard needs ${since('baseline')} or newer.`,
    )
  if (replicas > 1 && !supports(version, 'replicatedCompareAndSet'))
    throw new CallboardError(
      'CB_E_BROKER_TOO_OLD',
      `replicas=${replicas} needs nats-server ${since('replicatedCompareAndSet')} or newer, and this one has ${version}: before that, several appends on one revision can win on a stream with replicas, which would fork a run. Upgrade the servers, or drop replicas.`,
    )
}

function limitsOf(server: ServerInfo): Limits {
  const most = server.max_payload - ENVELOPE_BYTES
  return {
    record: Math.min(LIMITS.record, most),
    batch: Math.min(LIMITS.batch, most),
    queueItem: Math.min(LIMITS.queueItem, most),
    busMessage: Math.min(LIMITS.busMessage, most),
    kvValue: Math.min(LIMITS.kvValue, most),
  }
}

function capabilitiesOf({ version }: ServerInfo, replicas: number, limits: Limits): Capabilities {
  return {
    driver: 'nats',
    version,
    durability: 'process',
    replicas,
    reach: 'cluster',
    ordered: false,
    expiryLagMs: EXPIRY_LAG_MS,
    limits,
    warnings: warningsFor(version, replicas),
  }
}
