/** What is done at a broker both inside and outside of runs. */

import type { Broker } from '../broker/index.ts'
import type { Catalog } from '../catalog/index.ts'
import { currentEngine } from './current-engine.ts'
import type { Environment } from './environment.ts'
import { scopes } from './scope.ts'

/** With the broker of the run that this is called in; outside, with that of this process's engine, which stays for it. */
export async function atBroker<T>(work: (env: Environment) => Promise<T>): Promise<T> {
  const scope = scopes.getStore()
  if (scope !== undefined) return work(scope.flow.env)
  const engine = await currentEngine()
  return engine.during(() => work(engine.env))
}

const catalogs = new WeakMap<Broker, Catalog>()

/** With the definitions at that broker. */
export function inCatalog<T>(work: (catalog: Catalog, env: Environment) => Promise<T>): Promise<T> {
  return atBroker(async (env) => {
    const { openCatalog } = await import('../catalog/index.ts')
    const catalog = catalogs.get(env.broker) ?? openCatalog(env.broker, env.deps)
    catalogs.set(env.broker, catalog)
    return work(catalog, env)
  })
}
