/** Workers in this process on a broker of their own, and an eye on every log. */

import { join } from 'node:path'
import {
  createRun,
  decodeEntry,
  type FlowRecord,
  type NewRun,
  openRun,
  type RunRecord,
  type RunState,
  refOf,
  type Signal,
  sendSignal,
} from '../../src/actors/index.ts'
import { type Broker, openBroker } from '../../src/broker/index.ts'
import {
  type Catalog,
  createDeploymentRun,
  type Deployment,
  type Draft,
  openCatalog,
} from '../../src/catalog/index.ts'
import {
  type Deps,
  type JsonObject,
  type Logger,
  mintId,
  optionsSource,
  resolveSettings,
  type Settings,
  type SettingsInput,
  systemDeps,
} from '../../src/core/index.ts'
import { createWorker, type Worker, type WorkerOptions } from '../../src/worker/index.ts'

const FIXTURES = join(import.meta.dirname, 'fixtures')

export interface WorkerStage extends AsyncDisposable {
  readonly broker: Broker
  readonly catalog: Catalog
  readonly deps: Deps
  readonly settings: Settings
  /** What was logged, by level: `info: Worker 'x' started …`. */
  readonly logged: readonly string[]
  /** A worker that is started. It runs code inline unless told otherwise. */
  worker(options?: Partial<WorkerOptions>): Promise<Worker>
  /** A deployment `<flow>/test` of a flow of `fixtures/flows.ts`. */
  deploy(flow: string, fields?: Partial<Draft<Deployment>>): Promise<void>
  /** A run of a deployment; gives its id. */
  start(deployment: string, parameters?: JsonObject): Promise<string>
  /** A run without a deployment. */
  startBare(input: Pick<NewRun, 'flow'> & { readonly queue: string }): Promise<string>
  signal(run: string, name: Signal['name']): Promise<string>
  stateOf(run: string): Promise<RunState>
  /** Resolves with the run's records once its newest transition is into one of these states, by name. */
  until(run: string, ...names: readonly string[]): Promise<readonly RunRecord[]>
  /** Resolves with the result of a run that completes. */
  result(run: string): Promise<unknown>
}

export async function workerStage(given: SettingsInput = {}): Promise<WorkerStage> {
  const logged: string[] = []
  const deps = systemDeps(recorder(logged))
  const { settings } = resolveSettings([optionsSource('options', { brokerUrl: 'memory:', ...given })], {
    home: '/nowhere',
  })
  const broker = await openBroker('memory:', deps)
  await broker.start()
  const catalog = openCatalog(broker, deps)
  const logs = new Map<string, RunRecord[]>()
  const lookers = new Set<() => void>()
  const following = await broker.log.follow({ partitions: 'all' }, 'start', (entries) => {
    for (const entry of entries)
      logs.set(entry.subject, [...(logs.get(entry.subject) ?? []), ...decodeEntry(entry)])
    for (const look of lookers) look()
  })
  const workers: Worker[] = []

  const stage: WorkerStage = {
    broker,
    catalog,
    deps,
    settings,
    logged,
    async worker(options = {}) {
      const worker = createWorker({ broker, deps, settings, infrastructure: 'inline', ...options })
      workers.push(worker)
      await worker.start()
      return worker
    },
    async deploy(flow, fields = {}) {
      await catalog.deployments.put({
        ...{ flow, name: 'test', tags: [], parameters: {}, path: FIXTURES, entrypoint: `flows.ts:${flow}` },
        ...{ pool: 'default', queue: 'default', paused: false },
        ...fields,
      })
    },
    async start(deployment, parameters = {}) {
      const request = { deployment, parameters, by: { channel: 'test' } }
      return (await createDeploymentRun({ broker, catalog, deps, settings }, request)).run
    },
    async startBare({ flow, queue }) {
      const { run } = await createRun(broker, deps, {
        flow,
        name: flow,
        parameters: refOf({}, 'parameters'),
        by: { channel: 'test' },
        policy: {
          ...{ retries: 0, maxRecoveries: 0, onCrash: 'crash', graceMs: 1_000, timeoutMs: null },
          ...{ lateAfterMs: 60_000, target: { queue, priority: 1 }, limits: [] },
        },
      })
      return run
    },
    async signal(run, name) {
      const sent = { name, key: mintId(deps), by: { channel: 'test' } }
      return (await sendSignal(broker, deps, run, sent)).outcome
    },
    async stateOf(run) {
      const state = await openRun(broker, deps, run)
      if (state === undefined) throw new Error(`There is no run ${run}.`)
      return state
    },
    until: (run, ...names) =>
      new Promise((resolve) => {
        const look = () => {
          const records = logs.get(run) ?? []
          const last = records.findLast((record) => record.k === 'flow' || record.k === 'created')
          if (last === undefined || !names.includes(last.s.split('.')[1] ?? '')) return
          lookers.delete(look)
          resolve(records)
        }
        lookers.add(look)
        look()
      }),
    async result(run) {
      const records = await stage.until(run, 'Completed', 'Failed', 'Crashed', 'Cancelled')
      const { flow, result } = await stage.stateOf(run)
      if (flow.tag !== 'COMPLETED.Completed') throw new Error(`It is ${flow.tag}: ${messageIn(records)}`)
      return result !== undefined && 'v' in result ? result.v : undefined
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.stop()))
      await following.stop()
      await broker.stop()
    },
  }
  return stage
}

/** The message of the last transition. */
export function messageIn(records: readonly RunRecord[]): string {
  const last = records.findLast((record): record is FlowRecord => record.k === 'flow')
  return last !== undefined && 'message' in last.e ? String(last.e.message) : ''
}

function recorder(logged: string[]): Logger {
  const at = (level: string) => (_: object, message: string) => void logged.push(`${level}: ${message}`)
  const logger: Logger = {
    trace() {},
    debug() {},
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return logger
}
