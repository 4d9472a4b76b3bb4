/** Waiting for a lock that another process holds, without blocking the event loop. */

import { type Deps, sleep } from '../../../core/index.ts'
import { storeError, troubleOf } from './sqlite.ts'

const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 20

/** How long to wait before try number `attempt` (from 1): grows, with jitter, so that two waiters do not march in step. */
export function waitBefore(attempt: number, random: Deps['random']): number {
  const ceiling = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS)
  return FIRST_WAIT_MS + random.next() * ceiling
}

/**
 * Runs `work` at once; while it finds the store locked, again after a moment.
 *
 * @throws CB_E_BROKER_UNAVAILABLE when the store was still locked after `timeoutMs`; else the coded error of what `work` threw
 */
export async function whenFree<T>(
  deps: Pick<Deps, 'clock' | 'random'>,
  where: string,
  timeoutMs: number,
  work: () => T,
): Promise<T> {
  const giveUp = deps.clock.monotonic() + timeoutMs
  for (let attempt = 1; ; attempt++) {
    try {
      return work()
    } catch (error) {
      if (troubleOf(error) !== 'busy' || deps.clock.monotonic() >= giveUp) throw storeError(where, error)
    }
    await sleep(deps.clock, waitBefore(attempt, deps.random))
  }
}
