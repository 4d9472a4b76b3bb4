/** The errands of one execution that are not settled: where each of them is, and which must be looked after. */

import type { Timer } from '../core/index.ts'
import type { BodyOutcome, ErrandRequest } from './channel.ts'
import type { ErrandCalls } from './errand-calls.ts'
import type { ValueRef } from './events.ts'
import type { HostContext } from './host-context.ts'

/**
 * `waiting` for its flow run to be RUNNING; `queued` in its queue; `sought` an earlier host may have sent it out: somebody
 * may have it; `held` a worker runs it; `reported` the code knows, the log not yet.
 */
type Phase =
  | { readonly is: 'waiting' | 'queued' | 'reported' }
  | { readonly is: 'sought'; readonly until: number }
  | { readonly is: 'held'; readonly worker: string; heardAt: number }

/** Its phase is changed by `ErrandTable.enter`. */
export interface OpenErrand {
  readonly key: string
  readonly request: ErrandRequest
  /** What its body is started with, as it goes into a queue. */
  parameters: ValueRef
  phase: Phase
  resolve: (outcome: BodyOutcome) => void
  reject: (error: unknown) => void
  losses: number
  readonly calls: ErrandCalls
  /** Told once it is settled: `false`, the log is for the reporter to write. */
  readonly whenSettled: ((isWritten: boolean) => void)[]
}

export interface ErrandTableOptions {
  readonly context: Pick<HostContext, 'deps' | 'dueTimes' | 'leaseMs'>
  /** None of them is held any more. */
  changed(): void
  /** One may have been sought, or not heard of, for too long. */
  expired(out: OpenErrand): void
}

export class ErrandTable {
  readonly #options: ErrandTableOptions
  readonly #byTask = new Map<string, OpenErrand>()
  readonly #byKey = new Map<string, OpenErrand>()
  #held = 0
  #looking: Timer | undefined

  constructor(options: ErrandTableOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byTask.size
  }

  /** How many a worker runs, as far as is known. */
  get held(): number {
    return this.#held
  }

  of(task: string): OpenErrand | undefined {
    return this.#byTask.get(task)
  }

  get(key: string): OpenErrand | undefined {
    return this.#byKey.get(key)
  }

  values(): Iterable<OpenErrand> {
    return this.#byTask.values()
  }

  add(out: OpenErrand): void {
    this.#byTask.set(out.request.id, out)
    this.#byKey.set(out.key, out)
  }

  remove(out: OpenErrand): void {
    this.#byTask.delete(out.request.id)
    this.#byKey.delete(out.key)
  }

  /** All are gone, and nobody is told. */
  clear(): void {
    this.#looking?.cancel()
    this.#byTask.clear()
    this.#byKey.clear()
    this.#held = 0
  }

  /** It was let run there, or was heard of from there. */
  hold(out: OpenErrand, worker: string): void {
    const heardAt = this.#now()
    if (out.phase.is === 'held' && out.phase.worker === worker) out.phase.heardAt = heardAt
    else this.enter(out, { is: 'held', worker, heardAt })
  }

  /** For a lease: whoever has it will speak up. */
  seek(out: OpenErrand): void {
    this.enter(out, { is: 'sought', until: this.#now() + this.#options.context.leaseMs })
  }

  enter(out: OpenErrand, phase: Phase): void {
    const before = this.#held
    this.#held += Number(phase.is === 'held') - Number(out.phase.is === 'held')
    out.phase = phase
    if (isLookedAfter(out)) this.#armLook()
    if (this.#held === 0 && before > 0) this.#options.changed()
  }

  #armLook(): void {
    const { dueTimes, leaseMs } = this.#options.context
    this.#looking ??= dueTimes.after(leaseMs / 2, () => {
      this.#looking = undefined
      this.#look()
      if ([...this.values()].some(isLookedAfter)) this.#armLook()
    })
  }

  #look(): void {
    const now = this.#now()
    const { context, expired } = this.#options
    for (const out of [...this.values()]) {
      const { phase } = out
      const isExpired =
        (phase.is === 'sought' && phase.until <= now) ||
        (phase.is === 'held' && phase.heardAt + context.leaseMs <= now)
      if (isExpired) expired(out)
    }
  }

  #now(): number {
    return this.#options.context.deps.clock.monotonic()
  }
}

function isLookedAfter({ phase }: OpenErrand): boolean {
  return phase.is === 'held' || phase.is === 'sought'
}
