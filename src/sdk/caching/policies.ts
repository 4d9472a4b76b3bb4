/**
 * Cache policies: what a task's result is remembered by. Values to be put together; pure but for the hashing.
 *
 * ```ts
 * task({ cachePolicy: combine(inputs, taskSource), cacheExpiration: '10m' }, fetchWeather)
 * ```
 */

import { hash } from 'node:crypto'
import { CallboardError, encodeValue } from '../../core/index.ts'
import type { LockManager } from './locks.ts'
import type { CacheStorage } from './store.ts'

/** What a key is computed from. */
export interface CacheContext {
  readonly task: { readonly name: string; readonly fn: (...args: never[]) => unknown }
  /** The arguments by name. */
  readonly inputs: Readonly<Record<string, unknown>>
  readonly flowRunId: string
  readonly flowParameters: unknown
}

/** A key of one's own; undefined for none this time. The same key means the same result, whatever the task. */
export type CacheKeyFunction = (
  context: CacheContext,
  parameters: Readonly<Record<string, unknown>>,
) => string | number | undefined | null | Promise<string | number | undefined | null>

/**
 * `READ_COMMITTED`: two runs at the same time may both compute. `SERIALIZABLE`: the second waits for the first, by a
 * lock, and takes its result.
 */
export type Isolation = 'READ_COMMITTED' | 'SERIALIZABLE'

export interface CacheConfiguration {
  /** Where results are remembered. Default: at the broker. */
  readonly storage?: CacheStorage | undefined
  readonly isolation?: Isolation | undefined
  readonly lock?: LockManager | undefined
}

type Part = (context: CacheContext) => string | undefined

export interface CachePolicy extends CacheConfiguration {
  readonly kind: 'cache-policy'
  readonly parts: readonly Part[]
  readonly without: readonly string[]
}

const policy = (...parts: Part[]): CachePolicy => ({ kind: 'cache-policy', parts, without: [] })

/** By what the task is called with. */
export const inputs: CachePolicy = policy(({ inputs: given }) =>
  Object.keys(given).length === 0 ? 'none' : hashOf(given),
)
/** By the text of the task's function. */
export const taskSource: CachePolicy = policy(({ task }) => hash('sha256', String(task.fn)))
/** Within one flow run. */
export const runId: CachePolicy = policy(({ flowRunId }) => flowRunId)
/** By what the flow run was called with. */
export const flowParameters: CachePolicy = policy(({ flowParameters: given }) => hashOf(given))
/** Not at all. Neutral in `combine`. */
export const noCache: CachePolicy = policy()

export function isCachePolicy(value: unknown): value is CachePolicy {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'cache-policy'
}

/**
 * All of them together. Undefined ones are left out.
 *
 * @throws CB_E_CACHE_POLICY when they are configured differently
 */
export function combine(...policies: readonly (CachePolicy | undefined)[]): CachePolicy {
  const given = policies.filter((each) => each !== undefined)
  return {
    kind: 'cache-policy',
    parts: given.flatMap((each) => bound(each)),
    without: [],
    storage: agreed(given, 'storage'),
    isolation: agreed(given, 'isolation'),
    lock: agreed(given, 'lock'),
  }
}

/** The policy without these inputs: they do not change the key. */
export function without(given: CachePolicy, ...names: readonly string[]): CachePolicy {
  return { ...given, without: [...given.without, ...names] }
}

/**
 * The policy with another place, isolation or lock.
 *
 * @throws CB_E_CACHE_POLICY for SERIALIZABLE without a lock
 */
export function configure(given: CachePolicy, configuration: CacheConfiguration): CachePolicy {
  const configured = { ...given, ...configuration }
  checkIsolation(configured)
  return configured
}

/** @throws CB_E_CACHE_POLICY */
export function checkIsolation({ isolation, lock }: CacheConfiguration): void {
  if (isolation === 'SERIALIZABLE' && lock === undefined)
    throw new CallboardError(
      'CB_E_CACHE_POLICY',
      "The isolation 'SERIALIZABLE' needs a lock. Give one: { isolation: 'SERIALIZABLE', lock: brokerLocks() }.",
    )
}

/** The key; undefined when there is none. */
export function keyOf(given: CachePolicy, context: CacheContext): string | undefined {
  const keys = bound(given)
    .map((part) => part(context))
    .filter((key) => key !== undefined)
  return keys.length === 0 ? undefined : hash('sha256', [context.task.name, ...keys].join('\n'))
}

/** Its parts, each with what it leaves out. */
function bound({ parts, without: left }: CachePolicy): readonly Part[] {
  if (left.length === 0) return parts
  return parts.map((part) => (context) => {
    const kept = Object.entries(context.inputs).filter(([name]) => !left.includes(name))
    return part({ ...context, inputs: Object.fromEntries(kept) })
  })
}

function agreed<K extends keyof CacheConfiguration>(
  policies: readonly CachePolicy[],
  key: K,
): CacheConfiguration[K] {
  const [first, ...others] = policies.map((each) => each[key]).filter((value) => value !== undefined)
  if (others.every((other) => other === first)) return first
  throw new CallboardError(
    'CB_E_CACHE_POLICY',
    `Cache policies with different ${key} cannot be combined. Give all of them the same, by configure().`,
    { details: { key } },
  )
}

function hashOf(value: unknown): string {
  return hash('sha256', encodeValue(value, 'inputs'))
}
