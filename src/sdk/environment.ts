/** What the runs of one engine share. */

import type { Broker } from '../broker/index.ts'
import type { Deps, LogLevel } from '../core/index.ts'

export interface Environment {
  readonly deps: Deps
  readonly broker: Broker
  readonly settings: RunSettings
}

/** The settings that runs look at. */
export interface RunSettings {
  readonly logPrints: boolean
  /** The least important lines that are kept in the logs of runs. */
  readonly keepLevel: LogLevel
  /** Of runs that name none. Milliseconds. */
  readonly graceMs: number
  readonly lateAfterMs: number
  readonly maxRecoveries: number
  /** Retries of tasks that name none. */
  readonly taskRetries: number
  /** Where the runs that this engine starts wait for a worker. */
  readonly queue: string
  /** Where pages of runs are, when there are any. */
  readonly uiUrl: string | undefined
}
