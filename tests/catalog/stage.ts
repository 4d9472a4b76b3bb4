/** A catalogue on a broker in memory, and what may stand in it. */

import { type Broker, openBroker } from '../../src/broker/index.ts'
import { type Catalog, type Deployment, type Draft, openCatalog } from '../../src/catalog/index.ts'
import { type Deps, systemDeps } from '../../src/core/index.ts'

export interface CatalogStage extends AsyncDisposable {
  readonly broker: Broker
  readonly catalog: Catalog
  readonly deps: Deps
}

export async function catalogStage(deps: Deps = systemDeps()): Promise<CatalogStage> {
  const broker = await openBroker('memory:', deps)
  await broker.start()
  return {
    broker,
    catalog: openCatalog(broker, deps),
    deps,
    [Symbol.asyncDispose]: () => broker.stop(),
  }
}

export function deployment(fields: Partial<Draft<Deployment>> = {}): Draft<Deployment> {
  return {
    name: 'prod',
    flow: 'weather',
    tags: [],
    parameters: {},
    entrypoint: 'flows.ts:weather',
    path: '/srv/flows',
    pool: 'default',
    queue: 'default',
    paused: false,
    ...fields,
  }
}
