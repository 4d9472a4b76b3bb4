/**
 * The cache as a task call meets it: what its key is, whether a result is remembered, and remembering a new one.
 * A cache that is out of order costs time, never a run: what goes wrong here is logged, and the task runs.
 */

import { hash } from 'node:crypto'
import type { DurationInput, JsonValue } from '../../core/index.ts'
import { parseDuration } from '../../core/index.ts'
import type { Environment } from '../environment.ts'
import type { RunLines } from '../run-lines.ts'
import type { Release } from './locks.ts'
import {
  type CacheContext,
  type CacheKeyFunction,
  type CachePolicy,
  checkIsolation,
  keyOf,
} from './policies.ts'
import { brokerCache, type CacheStorage } from './store.ts'

export interface CacheOptions {
  readonly cachePolicy?: CachePolicy | undefined
  readonly cacheKeyFn?: CacheKeyFunction | undefined
  readonly cacheExpiration?: DurationInput | undefined
  readonly refreshCache?: boolean | undefined
}

/** One call's dealings with the cache. */
export interface CacheLookup {
  readonly key: string
  /** What is remembered; undefined when nothing is. */
  readonly found: { readonly v: JsonValue } | undefined
  /** Remembers a result, and lets those go on that wait for it. */
  remember(v: JsonValue): Promise<void>
  /** There is no result to remember. */
  release(): Promise<void>
}

/** Undefined when this call is not cached. */
export async function lookUp(
  env: Environment,
  options: CacheOptions,
  context: CacheContext,
  lines: RunLines,
): Promise<CacheLookup | undefined> {
  const policy = options.cachePolicy
  const key = await keyFor(options, context, lines)
  if (key === undefined) return undefined
  if (policy !== undefined) checkIsolation(policy)
  const storage = policy?.storage ?? brokerCache
  const release = await lockFor(env, policy, key, context)
  try {
    const found = options.refreshCache === true ? undefined : await fresh(env, storage, key)
    return {
      key,
      found,
      async remember(v) {
        const { cacheExpiration } = options
        const now = env.deps.clock.now()
        const expires =
          cacheExpiration === undefined ? null : now + parseDuration(cacheExpiration, 'cacheExpiration')
        try {
          await storage.put(env, key, { v, expires })
        } catch (error) {
          lines.engine('warn', `The result could not be remembered under the cache key ${key}`, { error })
        } finally {
          await release()
        }
      },
      release,
    }
  } catch (error) {
    await release()
    lines.engine('warn', 'The cache could not be read; the task runs', { error })
    return undefined
  }
}

async function keyFor(
  { cachePolicy, cacheKeyFn }: CacheOptions,
  context: CacheContext,
  lines: RunLines,
): Promise<string | undefined> {
  try {
    if (cacheKeyFn !== undefined) {
      const key = await cacheKeyFn(context, context.inputs)
      return key === undefined || key === null || key === '' ? undefined : hash('sha256', `own\n${key}`)
    }
    return cachePolicy === undefined ? undefined : keyOf(cachePolicy, context)
  } catch (error) {
    lines.engine('error', 'The cache key could not be computed; the task runs without a cache', { error })
    return undefined
  }
}

async function lockFor(
  env: Environment,
  policy: CachePolicy | undefined,
  key: string,
  { flowRunId }: CacheContext,
): Promise<Release> {
  if (policy?.isolation !== 'SERIALIZABLE' || policy.lock === undefined) return async () => {}
  const release = await policy.lock.acquire(env, key, flowRunId)
  let isReleased = false
  return async () => {
    if (isReleased) return
    isReleased = true
    await release()
  }
}

async function fresh(env: Environment, storage: CacheStorage, key: string): Promise<CacheLookup['found']> {
  const found = await storage.get(env, key)
  if (found === undefined) return undefined
  return found.expires === null || found.expires > env.deps.clock.now() ? { v: found.v } : undefined
}
