/**
 * `callboard/client`: the gateway's client for browsers and Node. REST and live in one, typed from the wire's own schemas,
 * with no dependency and nothing of Node in it.
 */

export type {
  ApiKey,
  Artifact,
  ArtifactQuery,
  Block,
  ConcurrencyLimit,
  Deployment,
  Flow,
  FlowRun,
  FlowRunQuery,
  LimitReset,
  LogLine,
  Page,
  RunEvent,
  RunFilter,
  RunSnapshot,
  SignalAnswer,
  SignalBody,
  StartRun,
  StateType,
  StateView,
  TaskRun,
  Variable,
  Worker,
  WorkPool,
  WorkQueue,
} from '../api/index.ts'
export { type ClientOptions, createClient, type GatewayClient } from './client.ts'
export type { Collection, Name } from './collection.ts'
export { type FollowedRun, isOver } from './entering.ts'
export { GatewayError } from './errors.ts'
export type {
  GapItem,
  LiveEvent,
  LiveItem,
  Reader,
  Reply,
  SnapshotItem,
  SubscribeOptions,
} from './live/index.ts'
export type { LiveSocket, Platform } from './platform.ts'
export { RunFold, type RunFoldOptions } from './run-fold.ts'
export type { RunStore, RunStoreOptions, RunView } from './run-store.ts'
