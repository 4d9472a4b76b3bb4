/** What a scheduler may be told, and what holds when it is not. */

import { LEASE_MS } from '../actors/index.ts'
import { CallboardError, type Deps, isToken, mintId } from '../core/index.ts'

export interface SchedulerOptions {
  /** Its name among the members; one token, unique per start. Default: a new id. */
  readonly id?: string
  /** `false`: hold partitions only when no preferred scheduler is there. For scripts. Default `true`. */
  readonly preferred?: boolean
  /** Time to live of a partition's lease, ms; the same for all members. Default 10 s. */
  readonly leaseMs?: number
  /** Surplus partitions are given away no faster than this, ms. Default 10 s. */
  readonly balanceEveryMs?: number
  /** Time to live of a worker's lease, ms; the same as the workers'. Default 10 s. */
  readonly workerLeaseMs?: number
  /** How often each worker that hosts runs is pinged, ms. Default 400. */
  readonly pingEveryMs?: number
  /** Timers due within this stand ready in memory, ms. Default 1 h. */
  readonly horizonMs?: number
  /** How often later ones are looked for, ms. Default 30 min. */
  readonly rescanMs?: number
  /** How often the sweep proves that no run is stuck, ms. Default 30 s. */
  readonly sweepEveryMs?: number
  /** After this an unclaimed run is put into its queue again, ms; each time after twice as long. Default 2 min. */
  readonly claimWithinMs?: number
  /** How long terminal runs are kept, ms; null for ever. Default 30 days. */
  readonly retentionMs?: number | null
  /** How often old runs are looked for, ms. Default 1 h. */
  readonly retentionEveryMs?: number
  /**
   * Log entries between two checkpoints of a partition, at least. One in which nothing has happened is written when it is
   * let go only if the log has gone on by as many. Default 1,000.
   */
  readonly checkpointEvery?: number
  /** How often a partition with anything new is checkpointed whatever came, ms. Default 5 min. */
  readonly checkpointWithinMs?: number
  /** Appends under way at a time: timers fired, hosts lost. Default 256. */
  readonly atOnce?: number
}

export type ResolvedOptions = Required<SchedulerOptions>

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** @throws CB_E_NAME_INVALID for an id that cannot be part of a key */
export function resolveOptions(
  options: SchedulerOptions,
  deps: Pick<Deps, 'clock' | 'random'>,
): ResolvedOptions {
  const id = options.id ?? mintId(deps)
  if (!isToken(id))
    throw new CallboardError(
      'CB_E_NAME_INVALID',
      `A scheduler cannot be named ${JSON.stringify(id)}: use 1 to 64 characters of A-Z, a-z, 0-9, _ and -.`,
      { details: { id } },
    )
  return {
    id,
    preferred: options.preferred ?? true,
    leaseMs: options.leaseMs ?? 10_000,
    balanceEveryMs: options.balanceEveryMs ?? 10_000,
    workerLeaseMs: options.workerLeaseMs ?? LEASE_MS,
    pingEveryMs: options.pingEveryMs ?? 400,
    horizonMs: options.horizonMs ?? HOUR_MS,
    rescanMs: options.rescanMs ?? HOUR_MS / 2,
    sweepEveryMs: options.sweepEveryMs ?? MINUTE_MS / 2,
    claimWithinMs: options.claimWithinMs ?? 2 * MINUTE_MS,
    retentionMs: options.retentionMs === undefined ? 30 * 24 * HOUR_MS : options.retentionMs,
    retentionEveryMs: options.retentionEveryMs ?? HOUR_MS,
    checkpointEvery: options.checkpointEvery ?? 1_000,
    checkpointWithinMs: options.checkpointWithinMs ?? 5 * MINUTE_MS,
    atOnce: options.atOnce ?? 256,
  }
}
