/**
 * One errand in the process that runs it: its code, from the start to the moment nothing of it runs any more.
 *
 * Invariants
 * (Q1) What it came to is heard unless it was told to leave before.
 * (Q2) Told to leave, it goes by itself or is ended by force after its grace; what cannot be ended is left to itself.
 */

import { messageOf } from '../core/index.ts'
import type { BodyOutcome, HostPort, LeaveReason, Runner, RunningCode, RunStart } from './channel.ts'
import type { DueTimes } from './due-times.ts'
import type { Errand } from './errand.ts'

export interface ErrandBodyOptions {
  readonly errand: Errand
  readonly runner: Runner
  readonly dueTimes: DueTimes
  /** The parameters themselves. */
  load(start: RunStart): Promise<RunStart>
}

/** How long code may take to leave. */
const GRACE_MS = 30_000

export class ErrandBody {
  readonly key: string
  readonly run: string
  readonly #options: ErrandBodyOptions
  readonly #leaving = new AbortController()
  #code: RunningCode | undefined

  constructor(options: ErrandBodyOptions) {
    this.#options = options
    this.key = options.errand.key
    this.run = options.errand.start.run
  }

  /** Fires when it is told to leave, with the reason. */
  get signal(): AbortSignal {
    return this.#leaving.signal
  }

  /** What it came to; undefined when it has left without. */
  async live(port: HostPort): Promise<BodyOutcome | undefined> {
    const { errand, load, runner } = this.#options
    const left = new Promise<undefined>((resolve) =>
      this.signal.addEventListener('abort', () => resolve(undefined), { once: true }),
    )
    try {
      const start = await load(errand.start)
      if (this.signal.aborted) return undefined
      this.#code = await runner.start(start, port)
    } catch (error) {
      return { is: 'crashed', message: `The code could not be started: ${messageOf(error)}` }
    }
    if (this.signal.aborted) this.#code.leave(this.signal.reason as LeaveReason)
    const ended = this.#code.ended.catch(
      (error): BodyOutcome => ({ is: 'crashed', message: messageOf(error) }),
    )
    const outcome = await Promise.race([ended, left])
    if (this.signal.aborted) await this.#gone(this.#code)
    return this.signal.aborted ? undefined : outcome // (Q1)
  }

  leave(reason: LeaveReason): void {
    if (this.signal.aborted) return
    this.#leaving.abort(reason)
    this.#code?.leave(reason)
  }

  /** (Q2) */
  #gone(code: RunningCode): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.dueTimes.after(GRACE_MS, () => void code.kill().then(gone, gone))
      const gone = () => {
        timer.cancel()
        resolve()
      }
      code.gone.then(gone, gone)
    })
  }
}
