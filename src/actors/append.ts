/** One append, repeated until it has an answer: the broker being away is not an outcome. */

import type { Broker, Rev } from '../broker/index.ts'
import { type Deps, isRetryable, mintId, sleep } from '../core/index.ts'

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/**
 * Repeats `attempt` while it fails with something that passes by itself (the broker is away, full or busy), with
 * growing pauses. Anything else, and the signal's reason once it fires, is thrown.
 */
export async function untilAnswered<T>(
  deps: Deps,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    signal.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (!isRetryable(error)) throw error
      deps.logger.debug({ error, pauseMs }, 'the broker could not do it now; it is tried again')
    }
    await sleep(deps.clock, pauseMs * (0.5 + deps.random.next() / 2), signal)
  }
}

/**
 * Appends on top of `expect` and waits for as long as it takes to know the outcome. An unknown outcome is settled by
 * repeating with the same nonce: whoever was answered late was written once.
 */
export async function appendSettled(
  { log }: Pick<Broker, 'log'>,
  deps: Deps,
  subject: string,
  records: readonly string[],
  expect: Rev,
  signal: AbortSignal,
): Promise<'appended' | 'conflict'> {
  const options = { expect, nonce: mintId(deps) }
  for (;;) {
    const result = await untilAnswered(deps, signal, () => log.append(subject, records, options))
    if (result.outcome !== 'unknown') return result.outcome
    deps.logger.warn(
      { run: subject, expect, cause: result.cause },
      'the broker has not said whether an entry was written; it is asked again',
    )
  }
}
