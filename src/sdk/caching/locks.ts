/** Locks for SERIALIZABLE caching and keyed transactions: one run at a time computes what a key stands for. */

import { sleep, type Timer } from '../../core/index.ts'
import type { Environment } from '../environment.ts'

/** Gives a lock back. */
export type Release = () => Promise<void>

export interface LockManager {
  readonly name: string
  /** Resolves once nobody else has it. `holder` asking again for what it holds is let through. */
  acquire(env: Environment, key: string, holder: string): Promise<Release>
}

/** Locks among the runs of this process. */
export function memoryLocks(): LockManager {
  const lines = new Map<string, Promise<void>>()
  return {
    name: 'memory',
    async acquire(_env, key) {
      const before = lines.get(key) ?? Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      const mine = before.then(() => promise)
      lines.set(key, mine)
      await before
      return async () => {
        resolve()
        if (lines.get(key) === mine) lines.delete(key)
      }
    },
  }
}

const BUCKET = 'locks'
/** A holder that died loses its lock after this. */
const LOCK_MS = 30_000
/** How often a lock that somebody else has is asked for again. */
const RETRY_MS = 50

/** Locks among all processes that share a broker. */
export function brokerLocks(): LockManager {
  return {
    name: 'broker',
    async acquire({ broker, deps }, key, holder) {
      const bucket = await broker.kv.bucket(BUCKET, { ttlMs: LOCK_MS })
      for (;;) {
        if ((await bucket.create(key, { holder })) !== undefined) break
        await sleep(deps.clock, RETRY_MS)
      }
      let timer: Timer
      const renew = () => {
        timer = deps.clock.setTimer(
          LOCK_MS / 3,
          () => {
            bucket.put(key, { holder }).then(renew, renew)
          },
          { ref: false },
        )
      }
      renew()
      return async () => {
        timer.cancel()
        await bucket.delete(key)
      }
    },
  }
}
