/** Workers in this process on a broker of their own, and an eye on every log. */

import { join } from 'node:path'
import { createRun, type FlowRecord, type NewRun, type RunRecord, refOf } from '../../src/actors/index.ts'
import type { Deployment, Draft } from '../../src/catalog/index.ts'
import { type Deps, type Logger, type SettingsInput, systemDeps } from '../../src/core/index.ts'
import { createWorker, type Worker, type WorkerOptions } from '../../src/worker/index.ts'
import { type ClusterView, clusterView, lastOf } from '../support/cluster-view.ts'

const FIXTURES = join(import.meta.dirname, 'fixtures')

/** What a stage has of the view on its broker. */
type Seen = Pick<ClusterView, 'broker' | 'catalog' | 'settings' | 'signal' | 'start' | 'stateOf'>

export interface WorkerStage extends Seen, AsyncDisposable {
  readonly deps: Deps
  /** What was logged, by level: `info: Worker 'x' started …`. */
  readonly logged: readonly string[]
  /** A worker that is started. It runs code inline unless told otherwise. */
  worker(options?: Partial<WorkerOptions>): Promise<Worker>
  /** A deployment `<flow>/test` of a flow of `fixtures/flows.ts`. */
  deploy(flow: string, fields?: Partial<Draft<Deployment>>): Promise<void>
  /** A run without a deployment. */
  startBare(input: Pick<NewRun, 'flow'> & { readonly queue: string }): Promise<string>
  /** Resolves with the run's records once its newest transition is into one of these states, by name. */
  until(run: string, ...names: readonly string[]): Promise<readonly RunRecord[]>
  /** Resolves with the result of a run that completes. */
  result(run: string): Promise<unknown>
}

export async function workerStage(given: SettingsInput = {}): Promise<WorkerStage> {
  const logged: string[] = []
  const deps = systemDeps(recorder(logged))
  const view = await clusterView('memory:', { deps, settings: given })
  const { broker, settings } = view
  const workers: Worker[] = []

  const stage: WorkerStage = {
    ...view,
    deps,
    logged,
    async worker(options = {}) {
      const worker = createWorker({ broker, deps, settings, infrastructure: 'inline', ...options })
      workers.push(worker)
      await worker.start()
      return worker
    },
    deploy: (flow, fields = {}) =>
      view.deploy({ flow, path: FIXTURES, entrypoint: `flows.ts:${flow}`, ...fields }),
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
    until: (run, ...names) =>
      view.until(run, (records) => names.includes(lastOf(records)?.s.split('.')[1] ?? '')),
    async result(run) {
      const records = await stage.until(run, 'Completed', 'Failed', 'Crashed', 'Cancelled')
      const { flow, result } = await stage.stateOf(run)
      if (flow.tag !== 'COMPLETED.Completed') throw new Error(`It is ${flow.tag}: ${messageIn(records)}`)
      return result !== undefined && 'v' in result ? result.v : undefined
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.stop()))
      await view[Symbol.asyncDispose]()
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
