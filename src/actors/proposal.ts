/** What the owner of an opened run is given, and whom it tells. The letters are those of `run-log.ts`. */

import type { Cursor, Rev } from '../broker/index.ts'
import type { CallboardError } from '../core/index.ts'
import type { Answer, Judge, Judgement } from './judgement.ts'
import type { LazyFlusher } from './lazy-flusher.ts'
import type { CreatedRecord, RunRecord } from './records.ts'
import type { ChartSnapshot, FlowContext, RunState } from './run-state.ts'

/** Something to be judged, written and answered. Callbacks must not throw. */
export interface Proposal {
  readonly judge: Judge
  /** (G8) */
  readonly lazy?: boolean
  /** (G6) */
  readonly patient?: boolean
  /** Each time it was judged (again after a conflict). Nothing of this is in the log yet. */
  judged?(judgement: Judgement): void
  settled?(answer: Answer): void
  failed?(error: unknown): void
}

/** What the owner hears. */
export interface RunLogListener {
  /**
   * These records (all of an entry but its head) are in the log: written here, or by somebody else and folded in.
   * `flow` is the flow run after them.
   */
  committed?(records: readonly RunRecord[], rev: Rev, flow: ChartSnapshot<FlowContext>): void
  /** The state was read anew after a conflict; what is in it is in the log. */
  reloaded?(state: RunState): void
  /** It takes nothing any more: fenced (CB_E_FENCED), or it cannot go on. Not called after `close` or `abandon`. */
  ended?(error: CallboardError): void
}

export interface RunLogOptions {
  readonly listener?: RunLogListener
  /** The run does not exist yet: its first entry begins with this. `state` is what `beginRun` makes of it, at rev 0. */
  readonly created?: CreatedRecord
  /** Where the newest entry of `state` stands, if that is known: see `AppendOptions.after`. */
  readonly at?: Cursor
  /** Who writes as the host of the run, once it is claimed: its entries carry the epoch. */
  readonly worker?: string
  /** Shared by all runs of a host; without one, lazy proposals are written at once. */
  readonly flusher?: LazyFlusher
  /**
   * Whether it waits for a broker that is away, for as long as it takes. Default `false`: everything unanswered fails
   * with what the broker said.
   */
  readonly outlasts?: boolean
  /** Conflicts in a row before everything unanswered fails with CB_E_CONTENDED. Default: no limit. */
  readonly maxConflicts?: number
  /** Bytes of records that may wait to be written. Default 4 MiB. */
  readonly maxWaitingBytes?: number
  /** Proposals that may be unanswered before an impatient one is refused. Default 10,000. */
  readonly maxUnanswered?: number
}
