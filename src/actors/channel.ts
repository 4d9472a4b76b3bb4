/**
 * The runner channel: what a run's code and its host say to each other. One small set of calls, the same
 * whether the code is inline, in a thread or in a child process; everything in it is plain JSON, so that a
 * message port or a pipe can carry it.
 *
 * Invariants
 * (C1) The host decides; the code side computes. Whether a task runs, retries or is answered from the log is the
 *      host's answer; how long a policy wants to wait, and what a body returned, is the code's report.
 * (C2) An answer that carries a value is given after that value is in the log, never before.
 * (C3) A call that the run can no longer answer (it was suspended, cancelled, fenced) stays unanswered; the code
 *      side is told `leave` and unwinds. So no `catch` in user code can mistake leaving for a failure.
 */

import type { JsonObject, JsonValue } from '../core/index.ts'
import type { Failure, FlowPolicy, InputRequest, TaskPolicy, ValueRef } from './events.ts'
import type { WaitOutcome } from './records.ts'
import type { SlotWish } from './slots.ts'
import type { StateTag } from './states.ts'

/** What the code side is started with. */
export interface RunStart {
  readonly run: string
  readonly flow: string
  readonly name: string
  readonly parameters: ValueRef
  readonly tags: readonly string[]
  readonly epoch: number
  /** 1 for the first run, +1 by each flow retry; not raised by resume or recovery. */
  readonly runCount: number
  /** Of earlier attempts: chooses the delay of the next retry. */
  readonly failures: number
  readonly scheduledTime: number
  readonly deployment?: string
  readonly parent?: { readonly run: string; readonly key: string }
}

/** What is undefined is as if it were not there: a call is made by the thousand, always of one shape. */
export interface TaskCall {
  readonly id: string
  readonly task: string
  readonly name?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly policy: TaskPolicy
  readonly inputs?: string | undefined
  readonly upstream?: readonly string[] | undefined
  /** Concurrency limits it needs a slot of. */
  readonly limits?: readonly string[] | undefined
  /** How it wants them, when not one slot of each, for as long as it takes. */
  readonly wish?: SlotWish | undefined
  /** Its body does nothing here but wait for an errand. */
  readonly away?: boolean | undefined
  /** A replay that meets other inputs under this identity: an error, or run it anew. Default `error`. */
  readonly onMismatch?: 'error' | 'rerun' | undefined
  /**
   * What the code side already knows must become of it, instead of running: its trigger was not met, its result
   * is cached, it is to be skipped or to wait for a resume.
   */
  readonly instead?:
    | { readonly is: 'not-ready' | 'trigger-failed'; readonly message: string }
    | { readonly is: 'skip'; readonly message?: string; readonly result?: ValueRef }
    | { readonly is: 'cached'; readonly cacheKey: string; readonly result?: ValueRef }
    | { readonly is: 'hold'; readonly message?: string }
    | undefined
}

/** How one attempt of a body ended. */
export type BodyOutcome =
  | {
      readonly is: 'completed'
      readonly name?: string
      readonly message?: string
      readonly result?: ValueRef
    }
  | { readonly is: 'skipped'; readonly message?: string; readonly result?: ValueRef }
  | {
      readonly is: 'failed'
      readonly name?: string
      readonly message: string
      readonly failure?: Failure
      readonly result?: ValueRef
      /** What the policy would wait before another attempt; null when it must not be retried. */
      readonly retryDelayMs: number | null
    }
  | { readonly is: 'crashed'; readonly message: string; readonly details?: JsonObject }
  | { readonly is: 'cancelled'; readonly message?: string }

export interface TaskReport {
  readonly id: string
  /** The attempt this report is of: another one is refused. */
  readonly attempt: number
  readonly outcome: BodyOutcome
}

export type TaskAnswer =
  /** Run the body. `attempt` is the run count; `failures` before it choose the delay of the next retry. */
  | { readonly do: 'run'; readonly attempt: number; readonly failures: number }
  /** It is settled, and in the log. */
  | {
      readonly do: 'settled'
      readonly tag: StateTag
      readonly message?: string
      readonly result?: ValueRef
      readonly failure?: Failure
      /** The answer came from the log, no body was run for this call. */
      readonly replayed: boolean
    }
  /** The replay met another task, or other inputs, under this identity. */
  | { readonly do: 'mismatch'; readonly message: string }

/** One attempt of a task's body, to be run by whoever takes it from a queue. */
export interface ErrandRequest {
  /** Identity of the task run. */
  readonly id: string
  readonly attempt: number
  readonly failures: number
  /** The name by which a runner knows the code of the body, and what it is started with. */
  readonly flow: string
  readonly parameters: ValueRef
  /** Of the broker. */
  readonly queue: string
}

export interface WaitRequest {
  readonly id: string
  readonly kind: 'pause' | 'suspend' | 'sleep' | 'signal'
  /** From now, ms; null for no end. */
  readonly forMs: number | null
  readonly signal?: string
  readonly input?: InputRequest
  readonly message?: string
}

export interface ChildRequest {
  readonly id: string
  readonly flow: string
  readonly name?: string
  readonly parameters: ValueRef
  readonly tags?: readonly string[]
  readonly deployment?: string
  readonly policy: FlowPolicy
  /** Where it waits for a worker. Default: with a deployment as the policy says, else where its parent waited. */
  readonly queue?: string
  /** Answer when it is terminal, not when it exists. */
  readonly wait: boolean
}

export interface ChildAnswer {
  readonly run: string
  readonly tag: StateTag
  readonly message?: string
  readonly result?: ValueRef
  readonly failure?: Failure
}

/** The calls of the code side, by name. */
export interface HostCalls {
  'task.call': { in: TaskCall; out: TaskAnswer }
  'task.report': { in: TaskReport; out: TaskAnswer }
  /** A completed task run is undone, by the code's own means; answered once that is in the log. */
  'task.rollback': { in: { readonly id: string; readonly message?: string }; out: null }
  /** Runs an attempt elsewhere; answered with what it came to, which is to be reported as that of any other. */
  'task.errand': { in: ErrandRequest; out: BodyOutcome }
  wait: { in: WaitRequest; out: WaitOutcome }
  'child.start': { in: ChildRequest; out: ChildAnswer }
  'child.join': { in: { readonly run: string }; out: ChildAnswer }
  /** The recorded value of this identity: the log's, else the one proposed, once it is recorded. */
  value: { in: { readonly id: string; readonly v: JsonValue }; out: { readonly v: JsonValue } }
  note: {
    in: {
      readonly kind: string
      readonly task?: string
      readonly data: { readonly [key: string]: JsonValue }
      /** What was noted under this identity with this mark is not noted again. */
      readonly once?: { readonly id: string; readonly mark: string }
    }
    out: null
  }
}

/** The host, as the code side sees it. */
export interface HostPort {
  call<K extends keyof HostCalls>(kind: K, input: HostCalls[K]['in']): Promise<HostCalls[K]['out']>
}

/** Why the code must go. `ended`: its run, or its attempt, has come to an end that it need not have heard of. */
export type LeaveReason =
  | 'cancelled'
  | 'suspended'
  | 'parked'
  | 'fenced'
  | 'draining'
  | 'timed-out'
  | 'ended'
  /** It has crashed, and what is left of it may still run its hooks. */
  | 'crashed'

/** A run's code, as the host sees it. */
export interface RunningCode {
  /** How the flow function ended; settles once, and never after `leave` unless the code ends by itself. */
  readonly ended: Promise<BodyOutcome>
  /** Resolves when nothing of it runs any more: it has ended, or has left as far as the runner can see. */
  readonly gone: Promise<void>
  /** Tells the code to go: abort signals fire, calls stay unanswered. */
  leave(reason: LeaveReason): void
  /** Ends it by force where that is possible; resolves with whether nothing of it can act any more. */
  kill(): Promise<'gone' | 'abandoned'>
}

/** Starts code for a run: inline, in a thread, in a process. */
export interface Runner {
  readonly kind: 'inline' | 'thread' | 'process'
  /** Whether it has code for this flow. */
  serves(flow: string): boolean
  start(start: RunStart, host: HostPort): Promise<RunningCode>
}
