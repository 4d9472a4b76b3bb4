/**
 * What users' files import as `callboard`: flows and tasks, what code inside a run can do, what can be done with runs from
 * outside. The parts that do the work are loaded with the first run.
 */

export type { Answer } from '../actors/index.ts'
export { CallboardError, isCallboardError, Secret } from '../core/index.ts'
export {
  AllowFailure,
  allowFailure,
  Opaque,
  opaque,
  Quoted,
  quote,
  Unmapped,
  unmapped,
} from './annotations.ts'
export { type Artifact, createArtifact } from './artifacts.ts'
export { Block, type BlockOptions, type BlockType, type LoadedBlock } from './block.ts'
export {
  brokerCache,
  brokerLocks,
  type CacheContext,
  type CacheKeyFunction,
  type CachePolicy,
  type CacheStorage,
  combine,
  configure,
  flowParameters,
  type Isolation,
  inputs,
  type LockManager,
  memoryCache,
  memoryLocks,
  noCache,
  runId,
  taskSource,
  without,
} from './caching/index.ts'
export { type ConcurrencyOptions, concurrency, rateLimit } from './concurrency.ts'
export {
  type Client,
  type ClientStart,
  type ConnectOptions,
  cancelFlowRun,
  connect,
  resumeFlowRun,
  retryFlowRun,
  runDeployment,
} from './control.ts'
export type { DeploymentOptions, DeployOptions } from './deploy.ts'
export { type Flow, flow, type StartArguments } from './flow.ts'
export type { FlowOptions } from './flow-options.ts'
export { asCompleted, type ResultOptions, TaskFuture, wait } from './future.ts'
export { TaskFutureList } from './future-list.ts'
export type { FlowRunHandle, LogLine, RunEvent, SignalOptions, StartOptions } from './handle.ts'
export type { Hook, StateHook, TransactionHook } from './hooks.ts'
export { abortSignal, getRunLogger, now, random, referenceTasks, uuid } from './in-run.ts'
export type { Input } from './inputs.ts'
export { cancelled, completed, crashed, failed, skipped } from './make-states.ts'
export { NonRetryableError } from './non-retryable.ts'
export { type EventOptions, emitEvent, heartbeat, progress } from './notes.ts'
export { compressed, jsonSerializer, localPath, type Serializer, type Storage } from './results.ts'
export { type Backoff, exponentialBackoff, type RetryDelayInput } from './retries.ts'
export type { RunDeploymentOptions } from './run-deployment.ts'
export type { RunLogger } from './run-lines.ts'
export { type DeploymentInfo, type FlowRunInfo, runtime, type TaskRunInfo } from './runtime.ts'
export type { StandardSchema } from './schema.ts'
export type { ServeOptions, Serving } from './serve.ts'
export { type ServedTask, type ServeTasksOptions, serveTasks } from './serve-tasks.ts'
export type { Stoppable } from './serving.ts'
export { skip } from './skip.ts'
export { CancelledRun, CrashedRun, FailedRun, MissingContextError, State } from './state.ts'
export { type Task, task } from './task.ts'
export type { RetryCondition, TaskOptions } from './task-options.ts'
export { concurrent, distributed, type Elsewhere, sequential, type TaskRunner } from './task-runner.ts'
export { TaskStream } from './task-stream.ts'
export { Transaction, type TransactionMode, type TransactionOptions, transaction } from './transactions.ts'
export type { Trigger } from './triggers.ts'
export { Variable, type VariableOptions } from './variable.ts'
export {
  type ApprovalDecision,
  type ApprovalOptions,
  approval,
  type PauseFlowRunOptions,
  pauseFlowRun,
  sendSignal,
  sleep,
  suspendFlowRun,
  type WaitForSignalOptions,
  waitForSignal,
} from './waits.ts'
