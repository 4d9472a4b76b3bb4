/**
 * The scheduler: owns time. It holds partitions of the log under leases, performs what their records ask for, fires
 * their timers, notices lost workers, keeps the concurrency slots, and proves now and then that no run is stuck.
 * Imports core, the broker's port and the actors' records and rules.
 */

export { archiveRun } from './archive-run.ts'
export { SCHEDULER_BUCKET } from './membership.ts'
export type { SchedulerOptions } from './options.ts'
export { createScheduler, type Scheduler, type SchedulerStatus } from './scheduler.ts'
export {
  LIMITS_BUCKET,
  type Limit,
  type LimitReset,
  limitKey,
  parseLimit,
  resetLimit,
} from './slots/index.ts'
