/** Where remembered results are: a key and a value with an end. The values themselves are as in a run's log. */

import type { ValueRef } from '../../actors/index.ts'
import { isJsonObject, type JsonValue } from '../../core/index.ts'
import type { Environment } from '../environment.ts'

export interface Remembered {
  readonly v: JsonValue
  /** When it is forgotten, ms since the epoch; null for never. */
  readonly expires: number | null
}

export interface CacheStorage {
  readonly name: string
  get(env: Environment, key: string): Promise<Remembered | undefined>
  put(env: Environment, key: string, entry: Remembered): Promise<void>
}

const BUCKET = 'cache'

/** At the broker: shared by all who share it. */
export const brokerCache: CacheStorage = {
  name: 'broker',
  async get({ broker }, key) {
    const { loadValue } = await import('../../actors/index.ts')
    const bucket = await broker.kv.bucket(BUCKET, { ttlMs: 0 })
    const found = (await bucket.get(key))?.value
    if (!isJsonObject(found) || !isJsonObject(found.ref)) return undefined
    const expires = typeof found.expires === 'number' ? found.expires : null
    return { v: await loadValue(broker.objects, found.ref as ValueRef), expires }
  },
  async put({ broker, deps }, key, { v, expires }) {
    const { storeValue } = await import('../../actors/index.ts')
    const bucket = await broker.kv.bucket(BUCKET, { ttlMs: 0 })
    const ref = await storeValue(broker.objects, deps, `cache-${key.slice(0, 32)}`, { v })
    await bucket.put(key, { ref: { ...ref }, expires })
  },
}

/** In the memory of this process. */
export function memoryCache(): CacheStorage {
  const entries = new Map<string, Remembered>()
  return {
    name: 'memory',
    get: async (_env, key) => entries.get(key),
    async put(_env, key, entry) {
      entries.set(key, entry)
    },
  }
}
