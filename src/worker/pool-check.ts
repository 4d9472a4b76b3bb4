/** Whether what a worker is to serve is there. */

import { type Catalog, DEFAULT_POOL, ensureDefaultPool, queueId } from '../catalog/index.ts'
import { CallboardError, type Deps, nearest } from '../core/index.ts'

export interface Served {
  readonly pool: string
  readonly queues?: readonly string[] | undefined
}

/** Makes the pool `default` when it is wanted. @throws CB_E_CATALOG_MISSING, saying how to make what is missing */
export async function checkPool(
  catalog: Pick<Catalog, 'pools' | 'queues'>,
  { logger }: Pick<Deps, 'logger'>,
  { pool, queues: wanted = [] }: Served,
): Promise<void> {
  const { pools, queues } = catalog
  if (pool === DEFAULT_POOL && (await ensureDefaultPool(catalog)))
    logger.info({}, `The work pool '${DEFAULT_POOL}' was not there and has been made`)
  if ((await pools.find(pool)) === undefined) {
    const names = (await pools.list()).map(({ name }) => name)
    throw missing(`work pool '${pool}'`, pool, names, `work-pool create ${pool}`)
  }
  for (const name of wanted) {
    if ((await queues.find(queueId({ pool, name }))) !== undefined) continue
    const names = (await queues.list()).flatMap((queue) => (queue.pool === pool ? queue.name : []))
    const what = `work queue '${name}' in the pool '${pool}'`
    throw missing(what, name, names, `work-queue create ${name} --pool ${pool}`)
  }
}

function missing(what: string, name: string, names: readonly string[], command: string): CallboardError {
  const near = nearest(name, names)
  const hint = near === undefined ? '' : ` Did you mean '${near}'?`
  return new CallboardError(
    'CB_E_CATALOG_MISSING',
    `There is no ${what}.${hint} Make it with: callboard ${command}`,
  )
}
