/**
 * Runs as actors: the two statecharts, the records they leave in a run's log and the fold over them, the rules that
 * judge what is proposed, the owner of an opened log, the host of a run's code and the channel between the two.
 * Imports core and the broker port.
 */

export { applyToRun, tellRun } from './apply.ts'
export { type AttemptOptions, type Body, type BodyContext, type Interpret, refOf } from './body.ts'
export type {
  BodyOutcome,
  ChildAnswer,
  ChildRequest,
  ErrandRequest,
  HostCalls,
  HostPort,
  LeaveReason,
  Runner,
  RunningCode,
  RunStart,
  TaskAnswer,
  TaskCall,
  TaskReport,
  WaitRequest,
} from './channel.ts'
export { decodeEntry, decodeWanted, encodeEntry, encodeRecord } from './codec.ts'
export { type CreatedRun, createRun, IDEMPOTENCY_BUCKET, type NewRun, recordOf } from './create-run.ts'
export { effectsOf, enqueueRun, type PlacedEffect, type WorkItem } from './effects.ts'
export type {
  Failure,
  FlowEvent,
  FlowPolicy,
  FlowTimer,
  InputRequest,
  Sender,
  Target,
  TaskEvent,
  TaskPolicy,
  TaskTimer,
  ValueRef,
} from './events.ts'
export { errorOf, failureOf } from './failures.ts'
export { flowChart, flowMachine } from './flow-chart.ts'
export { GRACE_MARGIN_MS } from './flow-plans.ts'
export { applyRecords, beginRun, dehydrate, type EntryMeta, foldEntry, hydrate, openTasks } from './fold.ts'
export { type Begun, createHost, type Host, type HostOptions, type HostSettings } from './host.ts'
export { type InlineCode, type InlineFlow, inlineRunner, type Program } from './inline-runner.ts'
export { checkInput, type InputVerdict } from './input.ts'
export {
  type Answer,
  type Issue,
  type Judge,
  type Judgement,
  SIGNALS,
  type Signal,
  type SignalName,
} from './judgement.ts'
export { LEASE_MS, type LeaseOptions, WORKERS_BUCKET, WorkerLease } from './lease.ts'
export {
  parseRunMessage,
  parseRunReply,
  type RunMessage,
  type RunReply,
  runAddress,
  type TimerFire,
  type WorkerAbout,
  type WorkerFacts,
  workerAddress,
} from './messages.ts'
export { openRun, readOn } from './open-run.ts'
export {
  type ChildRecord,
  type CreatedRecord,
  type Effect,
  type FlowRecord,
  type HeadRecord,
  type NoteRecord,
  type PoisonRecord,
  RECORD_VERSION,
  type RunRecord,
  type SnapshotRecord,
  type TaskCreatedRecord,
  type TaskRecord,
  type TasksRecord,
  type TombstoneRecord,
  type ValueRecord,
  type WaitDoneRecord,
  type WaitOutcome,
  type WaitRecord,
} from './records.ts'
export {
  exponentialDelay,
  NonRetryableError,
  type RetryBudget,
  type RetryDelay,
  type RetryPolicy,
  retryBudget,
} from './retry-policy.ts'
export {
  cancelTasks,
  createdRecord,
  HOLD_MS,
  judgeChild,
  judgeFire,
  judgeFlow,
  judgeSignal,
  judgeTask,
  judgeTaskCall,
  judgeValue,
  judgeWait,
  judgeWaitDue,
  legalSignals,
  type RunInput,
  takenSignals,
} from './rules.ts'
export { type Proposal, RunLog, type RunLogListener, type RunLogOptions } from './run-log.ts'
export {
  type Armed,
  type ChartSnapshot,
  type Child,
  type FlowContext,
  type Hold,
  KEPT_ANSWERS,
  KEPT_SIGNALS,
  type KeptAnswer,
  type KeptSignal,
  type RunState,
  type StateView,
  type TaskContext,
  type TaskState,
  type Wait,
} from './run-state.ts'
export {
  type ChildOptions,
  type PauseOptions,
  RunSession,
  type Settled,
  type SignalOutcome,
  type TaskOptions,
} from './session.ts'
export { asJson } from './shape.ts'
export { resumeTask, sendSignal } from './signals.ts'
export {
  parseSlotReply,
  parseSlotRequest,
  SLOT_LEASE_MS,
  SLOT_RENEW_MS,
  SLOTS_KEEPER_NEW,
  SLOTS_SUBJECT,
  type SlotAnswer,
  type SlotHolder,
  type SlotRelease,
  type SlotReply,
  type SlotRequest,
  type Slots,
  type SlotWant,
} from './slots.ts'
export {
  FLOW_STATES,
  isTerminalTag,
  isTerminalType,
  parseTag,
  STATE_TYPES,
  type StateTag,
  type StateType,
  TASK_STATES,
  type TerminalType,
  tagOf,
} from './states.ts'
export { taskChart, taskMachine } from './task-chart.ts'
export { loadValue, storeValue } from './values.ts'
export { flowMessage, taskMessage } from './wording.ts'
