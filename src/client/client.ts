/** `createClient`: everything that can be asked of a gateway. */

import type {
  ApiKey,
  ApiKeyInput,
  Block,
  BlockInput,
  ConcurrencyLimit,
  Deployment,
  DeploymentInput,
  Flow,
  FlowRun,
  LimitInput,
  LimitReset,
  LogLine,
  NewApiKey,
  Page,
  Ready,
  Setting,
  SignalBody,
  StartDeployment,
  StartRun,
  Variable,
  VariableInput,
  Version,
  Worker,
  WorkPool,
  WorkPoolInput,
  WorkQueue,
  WorkQueueInput,
} from '../api/index.ts'
import { Artifacts } from './artifacts.ts'
import { Collection, type Name } from './collection.ts'
import { Events, FlowRuns, TaskRuns } from './flow-runs.ts'
import { Live, type LiveItem, type Reader, type Reply } from './live/index.ts'
import { type Platform, thisPlatform } from './platform.ts'
import { Rest } from './rest.ts'

export interface ClientOptions {
  /** Where the gateway is. Default: where the page came from; in Node `http://127.0.0.1:4200`. */
  readonly url?: string
  /** An API key or run token; a function is asked for it with each request and each connection. */
  readonly token?: string | (() => string | undefined | Promise<string | undefined>)
  /** For tests: another clock, `fetch` and socket. */
  readonly platform?: Platform
}

/** Deployments can be started besides. */
class Deployments extends Collection<Deployment, DeploymentInput> {
  constructor(rest: Rest) {
    super(rest, '/api/v1/deployments')
  }

  run(deployment: Name, run: StartDeployment = {}): Promise<FlowRun> {
    return this.act(deployment, 'run', run)
  }
}

/** Limits can be reset. */
class ConcurrencyLimits extends Collection<ConcurrencyLimit, LimitInput> {
  constructor(rest: Rest) {
    super(rest, '/api/v1/concurrency-limits')
  }

  /** Gives back all its slots, whoever has them: they go on, and count no more. */
  reset(name: string): Promise<LimitReset> {
    return this.act(name, 'reset')
  }
}

/** Workers can be told to end. */
class Workers extends Collection<Worker, never> {
  constructor(rest: Rest) {
    super(rest, '/api/v1/workers')
  }

  /** Lets it take no more runs: it ends with the last one that it has. */
  drain(id: string): Promise<Worker> {
    return this.act(id, 'drain')
  }
}

/** A key is shown once, when it is made. */
class ApiKeys {
  readonly #rest: Rest
  readonly #keys: Collection<ApiKey, ApiKeyInput>

  constructor(rest: Rest) {
    this.#rest = rest
    this.#keys = new Collection(rest, KEYS)
  }

  list(query: object = {}): Promise<Page<ApiKey>> {
    return this.#keys.list(query)
  }

  create(key: ApiKeyInput): Promise<NewApiKey> {
    return this.#rest.ask('POST', KEYS, { body: key })
  }

  revoke(name: string): Promise<void> {
    return this.#keys.delete(name)
  }
}

export interface GatewayClient {
  readonly url: string
  readonly flowRuns: FlowRuns
  readonly taskRuns: TaskRuns
  readonly events: Events
  readonly flows: Collection<Flow, never>
  readonly deployments: Deployments
  readonly workers: Workers
  readonly workPools: Collection<WorkPool, WorkPoolInput>
  readonly workQueues: Collection<WorkQueue, WorkQueueInput>
  readonly concurrencyLimits: ConcurrencyLimits
  readonly variables: Collection<Variable, VariableInput>
  readonly blocks: Collection<Block, BlockInput>
  readonly artifacts: Artifacts
  readonly apiKeys: ApiKeys
  /** Lines of all runs, searched. */
  logs(query?: object): Promise<Page<LogLine>>
  settings(): Promise<Page<Setting>>
  version(): Promise<Version>
  ready(): Promise<Ready>
  /** What can be said over the live connection instead of by a request: sent again by itself when that breaks. */
  readonly live: {
    signal(run: string, signal: string, body?: SignalBody): Promise<Reply>
    start(run: StartRun): Promise<Reply>
    watchWorkers(): Reader<LiveItem>
  }
  /** Ends the live connection and everything on it. Requests can still be made. */
  close(): void
}

const KEYS = '/api/v1/api-keys'

/**
 * A client of the gateway, for browsers and for Node.
 *
 * ```ts
 * const client = createClient({ url: 'https://callboard.example', token: runToken })
 * for await (const item of client.flowRuns.watch(id, { after: 'start' })) show(item)
 * ```
 */
export function createClient({ url, token, platform = thisPlatform }: ClientOptions = {}): GatewayClient {
  const base = (url ?? platform.origin ?? 'http://127.0.0.1:4200').replace(/\/+$/, '')
  const currentToken = async () => (typeof token === 'function' ? token() : token)
  const rest = new Rest({ base, token: currentToken, platform })
  const live = new Live({
    url: `${base.replace(/^http/, 'ws')}/api/v1/live`,
    token: currentToken,
    platform,
  })
  const collection = <Shown, Given>(path: string) => new Collection<Shown, Given>(rest, `/api/v1/${path}`)
  return {
    url: base,
    flowRuns: new FlowRuns(rest, live, platform),
    taskRuns: new TaskRuns(rest),
    events: new Events(rest, live),
    flows: collection('flows'),
    deployments: new Deployments(rest),
    workers: new Workers(rest),
    workPools: collection('work-pools'),
    workQueues: collection('work-queues'),
    concurrencyLimits: new ConcurrencyLimits(rest),
    variables: collection('variables'),
    blocks: collection('blocks'),
    artifacts: new Artifacts(rest),
    apiKeys: new ApiKeys(rest),
    logs: (query) => rest.ask('GET', '/api/v1/logs', { query }),
    settings: () => rest.ask('GET', '/api/v1/settings'),
    version: () => rest.ask('GET', '/api/version'),
    ready: () => rest.ask('GET', '/api/ready', { answers: [503] }),
    live: {
      signal: (run, signal, body) => live.signal(run, signal, body),
      start: (run) => live.start(run),
      watchWorkers: () => live.subscribe({ workers: {} }),
    },
    close: () => live.close(),
  }
}
