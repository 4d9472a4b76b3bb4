/**
 * Code that was told to leave its run and has not gone yet. Until then it takes a slot of its worker: a run that was timed
 * out is over in its log long before code that does not listen is.
 *
 * Invariants
 * (V1) Code that does not go by itself within its grace is ended by force.
 * (V2) What cannot be ended by force is fenced, left to itself, and counted no longer.
 */

import { type Deps, settlesWithin } from '../core/index.ts'
import type { LeaveReason } from './channel.ts'
import type { DueTimes } from './due-times.ts'
import type { Execution } from './execution.ts'

export interface Leaver {
  readonly run: string
  readonly execution: Execution
  readonly reason: LeaveReason
  readonly graceMs: number
}

/** How long a host that stops waits for what it has told to leave. */
const STOP_MS = 500

export class Leavers {
  readonly #deps: Deps
  readonly #dueTimes: DueTimes
  /** There is one less. */
  readonly #freed: () => void
  readonly #all = new Map<Execution, Promise<unknown>>()

  constructor(deps: Deps, dueTimes: DueTimes, freed: () => void) {
    this.#deps = deps
    this.#dueTimes = dueTimes
    this.#freed = freed
  }

  get size(): number {
    return this.#all.size
  }

  /** Tells it to leave, and sees to it that it does. */
  letGo(leaver: Leaver): void {
    const { execution, graceMs, reason } = leaver
    execution.leave(reason)
    if (execution.isGone || execution.isAbandoned || this.#all.has(execution)) return
    const killed = Promise.withResolvers<void>()
    const timer = this.#dueTimes.after(graceMs, () => killed.resolve(this.#kill(leaver))) // (V1)
    const over = Promise.race([execution.gone(), killed.promise]).then(() => {
      timer.cancel()
      this.#all.delete(execution)
      this.#freed()
    })
    this.#all.set(execution, over)
  }

  /** Waits a moment for all of them, then ends them. */
  async stop(): Promise<void> {
    if (this.#all.size === 0) return
    await settlesWithin(this.#deps.clock, STOP_MS, Promise.all(this.#all.values()))
    await Promise.all([...this.#all.keys()].map((execution) => execution.kill().catch(() => {})))
  }

  async #kill({ execution, reason, run }: Leaver): Promise<void> {
    const { logger } = this.#deps
    try {
      if ((await execution.kill()) === 'abandoned')
        logger.warn({ run, reason }, 'code of a run did not leave; it is fenced and left to itself') // (V2)
    } catch (error) {
      logger.warn({ run, error }, 'code of a run could not be killed')
    }
  }
}
