/**
 * What is defined once and used by many runs: work pools and queues, deployments, variables, blocks, API keys. Kept in
 * the broker's key-value store, each kind described by one schema. Also what a run of a deployment begins with.
 * Imports core, the broker port and the actors.
 */

export { hideSecrets, secretsIn } from './block-secrets.ts'
export { brokerQueue, queuePrefix } from './broker-queue.ts'
export {
  blockId,
  type Catalog,
  DEFAULT_POOL,
  DEFAULT_QUEUE,
  deploymentId,
  openCatalog,
  queueId,
} from './catalog.ts'
export { type Change, Collection, type Draft, type Edit, type Stamped } from './collection.ts'
export {
  ApiKey,
  Block,
  Deployment,
  INFRASTRUCTURES,
  Infrastructure,
  SCOPES,
  Variable,
  WorkPool,
  WorkQueue,
} from './definitions.ts'
export {
  createDeploymentRun,
  deploymentRun,
  findDeployment,
  type RunDefaults,
  type RunMaking,
  type RunRequest,
  type Which,
} from './deployment-runs.ts'
export {
  type CatalogLimit,
  deploymentLimit,
  type LimitHandler,
  poolLimit,
  queueLimit,
  watchLimits,
} from './limits.ts'
export {
  createPool,
  createQueue,
  deletePool,
  deleteQueue,
  ensureDefaultPool,
  type NewPool,
  type NewQueue,
} from './pools.ts'
