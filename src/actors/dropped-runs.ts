/**
 * Runs that this worker has let go of although by their logs it has them still. Its lease may never have lapsed for
 * anybody else, so nobody else would notice: it says so itself, in the log, as soon as that can be done.
 */

import type { Broker } from '../broker/index.ts'
import { type Deps, isCallboardError } from '../core/index.ts'
import { untilAnswered } from './append.ts'
import { applyToRun } from './apply.ts'
import type { FlowEvent } from './events.ts'
import { judgeFlow } from './rules.ts'

/** Giving back costs the run nothing; a run that broke its host is counted as a recovery, or it would go on for ever. */
export type GivenBack = Extract<FlowEvent, { type: 'RELEASE' | 'HOST_LOST' }>

export class DroppedRuns {
  readonly #broker: Broker
  readonly #deps: Deps
  readonly #dropped = new Map<string, GivenBack>()
  readonly #stopping = new AbortController()

  constructor(broker: Broker, deps: Deps) {
    this.#broker = broker
    this.#deps = deps
  }

  /** To be given back when the time has come. */
  add(run: string, event: GivenBack): void {
    this.#dropped.set(run, event)
  }

  /** The time has come. */
  giveBack(): void {
    for (const [run, event] of this.#dropped) void this.#tell(run, event)
  }

  stop(): void {
    this.#stopping.abort()
  }

  async #tell(run: string, event: GivenBack): Promise<void> {
    try {
      await untilAnswered(this.#deps, this.#stopping.signal, () =>
        applyToRun(this.#broker, this.#deps, run, judgeFlow(event)),
      )
    } catch (error) {
      if (!this.#stopping.signal.aborted && !isCallboardError(error, 'CB_E_STOPPED'))
        this.#deps.logger.warn({ run, error }, 'a run that was dropped could not be given back')
    }
    if (this.#dropped.get(run) === event) this.#dropped.delete(run)
  }
}
