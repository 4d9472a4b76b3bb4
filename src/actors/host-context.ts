/** What a host's runs share. */

import type { Broker } from '../broker/index.ts'
import type { Deps } from '../core/index.ts'
import type { Runner } from './channel.ts'
import type { ClosingLogs } from './closing-logs.ts'
import type { DueTimes } from './due-times.ts'
import type { LazyFlusher } from './lazy-flusher.ts'
import type { Leavers } from './leavers.ts'
import type { CreatedRecord } from './records.ts'
import type { Slots } from './slots.ts'

export interface HostContext {
  readonly broker: Broker
  readonly deps: Deps
  readonly worker: string
  readonly runners: readonly Runner[]
  readonly flusher: LazyFlusher
  readonly dueTimes: DueTimes
  readonly leavers: Leavers
  readonly closing: ClosingLogs
  readonly slots: Slots
  /** The concurrency limits that a run needs a slot of to be claimed. */
  limitsOf(created: CreatedRecord): readonly string[]
  /** After all code of a run has waited this long, it leaves the process. Milliseconds. */
  readonly parkAfterMs: number
  /** After this long without a word a worker counts as lost. Milliseconds. */
  readonly leaseMs: number
  /** Whether this worker may begin anything new: its lease is fresh, and it is not stopping. */
  mayBegin(): boolean
}
