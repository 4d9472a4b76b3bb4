/**
 * The fold of a run's log: everything anybody may decide from. Built by `fold.ts`, judged by `rules.ts`.
 *
 * A `RunState` belongs to one owner and is changed in place by `applyRecord`; snapshots of the charts inside it
 * are immutable values. After a refused append it is thrown away and read anew.
 */

import type { Rev } from '../broker/index.ts'
import type { JsonValue } from '../core/index.ts'
import type { Failure, FlowPolicy, Sender, TaskPolicy, ValueRef } from './events.ts'
import type { CreatedRecord, WaitOutcome, WaitRecord } from './records.ts'
import type { StateTag } from './states.ts'

/** A state as it was entered. */
export interface StateView {
  readonly tag: StateTag
  /** When it was entered, ms since the epoch. */
  readonly at: number
  readonly message?: string
}

/** An armed timer: a fire counts only with this token. */
export interface Armed {
  readonly due: number
  readonly token: number
}

/** A pause or suspension in force. */
export interface Hold {
  readonly key: string
  readonly kind: 'pause' | 'suspend'
  /** The channel it came from: `code`, `parent`, or one of people's. */
  readonly by: string
  readonly since: number
  /** When the last running task had finished; null until then. */
  readonly quiescedAt: number | null
}

/** What the flow-run chart remembers. JSON, small: counters and the present wait, never a list of children. */
export interface FlowContext {
  /** As it was created with. */
  readonly policy: FlowPolicy
  /** Transitions so far: the actor's own revision, from which timer tokens are made. */
  readonly n: number
  /** +1 with every claim; a host of an older epoch is fenced. */
  readonly epoch: number
  /** Who hosts the run; null when nobody does. */
  readonly worker: string | null
  readonly runCount: number
  readonly recoveryCount: number
  /** Failures of the code since creation or the last RETRY signal: spends the retry budget. */
  readonly failures: number
  readonly expectedStart: number
  readonly startTime: number | null
  readonly endTime: number | null
  readonly runningSince: number | null
  /** Over finished RUNNING spans, ms. */
  readonly totalRunMs: number
  /** The same within the present attempt: what the run time-out is measured by. */
  readonly attemptMs: number
  /** The next RUNNING goes on after a pause, a recovery or a hand-over, and does not count as a run. */
  readonly resuming: boolean
  /** The next RUNNING is named Retrying. */
  readonly retrying: boolean
  /** The present pause or suspension. It stays while a lost host is made good, and then takes hold again. */
  readonly hold: Hold | null
  /** The concurrency limits of which its last claim had to wait for a slot, when they are others than the policy's. */
  readonly limits?: readonly string[]
  /** The names of the signals a Waiting run is woken by. */
  readonly wants: readonly string[]
  readonly timers: Readonly<Record<string, Armed>>
  /** A name that user code gave its terminal state. */
  readonly customName: string | null
}

/** What the task-run chart remembers. */
export interface TaskContext {
  /** As it was called with. */
  readonly policy: TaskPolicy
  readonly n: number
  readonly runCount: number
  readonly failures: number
  readonly startTime: number | null
  readonly endTime: number | null
  readonly runningSince: number | null
  readonly totalRunMs: number
  readonly timers: Readonly<Record<string, Armed>>
  readonly customName: string | null
}

/** A chart's snapshot: where it stands and what it remembers. A plain value, never changed (`chart.ts`). */
export interface ChartSnapshot<Context> {
  readonly tag: StateTag
  readonly context: Context
}

export interface TaskState {
  readonly id: string
  readonly task: string
  readonly name: string
  readonly policy: TaskPolicy
  readonly inputs: string | undefined
  readonly upstream: readonly string[]
  readonly tags: readonly string[]
  snapshot: ChartSnapshot<TaskContext>
  state: StateView
  result?: ValueRef | undefined
  failure?: Failure | undefined
}

export interface Wait {
  readonly record: WaitRecord
  outcome?: WaitOutcome
}

/** A child run, as its parent's log knows it. */
export interface Child {
  readonly run: string
  readonly flow: string
  /** It was started by an attempt before the present one: unless it completed, another may be started instead. */
  readonly earlier?: true
}

/** A named signal that no wait has taken yet. */
export interface KeptSignal {
  readonly name: string
  readonly payload?: ValueRef
  readonly by: Sender
  readonly at: number
}

/** The answer a signal key got: the same key gets it again. */
export interface KeptAnswer {
  readonly outcome: 'applied' | 'accepted'
  readonly tag: StateTag
}

export interface RunState {
  readonly id: string
  /** 0 to `PARTITIONS` - 1. */
  readonly partition: number
  /** Revision of the last entry folded in. */
  rev: Rev
  /** Revision that the newest snapshot covers; 0 for none. */
  snapshotRev: Rev
  /** Records folded in since that snapshot. */
  sinceSnapshot: number
  created: CreatedRecord
  flow: ChartSnapshot<FlowContext>
  state: StateView
  result?: ValueRef | undefined
  failure?: Failure | undefined
  /** By identity, in the order they were called. */
  readonly tasks: Map<string, TaskState>
  readonly waits: Map<string, Wait>
  readonly inbox: KeptSignal[]
  readonly children: Map<string, Child>
  readonly values: Map<string, JsonValue>
  /** The newest `KEPT_ANSWERS` signal keys. */
  readonly answers: Map<string, KeptAnswer>
  archived: boolean
}

/** How many signal keys a run remembers. */
export const KEPT_ANSWERS = 256

/** How many named signals a run keeps that no wait has taken yet. */
export const KEPT_SIGNALS = 1_000
