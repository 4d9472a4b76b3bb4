/** Remembering results across runs: policies that say by what, storages that say where, locks that say who computes. */

export { type CacheLookup, type CacheOptions, lookUp } from './cache.ts'
export { brokerLocks, type LockManager, memoryLocks, type Release } from './locks.ts'
export {
  type CacheConfiguration,
  type CacheContext,
  type CacheKeyFunction,
  type CachePolicy,
  combine,
  configure,
  flowParameters,
  type Isolation,
  inputs,
  isCachePolicy,
  noCache,
  runId,
  taskSource,
  without,
} from './policies.ts'
export { brokerCache, type CacheStorage, memoryCache, type Remembered } from './store.ts'
