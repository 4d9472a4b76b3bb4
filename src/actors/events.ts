/**
 * What can happen to a flow run and to a task run: the events of the two charts. An event is a fact or a wish
 * with everything the chart needs in it; times, ids and random draws are in the event, never taken inside a
 * chart. An accepted event stands in the log as it is here, so these types are a stored format: add optional
 * fields freely, change or remove none (`migrations.ts`).
 */

import type { JsonObject, JsonValue } from '../core/index.ts'

/** A value in a record: inline as tagged JSON, or by reference to the object store when larger. */
export type ValueRef = { readonly v: JsonValue } | { readonly object: string; readonly bytes: number }

/** Who sent a signal: for the audit trail in the run's log. */
export interface Sender {
  /** `code`, `cli`, `api`, `socket`, `slack`, `scheduler`, … */
  readonly channel: string
  readonly principal?: string
  readonly address?: string
}

/** An error as it is kept: enough to show it and to throw it again. */
export interface Failure {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  /** The whole error as tagged JSON, when it can be serialised. */
  readonly value?: JsonValue
}

interface At {
  /** When, by the clock of whoever proposed it. Milliseconds since the epoch. */
  readonly at: number
}

/** An input a paused run wants on resume. */
export interface InputRequest {
  /** JSON Schema of the input. */
  readonly schema: JsonObject
  readonly description?: string
  readonly defaults?: JsonObject
}

/** Where work waits for a worker. */
export interface Target {
  readonly queue: string
  readonly priority: 0 | 1 | 2 | 3
}

/** What decides how a flow run is treated. Fixed at creation. */
export interface FlowPolicy {
  /** Flow-level retries after the first run. */
  readonly retries: number
  /** How often a lost host is made good before the run is Crashed. */
  readonly maxRecoveries: number
  readonly onCrash: 'recover' | 'crash'
  /** Time code gets to stop after a cancel, ms. */
  readonly graceMs: number
  /** Longest time in RUNNING for one attempt, ms; null for no limit. */
  readonly timeoutMs: number | null
  /** After the start time has passed by this and nobody took the run, it is Late, ms. */
  readonly lateAfterMs: number
  readonly target: Target
  /** Names of concurrency limits that a claim needs a slot of. */
  readonly limits: readonly string[]
}

export type FlowEvent =
  // ── the way in
  /** A worker takes the run: PENDING, one epoch further. */
  | (At & { readonly type: 'CLAIM'; readonly worker: string })
  /** Its code begins: RUNNING. */
  | (At & { readonly type: 'START' })
  /** No slot was free when claimed. */
  | (At & { readonly type: 'SLOT_WAIT'; readonly limits: readonly string[] })
  | (At & { readonly type: 'SLOT_GRANTED' })
  // ── how it ends
  | (At & {
      readonly type: 'COMPLETE'
      readonly name?: string
      readonly message?: string
      readonly result?: ValueRef
    })
  /**
   * The code failed. `retryDelayMs` is what the policy would wait before another attempt, null when it must
   * not be retried. The chart decides whether a retry is left.
   */
  | (At & {
      readonly type: 'FAIL'
      readonly name?: string
      readonly message: string
      readonly failure?: Failure
      readonly result?: ValueRef
      readonly retryDelayMs: number | null
    })
  | (At & { readonly type: 'CRASH'; readonly message: string; readonly details?: JsonObject })
  /** The code itself ended in a Cancelled state. */
  | (At & { readonly type: 'ABANDON'; readonly name?: string; readonly message?: string })
  // ── waiting
  /** From code or from outside: the code stays in its process. `until` null: no time-out. */
  | (At & {
      readonly type: 'PAUSE'
      readonly key: string
      readonly until: number | null
      readonly input?: InputRequest
      readonly message?: string
      readonly by: Sender
    })
  /** As PAUSE, but the code leaves its process. */
  | (At & {
      readonly type: 'SUSPEND'
      readonly key: string
      readonly until: number | null
      readonly input?: InputRequest
      readonly message?: string
      readonly by: Sender
    })
  /** All code of the run waits for a time or for named signals, long enough to leave the process. */
  | (At & { readonly type: 'PARK'; readonly until: number | null; readonly signals: readonly string[] })
  /** After a pause or suspend took hold: the last running task has finished. */
  | (At & { readonly type: 'QUIESCED' })
  | (At & {
      readonly type: 'RESUME'
      readonly input?: ValueRef
      readonly by: Sender
      readonly message?: string
    })
  /** A named signal with a payload. Kept until a wait takes it. */
  | (At & {
      readonly type: 'SIGNAL'
      readonly name: string
      readonly payload?: ValueRef
      readonly by: Sender
    })
  // ── cancelling
  | (At & {
      readonly type: 'CANCEL'
      readonly by: Sender
      readonly graceMs?: number
      readonly message?: string
    })
  /** Nothing of the run can act any more: its infrastructure is gone, or fenced (`abandoned`). */
  | (At & { readonly type: 'CANCELLED'; readonly abandoned?: boolean; readonly message?: string })
  // ── hosts come and go
  /** The host of this epoch is gone. A stale one is ignored. */
  | (At & { readonly type: 'HOST_LOST'; readonly epoch: number; readonly reason: string })
  /** The host gives the run back in good order (drain); costs no recovery. */
  | (At & { readonly type: 'RELEASE'; readonly epoch: number })
  // ── again
  | (At & { readonly type: 'RETRY'; readonly by: Sender; readonly message?: string })
  /** Time: `token` must be the one the timer was armed with. `lateMs`: how long after its due time, if plainly so. */
  | (At & { readonly type: `TIMER.${FlowTimer}`; readonly token: number; readonly lateMs?: number })

/**
 * Timers of a flow run: `start` a scheduled start is due; `late` nobody took it; `retry` the flow's own
 * retry is due; `hold` a pause, suspension, sleep or wait has reached its end; `timeout` RUNNING for too long;
 * `grace` a cancelled run's code has had its time.
 */
export type FlowTimer = 'start' | 'late' | 'retry' | 'hold' | 'timeout' | 'grace'

/** What decides how a task run is treated. Fixed when it is called. */
export interface TaskPolicy {
  readonly retries: number
  readonly timeoutMs: number | null
  /** Names of concurrency limits that its body needs a slot of. */
  readonly limits?: readonly string[]
}

export type TaskEvent =
  /** All questions before the body are answered: RUNNING. */
  | (At & { readonly type: 'START' })
  | (At & { readonly type: 'SLOT_WAIT'; readonly limits: readonly string[] })
  | (At & {
      readonly type: 'COMPLETE'
      readonly name?: string
      readonly message?: string
      readonly result?: ValueRef
    })
  /** A cached result stands in: user code is not called. */
  | (At & { readonly type: 'CACHED'; readonly cacheKey: string; readonly result?: ValueRef })
  | (At & { readonly type: 'SKIP'; readonly message?: string; readonly result?: ValueRef })
  /** An upstream run did not complete and the trigger is the default one. */
  | (At & { readonly type: 'NOT_READY'; readonly message: string })
  /** Another trigger was not met. */
  | (At & { readonly type: 'TRIGGER_FAILED'; readonly message: string })
  /** The slots that its code asked for are not to be had, or did not come in time. */
  | (At & { readonly type: 'DENIED'; readonly message: string; readonly failure?: Failure })
  /** `manualOnly`: waits for a resume. */
  | (At & { readonly type: 'HOLD'; readonly message?: string })
  | (At & { readonly type: 'RESUME'; readonly by: Sender })
  | (At & {
      readonly type: 'FAIL'
      readonly name?: string
      readonly message: string
      readonly failure?: Failure
      readonly result?: ValueRef
      readonly retryDelayMs: number | null
    })
  | (At & { readonly type: 'CRASH'; readonly message: string; readonly details?: JsonObject })
  | (At & { readonly type: 'CANCEL'; readonly message?: string })
  | (At & { readonly type: 'CANCELLED'; readonly message?: string })
  /** The host that ran the body is gone: the body runs again, at no cost to the retry budget. */
  | (At & { readonly type: 'RECOVER' })
  | (At & { readonly type: 'ROLL_BACK'; readonly message?: string })
  /** `held`: its flow run is not RUNNING, so it only becomes ready and starts once that runs on. */
  | (At & {
      readonly type: `TIMER.${TaskTimer}`
      readonly token: number
      readonly held?: true
      readonly lateMs?: number
    })

export type TaskTimer = 'retry'
