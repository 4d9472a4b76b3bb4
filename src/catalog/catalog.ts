/** Everything that is defined in a cluster, by kind. */

import type { Broker } from '../broker/index.ts'
import type { Deps } from '../core/index.ts'
import { checkerOf } from './check.ts'
import { Collection } from './collection.ts'
import * as kinds from './definitions.ts'

export interface Catalog {
  readonly apiKeys: Collection<kinds.ApiKey>
  readonly blocks: Collection<kinds.Block>
  readonly deployments: Collection<kinds.Deployment>
  readonly pools: Collection<kinds.WorkPool>
  readonly queues: Collection<kinds.WorkQueue>
  readonly variables: Collection<kinds.Variable>
}

const checks = {
  apiKeys: checkerOf(kinds.ApiKey, 'API key'),
  blocks: checkerOf(kinds.Block, 'block'),
  deployments: checkerOf(kinds.Deployment, 'deployment'),
  pools: checkerOf(kinds.WorkPool, 'work pool'),
  queues: checkerOf(kinds.WorkQueue, 'work queue'),
  variables: checkerOf(kinds.Variable, 'variable'),
}

/** The definitions at a broker. Nothing is read or written before it is asked for. */
export function openCatalog({ kv }: Pick<Broker, 'kv'>, deps: Deps): Catalog {
  return {
    apiKeys: new Collection({
      ...{ kv, deps, bucket: 'api-keys', title: 'API key' },
      idOf: ({ name }) => name,
      check: checks.apiKeys,
    }),
    blocks: new Collection({
      ...{ kv, deps, bucket: 'blocks', title: 'block' },
      idOf: blockId,
      check: checks.blocks,
    }),
    deployments: new Collection({
      ...{ kv, deps, bucket: 'deployments', title: 'deployment' },
      idOf: deploymentId,
      check: checks.deployments,
    }),
    pools: new Collection({
      ...{ kv, deps, bucket: 'work-pools', title: 'work pool' },
      idOf: ({ name }) => name,
      check: checks.pools,
    }),
    queues: new Collection({
      ...{ kv, deps, bucket: 'work-queues', title: 'work queue' },
      idOf: queueId,
      check: checks.queues,
    }),
    variables: new Collection({
      ...{ kv, deps, bucket: 'variables', title: 'variable' },
      idOf: ({ name }) => name,
      check: checks.variables,
    }),
  }
}

/** `flow/name` */
export function deploymentId({ flow, name }: Pick<kinds.Deployment, 'flow' | 'name'>): string {
  return `${flow}/${name}`
}

/** `pool/name` */
export function queueId({ pool, name }: Pick<kinds.WorkQueue, 'pool' | 'name'>): string {
  return `${pool}/${name}`
}

/** `type/name` */
export function blockId({ type, name }: Pick<kinds.Block, 'type' | 'name'>): string {
  return `${type}/${name}`
}

export const DEFAULT_POOL = 'default'
export const DEFAULT_QUEUE = 'default'
