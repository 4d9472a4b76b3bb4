/** The runs of a host: who they are, how many of them take a slot, and who waits for the end of one. */

import type { Subscription } from '../broker/index.ts'
import type { Logger } from '../core/index.ts'
import type { HostedRun } from './hosted-run.ts'
import type { RunState } from './run-state.ts'

interface Hosted {
  readonly run: HostedRun
  readonly address: Promise<Subscription>
  readonly over: PromiseWithResolvers<RunState>
}

export class HostedRuns {
  readonly #logger: Logger
  /** Something has become free. */
  readonly #freed: () => void
  readonly #runs = new Map<string, Hosted>()
  #waiting = 0
  #whenEmpty: (() => void)[] = []

  constructor(logger: Logger, freed: () => void) {
    this.#logger = logger
    this.#freed = freed
  }

  get size(): number {
    return this.#runs.size
  }

  /** Those whose code does something besides waiting. */
  get busy(): number {
    return this.#runs.size - this.#waiting
  }

  get(run: string): HostedRun | undefined {
    return this.#runs.get(run)?.run
  }

  /** All of them as they are now: what is done to one may end it. */
  all(): HostedRun[] {
    return [...this.#runs.values()].map(({ run }) => run)
  }

  /** Keeps a claimed run for as long as it is hosted; resolves with its state when it is not any more. */
  add(run: HostedRun, address: Promise<Subscription>): Promise<RunState> {
    if (run.isOver) {
      this.#close(address)
      return Promise.resolve(run.log.state)
    }
    const over = Promise.withResolvers<RunState>()
    this.#runs.set(run.id, { run, address, over })
    if (run.isWaiting) this.#waiting++
    return over.promise
  }

  /** Resolves when the run is not hosted here any more; undefined when it is not. */
  overOf(run: string): Promise<RunState> | undefined {
    return this.#runs.get(run)?.over.promise
  }

  /** A run is over. Nothing happens when it was never added. */
  remove(run: HostedRun): void {
    const hosted = this.#runs.get(run.id)
    if (hosted?.run !== run) return
    this.#runs.delete(run.id)
    if (run.isWaiting) this.#waiting--
    this.#close(hosted.address)
    hosted.over.resolve(run.log.state)
    this.#freed()
    if (this.#runs.size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }

  /** Whether it only waits has changed. */
  changed(run: HostedRun): void {
    if (this.#runs.get(run.id)?.run !== run) return
    this.#waiting += run.isWaiting ? 1 : -1
    if (run.isWaiting) this.#freed()
  }

  /** Resolves when there is none. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#runs.size === 0) resolve()
      else this.#whenEmpty.push(resolve)
    })
  }

  #close(address: Promise<Subscription>): void {
    const closed = address.then((subscription) => subscription.stop())
    closed.catch((error) => {
      this.#logger.debug({ error }, 'the address of a run was not closed in good order')
    })
  }
}
