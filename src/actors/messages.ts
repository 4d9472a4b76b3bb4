/**
 * What is said on the bus to whoever hosts a run, at the run's address, and to a worker. Every message is a hint
 * or a question whose answer can be had from the log as well: losing one costs time, never a transition.
 */

import { type ErrandMessage, type ErrandReply, isErrandMessage } from './errand-messages.ts'
import type { FlowTimer, Sender, TaskTimer } from './events.ts'
import type { Answer, Signal } from './judgement.ts'
import { isRecord, isText } from './shape.ts'
import type { SlotHolder } from './slots.ts'

/** Where the host of a run listens. */
export function runAddress(run: string): string {
  return `run.${run}`
}

/** Where a worker listens. */
export function workerAddress(worker: string): string {
  return `worker.${worker}`
}

/** An armed timer is due: what `arm` named, given back. */
export interface TimerFire {
  readonly timer: FlowTimer | TaskTimer
  readonly token: number
  /** By the scheduler's clock, which is the one that decides about times. */
  readonly at: number
  /** The timer of that task run, else the run's own. */
  readonly task?: string
  /** How long after its due time, when that is worth saying: somebody was away, or a clock jumped. */
  readonly lateMs?: number
}

export type RunMessage =
  | { readonly op: 'signal'; readonly signal: Signal }
  | { readonly op: 'timer'; readonly fire: TimerFire }
  /** A task run that waits for it may go on. */
  | { readonly op: 'resume-task'; readonly task: string; readonly by: Sender }
  /** The log has grown without the host: look. */
  | { readonly op: 'nudge' }
  /** A child run has ended. */
  | { readonly op: 'child-ended'; readonly child: string }
  | { readonly op: 'slots-granted'; readonly holder: SlotHolder }
  | { readonly op: 'ping' }
  | ErrandMessage

export type RunReply =
  | Answer
  /** Not hosted here any more: apply it to the log yourself. */
  | { readonly outcome: 'elsewhere' }
  /** Too much is waiting to be written; nothing was done. */
  | { readonly outcome: 'busy' }
  | { readonly outcome: 'noted' }
  | { readonly outcome: 'slots'; readonly taken: boolean }
  | { readonly outcome: 'pong'; readonly worker: string; readonly epoch: number }
  | ErrandReply

/** What only whoever started a worker knows of it. */
export interface WorkerAbout {
  /** What people call it; several workers may have the same. */
  readonly name: string
  /** The machine it is on. */
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly pools: readonly string[]
  /** The work queues it serves, `pool/queue`, the first one first. */
  readonly workQueues: readonly string[]
  /** Where code runs when its deployment does not say: `process`, `thread`, `inline`. */
  readonly infrastructure: string
  /** What else it can do. */
  readonly capabilities: readonly string[]
}

/** What a worker tells about itself, also in its lease. */
export interface WorkerFacts extends Partial<WorkerAbout> {
  readonly worker: string
  /** `draining`: it takes no more runs. */
  readonly status: 'ready' | 'draining'
  /** The broker's queues it takes runs from, the first one first. */
  readonly queues: readonly string[]
  readonly slots: number
  readonly hosted: number
  readonly startedAt: number
}

/** What came to a run's address; undefined for anything that is not a message. */
export function parseRunMessage(value: unknown): RunMessage | undefined {
  return isRunMessage(value) ? value : undefined
}

function isRunMessage(value: unknown): value is RunMessage {
  if (!isRecord(value)) return false
  switch (value.op) {
    case 'nudge':
    case 'ping':
      return true
    case 'signal':
      return isSignal(value.signal)
    case 'resume-task':
      return isText(value.task) && isSender(value.by)
    case 'timer':
      return isFire(value.fire)
    case 'child-ended':
      return isText(value.child)
    case 'slots-granted':
      return isRecord(value.holder) && isText(value.holder.run)
    default:
      return isErrandMessage(value)
  }
}

const OUTCOMES: ReadonlySet<unknown> = new Set<RunReply['outcome']>([
  'accepted',
  'applied',
  'busy',
  'called',
  'calling',
  'elsewhere',
  'errands',
  'ignored',
  'missing',
  'noted',
  'pong',
  'refused',
  'rejected',
  'slots',
  'wait',
])

/** What a run's host answered; undefined for anything that is not a reply. */
export function parseRunReply(value: unknown): RunReply | undefined {
  return isRunReply(value) ? value : undefined
}

function isRunReply(value: unknown): value is RunReply {
  return isRecord(value) && OUTCOMES.has(value.outcome)
}

/** Whether this is an answer of the run itself, not of the way to it. */
export function isAnswer(reply: RunReply): reply is Answer {
  switch (reply.outcome) {
    case 'applied':
    case 'accepted':
    case 'ignored':
    case 'wait':
    case 'rejected':
    case 'missing':
      return true
    default:
      return false
  }
}

function isFire(value: unknown): value is TimerFire {
  return (
    isRecord(value) && isText(value.timer) && typeof value.token === 'number' && typeof value.at === 'number'
  )
}

function isSender(value: unknown): value is Sender {
  return isRecord(value) && isText(value.channel)
}

function isSignal(value: unknown): value is Signal {
  return isRecord(value) && isText(value.name) && isText(value.key) && isSender(value.by)
}
