/** What a worker is given, and what it shows of itself. */

import type { Runner } from '../actors/index.ts'
import type { Broker } from '../broker/index.ts'
import type { Catalog } from '../catalog/index.ts'
import type { Deps, Service, Settings } from '../core/index.ts'
import type { SchedulerOptions } from '../scheduler/index.ts'
import type { InfrastructureKind } from './run-code.ts'

export interface WorkerOptions {
  /** Started, and stopped by whoever started it. */
  readonly broker: Broker
  readonly deps: Deps
  readonly settings: Settings
  /** Default: the one at the broker. */
  readonly catalog?: Catalog
  /** Default `default`, which is made when it is not there. */
  readonly pool?: string | undefined
  /** Work queues of the pool. Default, or when none is named: all of them, also those that come later. */
  readonly queues?: readonly string[] | undefined
  /** Runs whose code may be busy at the same time; one that only waits does not count. Default 10. */
  readonly limit?: number | undefined
  /** For deployments that do not say where they run. Default: as the pool says, else `process`. */
  readonly infrastructure?: InfrastructureKind | undefined
  /** What people call it. Default: the machine's name and the process's number. */
  readonly name?: string | undefined
  /** Ends when nothing waits any more and the last run that it took is over. Default `false`. */
  readonly runOnce?: boolean | undefined
  /** How long a stop waits for runs to end before it hands them over, ms. Default 10 s. */
  readonly drainMs?: number | undefined
  /** A health endpoint on this port; 0 for any free one. Default: none. */
  readonly healthcheckPort?: number | undefined
  /** Processes that are started before they are needed. Default 1. */
  readonly spares?: number | undefined
  /** The scheduler beside it, which steps in when there is no other. `false`: none. */
  readonly scheduler?: SchedulerOptions | false
  /** Other ways to run code, in place of the built-in ones. */
  readonly runners?: readonly Runner[]
}

export type WorkerState =
  | 'new'
  | 'starting'
  /** Takes runs. */
  | 'ready'
  /** Its lease is not fresh: the broker is away. Takes nothing; what runs goes on. */
  | 'away'
  /** Takes nothing more. */
  | 'draining'
  | 'stopped'

export interface WorkerStatus {
  readonly state: WorkerState
  /** Unique per start. */
  readonly worker: string
  readonly name: string
  readonly pool: string
  /** The work queues it takes runs from now, the first one first. */
  readonly queues: readonly string[]
  readonly limit: number
  /** Runs that take a slot, and all that are here. */
  readonly busy: number
  readonly hosted: number
  readonly infrastructure: InfrastructureKind
  /** When it was made, ms since the epoch. */
  readonly startedAt: number
  /** Of the health endpoint. */
  readonly healthcheckPort?: number
}

/**
 * `start` resolves when it takes runs. `stop` ends it within the drain time: runs end, or are handed over.
 *
 * `start` throws CB_E_CATALOG_MISSING for a pool or queue that is not there, CB_E_OPTION_INVALID for an option that
 * cannot be, and what the broker throws.
 */
export interface Worker extends Service {
  status(): WorkerStatus
  /** Calls back when something of the status has changed; returns what ends that. */
  onChange(handler: (status: WorkerStatus) => void): () => void
  /** Takes no more runs; resolves when those that it has are over, however long that takes. */
  drain(): Promise<void>
  /** Resolves when it is done by itself: once drained because somebody asked for it, or, with `runOnce`, when nothing waits. */
  readonly done: Promise<void>
}
