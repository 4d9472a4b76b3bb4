/**
 * Logs of runs that are not hosted here any more and still have something to write: a snapshot, what code said at last. A
 * host that stops waits for them, since its broker may stop right after it.
 */

import { CallboardError, type Deps, settlesWithin } from '../core/index.ts'
import type { RunLog } from './run-log.ts'

export class ClosingLogs {
  readonly #deps: Deps
  readonly #all = new Map<RunLog, Promise<void>>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Lets it write what it has, then ends it. */
  close(log: RunLog): void {
    if (log.ended) return
    const closed = log.close().catch((error) => {
      this.#deps.logger.debug({ run: log.id, error }, 'the log of a run was not closed in good order')
    })
    this.#all.set(
      log,
      closed.finally(() => this.#all.delete(log)),
    )
  }

  /** Waits for all of them; those that take longer are given up: the broker may be away. */
  async stop(withinMs: number): Promise<void> {
    if (this.#all.size === 0) return
    await settlesWithin(this.#deps.clock, withinMs, Promise.all(this.#all.values()))
    for (const log of this.#all.keys())
      log.abandon(new CallboardError('CB_E_STOPPED', `The host of run ${log.id} has stopped.`))
  }
}
