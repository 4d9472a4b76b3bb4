/**
 * The waits of one execution of a run's code: pauses, suspensions, sleeps, named signals. The log holds them; this
 * answers the code when their answer is in the log, and keeps the short times, which need no durable timer because the
 * wait's end stands in its record.
 */

import type { Timer } from '../core/index.ts'
import { CallboardError } from '../core/index.ts'
import type { WaitRequest } from './channel.ts'
import type { HostContext } from './host-context.ts'
import type { HostedValues } from './hosted-values.ts'
import type { Answer } from './judgement.ts'
import type { WaitDoneRecord, WaitOutcome } from './records.ts'
import { judgeWait, judgeWaitDue } from './rules.ts'
import type { RunLog } from './run-log.ts'
import type { RunState } from './run-state.ts'
import { parseTag } from './states.ts'

interface Open {
  readonly request: WaitRequest
  readonly resolve: (outcome: WaitOutcome) => void
  readonly reject: (error: unknown) => void
  /** `asking` on its way to be judged; `refused` the run is held by another pause, and it asks again after that. */
  phase: 'asking' | 'waiting' | 'refused'
  timer: Timer | undefined
  /** When its time ends on the monotonic line. */
  ends: number | undefined
}

/** One moment on the wall clock and on the one that never jumps. */
interface Moment {
  readonly at: number
  readonly monotonic: number
}

/** What the present waits are for, to park on. */
export interface Awaited {
  /** The earliest end; null for none. */
  readonly until: number | null
  /** Now, by the clock that `until` was counted on: a wall clock that was set meanwhile says something else. */
  readonly at: number
  readonly signals: readonly string[]
}

export interface WaitsOptions {
  readonly context: HostContext
  readonly log: RunLog
  readonly values: HostedValues
  /** What is waited for has changed. */
  changed(): void
}

export class Waits {
  readonly #context: HostContext
  readonly #log: RunLog
  readonly #values: HostedValues
  readonly #changed: () => void
  readonly #open = new Map<string, Open>()

  constructor({ context, log, values, changed }: WaitsOptions) {
    this.#context = context
    this.#log = log
    this.#values = values
    this.#changed = changed
  }

  get size(): number {
    return this.#open.size
  }

  wait(request: WaitRequest): Promise<WaitOutcome> {
    return new Promise((resolve, reject) => {
      const open: Open = { request, resolve, reject, phase: 'asking', timer: undefined, ends: undefined }
      this.#open.set(request.id, open)
      this.#changed()
      this.#ask(open)
    })
  }

  /** A wait has its answer in the log. */
  committed({ id, outcome }: WaitDoneRecord): void {
    const open = this.#open.get(id)
    if (open !== undefined) this.#answer(open, outcome)
  }

  reloaded(state: RunState): void {
    for (const open of [...this.#open.values()]) {
      const outcome = state.waits.get(open.request.id)?.outcome
      if (outcome !== undefined) this.#answer(open, outcome)
    }
  }

  /** The run is RUNNING again: a pause that found another in force asks again. */
  proceed(): void {
    for (const open of this.#open.values()) if (open.phase === 'refused') this.#ask(open)
  }

  /** What to park on; undefined when one of them is not to be parked on, or not in the log yet. */
  awaited(): Awaited | undefined {
    const { clock } = this.#context.deps
    let until: number | null = null
    let at = clock.now()
    const signals = new Set<string>()
    for (const { request, phase, ends } of this.#open.values()) {
      const record = this.#log.state.waits.get(request.id)?.record
      if (phase !== 'waiting' || record === undefined) return undefined
      if (record.kind === 'pause' || record.kind === 'suspend') return undefined
      if (record.until !== null && (until === null || record.until < until)) {
        until = record.until
        if (ends !== undefined) at = until - (ends - clock.monotonic())
      }
      if (record.signal !== undefined) signals.add(record.signal)
    }
    return { until, at, signals: [...signals] }
  }

  /** Nobody waits any more. */
  clear(): void {
    for (const { timer } of this.#open.values()) timer?.cancel()
    this.#open.clear()
  }

  #ask(open: Open): void {
    open.phase = 'asking'
    const { kind } = open.request
    const { clock } = this.#context.deps
    const asked = { at: clock.now(), monotonic: clock.monotonic() }
    let wasOver = false
    this.#log.submit({
      judge: judgeWait(open.request, asked.at),
      lazy: kind === 'sleep' || kind === 'signal',
      patient: true,
      judged: () => {
        wasOver = this.#log.state.waits.get(open.request.id)?.outcome !== undefined
      },
      settled: (answer) => this.#asked(open, answer, asked, wasOver),
      failed: (error) => this.#refuse(open, error),
    })
  }

  #asked(open: Open, answer: Answer, asked: Moment, wasOver: boolean): void {
    const { id } = open.request
    if (this.#open.get(id) !== open) return
    if (answer.outcome === 'rejected') {
      this.#rejected(open, answer)
      return
    }
    const wait = this.#log.state.waits.get(id)
    if (wait === undefined) return
    open.phase = 'waiting'
    // An outcome that came meanwhile is on its way into the log behind this: it is answered when it is there.
    if (wasOver && wait.outcome !== undefined) {
      this.#answer(open, wait.outcome)
      return
    }
    const { kind, until, at } = wait.record
    const { clock } = this.#context.deps
    // A wait of an earlier life was counted on another clock: this one's now is the best there is.
    const since = at === asked.at ? asked : { at: clock.now(), monotonic: clock.monotonic() }
    if (until !== null && (kind === 'sleep' || kind === 'signal')) this.#arm(open, until, since)
    this.#changed()
  }

  #rejected(open: Open, { reason, tag }: Extract<Answer, { outcome: 'rejected' }>): void {
    const { id, kind, signal } = open.request
    const known = this.#log.state.waits.get(id)?.record
    const isMismatch = known !== undefined && (known.kind !== kind || known.signal !== signal)
    const { type } = parseTag(tag)
    if (isMismatch) this.#refuse(open, new CallboardError('CB_E_REPLAY_MISMATCH', reason))
    else if (type === 'PAUSED' || type === 'RUNNING') open.phase = 'refused'
    // Otherwise the run can answer nothing any more: the code must leave (C3).
  }

  /** The time that passes here decides, not what a wall clock says by then: it may have been set meanwhile. */
  #arm(open: Open, until: number, since: Moment): void {
    const { clock } = this.#context.deps
    const ends = since.monotonic + (until - since.at)
    open.timer?.cancel()
    open.ends = ends
    open.timer = this.#context.dueTimes.after(ends - clock.monotonic(), () => {
      const judge = judgeWaitDue(open.request.id, Math.max(clock.now(), until))
      this.#log.submit({ judge, patient: true })
    })
  }

  #answer(open: Open, outcome: WaitOutcome): void {
    this.#close(open)
    this.#values.load(
      outcome.is === 'done' ? outcome.value : undefined,
      (value) => open.resolve(value === undefined ? outcome : { ...outcome, is: 'done', value }),
      (error) => open.reject(error),
    )
  }

  #refuse(open: Open, error: unknown): void {
    if (this.#log.ended) return
    this.#close(open)
    open.reject(error)
  }

  #close(open: Open): void {
    open.timer?.cancel()
    if (this.#open.get(open.request.id) === open) this.#open.delete(open.request.id)
    this.#changed()
  }
}
