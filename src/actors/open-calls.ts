/** The calls of task runs that the code has not been answered for good, and how many of them keep this process busy. */

import type { Timer } from '../core/index.ts'
import type { TaskAnswer, TaskCall } from './channel.ts'
import type { TaskEvent } from './events.ts'
import { Lookup } from './lookup.ts'

/**
 * `calling` not judged yet; `ready` may start; `queued` waits for a slot; `starting` its START is on its way to be
 * judged; `running` the body runs; `reporting` its outcome is on its way into the log; `resting` waits for a retry's
 * time, or to be resumed; `over` is answered.
 */
type Phase = 'calling' | 'ready' | 'queued' | 'starting' | 'running' | 'reporting' | 'resting' | 'over'

/** Its phase is changed by `OpenCalls.enter`. */
export interface OpenCall {
  readonly call: TaskCall
  phase: Phase
  /** Of the call, or of the report, that waits for an answer. */
  resolve: (answer: TaskAnswer) => void
  reject: (error: unknown) => void
  slots: 'none' | 'asked' | 'held'
  /** Of its wish for slots. */
  patience?: Timer | undefined
  /** Its body runs though its START is refused by now. With the report, once the body has ended. */
  ahead: { report?: TaskEvent } | undefined
}

export class OpenCalls {
  readonly #changed: () => void
  readonly #open = new Lookup<string, OpenCall>()
  #running = 0
  #resting = 0

  /** `changed`: how many bodies run, or which calls are open, has changed. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  /** Bodies that run, or whose outcome is not in the log yet. */
  get running(): number {
    return this.#running
  }

  get size(): number {
    return this.#open.size
  }

  /** Whether any call is open that does not just wait for time or for a person. */
  get isBusy(): boolean {
    return this.#open.size > this.#resting
  }

  /** By the identity of the task run. */
  get(id: string): OpenCall | undefined {
    return this.#open.get(id)
  }

  values(): OpenCall[] {
    return this.#open.values()
  }

  begin(call: TaskCall, resolve: OpenCall['resolve'], reject: OpenCall['reject']): OpenCall {
    const open: OpenCall = { call, phase: 'calling', resolve, reject, slots: 'none', ahead: undefined }
    this.#open.set(call.id, open)
    this.#changed()
    return open
  }

  enter(open: OpenCall, phase: Phase): void {
    const before = open.phase
    open.phase = phase
    this.#running += Number(isBusy(open, phase)) - Number(isBusy(open, before))
    this.#resting += Number(isResting(open, phase)) - Number(isResting(open, before))
    if (isResting(open, phase)) this.#changed()
  }

  close(open: OpenCall): void {
    open.patience?.cancel()
    this.enter(open, 'over')
    if (this.#open.get(open.call.id) === open) this.#open.delete(open.call.id)
    this.#changed()
  }
}

/** A body that is away is no work for this process until it is back. */
function isBusy({ call }: OpenCall, phase: Phase): boolean {
  return phase === 'reporting' || (phase === 'running' && call.away !== true)
}

/** Nothing but time, a person or another run moves it on. */
function isResting({ call }: OpenCall, phase: Phase): boolean {
  return phase === 'resting' || (phase === 'running' && call.away === true)
}
