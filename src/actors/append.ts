/** Appends, and what becomes of them when the broker is away. */

import type { AppendOutcome, Broker, Cursor, Rev } from '../broker/index.ts'
import { CallboardError, type Deps, isRetryable, sleep } from '../core/index.ts'

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

export interface AppendTask {
  readonly subject: string
  /** Records, each one JSON text. */
  readonly records: readonly string[]
  readonly expect: Rev
  /** Unique per entry. */
  readonly nonce: string
  /** Where the entry at `expect` stands, if that is known. */
  readonly after?: Cursor
}

export type Appended = Exclude<AppendOutcome, { readonly outcome: 'unknown' }>

/**
 * Appends and waits for as long as it takes to know the outcome. An unknown outcome is settled by repeating with the
 * same nonce: whoever was answered late was written once.
 *
 * @throws the signal's reason, and what does not pass by itself
 */
export async function appendSettled(
  { log }: Pick<Broker, 'log'>,
  deps: Deps,
  { subject, records, ...options }: AppendTask,
  signal: AbortSignal,
): Promise<Appended> {
  const attempt = () => log.append(subject, records, options)
  for (;;) {
    const result = await untilAnswered(deps, signal, attempt)
    if (result.outcome !== 'unknown') return result
    deps.logger.warn(
      { run: subject, expect: options.expect, cause: result.cause },
      'the broker has not said whether an entry was written; it is asked again',
    )
  }
}

/**
 * Appends, for somebody who waits: a broker that is away is an error at once.
 *
 * @throws CB_E_BROKER_UNAVAILABLE when it may have been written or not: the same again is safe where it has a key;
 * CB_E_STORE_FULL, CB_E_BUSY, and what else the broker throws
 */
export async function appendOnce(
  { log }: Pick<Broker, 'log'>,
  { subject, records, ...options }: AppendTask,
): Promise<Appended> {
  const result = await log.append(subject, records, options)
  if (result.outcome !== 'unknown') return result
  throw new CallboardError(
    'CB_E_BROKER_UNAVAILABLE',
    `The broker did not say in time whether it has taken an entry of run ${subject}. It may have or not; try again once the broker is back.`,
    { cause: result.cause },
  )
}
