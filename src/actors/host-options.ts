/** What a host is given, and what it is to others. */

import type { Broker } from '../broker/index.ts'
import type { Deps, Service } from '../core/index.ts'
import type { Runner } from './channel.ts'
import type { NewRun } from './create-run.ts'
import type { WorkerAbout } from './messages.ts'
import type { CreatedRecord } from './records.ts'
import type { RunState } from './run-state.ts'

export interface HostSettings {
  /** Unique per start. Default: a fresh id. */
  readonly worker?: string
  /** Served in this order, strictly. None: only what `begin` and `take` are told. */
  readonly queues: readonly string[]
  /** Runs whose code may be busy at the same time. Default 100. */
  readonly slots?: number
  /** Runs in this process, those that only wait included. Default 10,000. */
  readonly maxHosted?: number
  /** Default 10 s; the same in the whole cluster. */
  readonly leaseMs?: number
  /** How long code may run on without a connection. Default 90 s. */
  readonly cutOffMs?: number
  /** After all code of a run has waited this long, it leaves the process. Default 30 s. */
  readonly parkAfterMs?: number
  /** How long a stop waits for bodies to end before it gives the runs back all the same. Default 10 s. */
  readonly drainMs?: number
}

export interface HostOptions {
  readonly broker: Broker
  readonly deps: Deps
  readonly runners: readonly Runner[]
  readonly settings: HostSettings
  /** What else is told of this worker, in its lease. */
  readonly about?: () => WorkerAbout
  /** Concurrency limits that a run needs a slot of besides those it names: of its deployment, of its queue. */
  readonly limitsOf?: (created: CreatedRecord) => readonly string[]
  /** Something that `Host` shows has changed. */
  readonly changed?: () => void
  /** Somebody asks this worker to take no more runs, and to end with the last one it has. */
  readonly toldToDrain?: () => void
}

/** A run that was begun here. */
export interface Begun {
  readonly run: string
  /** It was there already (idempotency key). */
  readonly existing: boolean
  /**
   * Resolves when it is not hosted here any more (ended, parked, given back, taken away), with its state then.
   * Undefined when it is not hosted here.
   */
  readonly over: Promise<RunState> | undefined
}

export interface Host extends Service {
  readonly worker: string
  /** Runs hosted now, and bodies run for others. */
  readonly hosted: number
  /** Of these, those that take a slot. */
  readonly busy: number
  /** It hosts nothing and is claiming nothing. */
  readonly isIdle: boolean
  /** Its lease is fresh: for everybody else it is alive. */
  readonly hasLease: boolean
  /** It takes no more runs: it was told so, or is stopping. */
  readonly isDraining: boolean
  /** Takes runs from these queues from now on, the first one first; from none it only ends what it has. */
  serve(queues: readonly string[]): void
  /** Takes no more runs, for good. Those that it has go on to their end. */
  drain(): void
  /** Creates a run and hosts it here at once, without a queue. @throws as `createRun`; CB_E_STOPPED */
  begin(input: NewRun): Promise<Begun>
  /** Claims a run that wants a worker. `false` when it is not to be had. @throws as `openRun`; CB_E_STOPPED */
  take(run: string): Promise<boolean>
}

/** The settings that have a default of the host's own. */
export type HostDefaults = Required<Pick<HostSettings, 'drainMs' | 'maxHosted' | 'parkAfterMs' | 'slots'>>

export const HOST_DEFAULTS: HostDefaults = {
  drainMs: 10_000,
  maxHosted: 10_000,
  parkAfterMs: 30_000,
  slots: 100,
}
