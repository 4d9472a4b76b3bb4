/** What a proposal is answered with, and the signals that people and programs send. */

import type { Sender, ValueRef } from './events.ts'
import type { RunRecord } from './records.ts'
import type { RunState } from './run-state.ts'
import type { StateTag } from './states.ts'

/** Signals every run knows by name; any other name is a named signal for the run's code. */
export const SIGNALS = ['pause', 'suspend', 'resume', 'cancel', 'retry'] as const

export type SignalName = (typeof SIGNALS)[number]

export interface Signal {
  /** One of `SIGNALS`, or a name of the code's own. */
  readonly name: string
  readonly payload?: ValueRef
  /** Idempotency key: the same key gets the first answer again. */
  readonly key: string
  readonly by: Sender
  /** For `cancel`: overrides the run's grace, ms. For `pause` and `suspend`: when it expires. */
  readonly graceMs?: number
  readonly timeoutMs?: number | null
  readonly message?: string
}

export interface Issue {
  /** `input.approved` */
  readonly path: string
  readonly message: string
}

/** A proposal judged against a state. Nothing is written yet. */
export type Judgement =
  /** These records say it. `accepted`: the run will follow (a cancel that first stops the code). */
  | { readonly is: 'write'; readonly answer: 'applied' | 'accepted'; readonly records: readonly RunRecord[] }
  /** Nothing to write; it is already so: the first answer again. */
  | { readonly is: 'known'; readonly answer: 'applied' | 'accepted' }
  /** Nothing to write and nobody to tell: a stale timer, a doubled item. */
  | { readonly is: 'ignored' }
  | { readonly is: 'wait'; readonly retryAfterMs: number }
  /** `records` are written all the same: why it could not be (a resume that came too late, a poisoned event). */
  | {
      readonly is: 'rejected'
      readonly reason: string
      readonly issues?: readonly Issue[]
      readonly records?: readonly RunRecord[]
    }

/** Judges one proposal. Pure: called again, on the newer state, after a refused append. */
export type Judge = (state: RunState) => Judgement

/** What the proposer is told once it is settled. */
export type Answer =
  | { readonly outcome: 'applied' | 'accepted'; readonly tag: StateTag; readonly rev: number }
  | { readonly outcome: 'ignored'; readonly tag: StateTag }
  | { readonly outcome: 'wait'; readonly retryAfterMs: number; readonly tag: StateTag }
  | {
      readonly outcome: 'rejected'
      readonly reason: string
      readonly tag: StateTag
      readonly legalSignals: readonly string[]
      readonly issues?: readonly Issue[]
    }
  /** There is no such run (or it is archived). */
  | { readonly outcome: 'missing' }
