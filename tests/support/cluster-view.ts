/** A test's own place in a cluster of real processes: it deploys flows, starts runs, and follows every log. */

import {
  decodeEntry,
  isTerminalTag,
  openRun,
  type RunRecord,
  type RunState,
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
  decodeJson,
  type JsonObject,
  mintId,
  optionsSource,
  resolveSettings,
  type Settings,
  type SettingsInput,
  systemDeps,
} from '../../src/core/index.ts'

export interface ClusterView extends AsyncDisposable {
  readonly broker: Broker
  readonly catalog: Catalog
  readonly settings: Settings
  deploy(
    fields: Partial<Draft<Deployment>> & Pick<Draft<Deployment>, 'flow' | 'path' | 'entrypoint'>,
  ): Promise<void>
  /** A run of a deployment; gives its id. */
  start(deployment: string, parameters?: JsonObject): Promise<string>
  /** Gives the answer's outcome. The same key is the same signal. */
  signal(run: string, name: Signal['name'], key?: string): Promise<string>
  stateOf(run: string): Promise<RunState>
  /** Resolves with the run's records as soon as this holds of them. */
  until(run: string, wanted: (records: readonly RunRecord[]) => boolean): Promise<readonly RunRecord[]>
  /** Resolves once the run is in a state of this name. */
  untilState(run: string, name: string): Promise<void>
  end(run: string): Promise<Ended>
  /** What the logs have told since it came, a line for each record: for a test that failed. */
  told(): readonly string[]
}

export interface Ended {
  /** `COMPLETED.Completed` */
  readonly tag: string
  /** Of its last state. */
  readonly message: string
  readonly result: unknown
  readonly state: RunState
  readonly records: readonly RunRecord[]
}

export interface ClusterViewOptions {
  readonly deps?: Deps
  readonly settings?: SettingsInput
}

export async function clusterView(
  url: string,
  { deps = systemDeps(), settings: given = {} }: ClusterViewOptions = {},
): Promise<ClusterView> {
  const { settings } = resolveSettings([optionsSource('options', { brokerUrl: url, ...given })], {
    home: '/nowhere',
  })
  const broker = await openBroker(url, deps)
  await broker.start()
  const catalog = openCatalog(broker, deps)
  const logs = new Map<string, RunRecord[]>()
  const lookers = new Set<() => void>()
  const following = await broker.log.follow({ partitions: 'all' }, 'tail', (entries) => {
    for (const entry of entries)
      logs.set(entry.subject, [...(logs.get(entry.subject) ?? []), ...decodeEntry(entry)])
    for (const look of lookers) look()
  })
  const view: ClusterView = {
    broker,
    catalog,
    settings,
    async deploy(fields) {
      await catalog.deployments.put({
        ...{ name: 'test', tags: [], parameters: {}, pool: 'default', queue: 'default', paused: false },
        ...fields,
      })
    },
    async start(deployment, parameters = {}) {
      const request = { deployment, parameters, by: { channel: 'test' } }
      return (await createDeploymentRun({ broker, catalog, deps, settings }, request)).run
    },
    async signal(run, name, key = mintId(deps)) {
      const sent = { name, key, by: { channel: 'test' } }
      return (await sendSignal(broker, deps, run, sent)).outcome
    },
    async stateOf(run) {
      const state = await openRun(broker, deps, run)
      if (state === undefined) throw new Error(`There is no run ${run}.`)
      return state
    },
    until: (run, wanted) =>
      new Promise((resolve) => {
        const look = () => {
          const records = logs.get(run) ?? []
          if (!wanted(records)) return
          lookers.delete(look)
          resolve(records)
        }
        lookers.add(look)
        look()
      }),
    async untilState(run, name) {
      await view.until(run, (records) => lastOf(records)?.s.split('.')[1] === name)
    },
    async end(run) {
      const records = await view.until(run, (all) => isTerminalTag(lastOf(all)?.s ?? 'SCHEDULED.Scheduled'))
      const state = await view.stateOf(run)
      const { result } = state
      return {
        tag: state.flow.tag,
        message: state.state.message ?? '',
        result: result !== undefined && 'v' in result ? decodeJson(result.v) : undefined,
        state,
        records,
      }
    },
    told: () =>
      [...logs].flatMap(([run, records]) => records.map((record) => `${run} ${JSON.stringify(record)}`)),
    async [Symbol.asyncDispose]() {
      await following.stop()
      await broker.stop()
    },
  }
  return view
}

/** Its last transition. */
export function lastOf(records: readonly RunRecord[]) {
  return records.findLast((record) => record.k === 'flow' || record.k === 'created')
}
