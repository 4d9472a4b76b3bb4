/**
 * What goes between a run's code in its carrier and the worker: one JSON text a message. What comes from the code is
 * checked, as user code runs beside it; what comes from the worker is trusted.
 */

import type { BodyOutcome, Failure, HostCalls, LeaveReason, RunStart } from '../../actors/index.ts'
import { type JsonValue, type LogLevel, messageOf } from '../../core/index.ts'
import type { KeptLine, RunSettings } from '../../sdk/index.ts'
import type { CodePlan, OutputStream } from './carrier.ts'

/** A call of the code, as in `HostCalls`. */
export interface Call<K extends keyof HostCalls> {
  readonly m: 'call'
  readonly id: number
  readonly kind: K
  readonly in: HostCalls[K]['in']
}

type AnyCall = { [K in keyof HostCalls]: Call<K> }[keyof HostCalls]

export type FromCode =
  | AnyCall
  /** A line for the run's log. */
  | { readonly m: 'line'; readonly line: KeptLine }
  /** A line for the worker's own log. */
  | { readonly m: 'log'; readonly level: LogLevel; readonly message: string; readonly facts: JsonValue }
  /** Something was printed. */
  | {
      readonly m: 'print'
      readonly to: OutputStream
      readonly text: string
      readonly task?: { readonly id: string; readonly name: string }
      /** Whether it is for the run's log too. */
      readonly keep: boolean
    }
  /** Lines were not sent, as there were too many. */
  | { readonly m: 'dropped'; readonly lines: number }
  /** Something asked the program that the code is in to end. */
  | { readonly m: 'asked'; readonly signal: string }
  /** How the code ended. The last message. */
  | { readonly m: 'ended'; readonly outcome: BodyOutcome }

export type ToCode =
  | {
      readonly m: 'start'
      readonly start: RunStart
      readonly plan: CodePlan
      readonly settings: RunSettings
      /** The broker that the code's own doings (caches, locks, signals to other runs) go to. */
      readonly brokerUrl: string | null
    }
  | { readonly m: 'answer'; readonly id: number; readonly out: HostCalls[keyof HostCalls]['out'] }
  | { readonly m: 'refusal'; readonly id: number; readonly failure: Failure }
  | { readonly m: 'leave'; readonly reason: LeaveReason }
  /** It counts as crashed: it may still run its hooks. */
  | { readonly m: 'crash'; readonly message: string }

/** Throws, with its text, what is no message. */
export function parseFromCode(text: string): FromCode {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch (error) {
    throw new TypeError(`${shown(text)}, which is not JSON (${messageOf(error)})`)
  }
  if (!isFromCode(message)) throw new TypeError(shown(text))
  return message
}

function shown(text: string): string {
  return JSON.stringify(text.length <= 200 ? text : `${text.slice(0, 200)}…`)
}

// ───────────────────────────────────────────────────────────────────────────── checks

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => Number.isFinite(value)
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean'
const orNot = (check: (value: unknown) => boolean, value: unknown) => value === undefined || check(value)
const orNull = (check: (value: unknown) => boolean, value: unknown) => value === null || check(value)
const isRef = (value: unknown) => isFields(value) && ('v' in value || isText(value.object))
const oneOf = (words: readonly string[], value: unknown) => isText(value) && words.includes(value)

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error']

const OUTCOMES: { [Is in BodyOutcome['is']]: (outcome: Fields) => boolean } = {
  completed: ({ name, message, result }) =>
    orNot(isText, name) && orNot(isText, message) && orNot(isRef, result),
  skipped: ({ message, result }) => orNot(isText, message) && orNot(isRef, result),
  failed: ({ name, message, failure, result, retryDelayMs }) =>
    orNot(isText, name) &&
    isText(message) &&
    orNot(isFields, failure) &&
    orNot(isRef, result) &&
    orNull(isNumber, retryDelayMs),
  crashed: ({ message, details }) => isText(message) && orNot(isFields, details),
  cancelled: ({ message }) => orNot(isText, message),
}

function isOutcome(value: unknown): boolean {
  if (!isFields(value) || !isText(value.is) || !Object.hasOwn(OUTCOMES, value.is)) return false
  return OUTCOMES[value.is as BodyOutcome['is']](value)
}

const isPolicy = (policy: unknown) =>
  isFields(policy) && isNumber(policy.retries) && orNull(isNumber, policy.timeoutMs)

const isFlowPolicy = (policy: unknown) =>
  isPolicy(policy) &&
  isFields(policy) &&
  isNumber(policy.graceMs) &&
  isNumber(policy.lateAfterMs) &&
  isNumber(policy.maxRecoveries) &&
  Array.isArray(policy.limits) &&
  isFields(policy.target) &&
  isText(policy.target.queue)

const CALLS: { [K in keyof HostCalls]: (input: Fields) => boolean } = {
  'task.call': ({ id, task, policy }) => isText(id) && isText(task) && isPolicy(policy),
  'task.report': ({ id, attempt, outcome }) => isText(id) && isNumber(attempt) && isOutcome(outcome),
  'task.rollback': ({ id, message }) => isText(id) && orNot(isText, message),
  'task.errand': ({ id, attempt, failures, flow, parameters, queue }) =>
    isText(id) &&
    isNumber(attempt) &&
    isNumber(failures) &&
    isText(flow) &&
    isRef(parameters) &&
    isText(queue),
  wait: ({ id, kind, forMs }) =>
    isText(id) && oneOf(['pause', 'suspend', 'sleep', 'signal'], kind) && orNull(isNumber, forMs),
  'child.start': ({ id, flow, parameters, policy, wait }) =>
    isText(id) && isText(flow) && isRef(parameters) && isFlowPolicy(policy) && isFlag(wait),
  'child.join': ({ run }) => isText(run),
  value: ({ id, v }) => isText(id) && v !== undefined,
  note: ({ kind, task, data }) => isText(kind) && orNot(isText, task) && isFields(data),
}

const MESSAGES: { [M in FromCode['m']]: (message: Fields) => boolean } = {
  call: ({ id, kind, in: input }) =>
    isNumber(id) &&
    isText(kind) &&
    Object.hasOwn(CALLS, kind) &&
    isFields(input) &&
    CALLS[kind as keyof HostCalls](input),
  line: ({ line }) =>
    isFields(line) &&
    isNumber(line.at) &&
    oneOf(LEVELS, line.level) &&
    isText(line.message) &&
    orNot(isText, line.task),
  log: ({ level, message, facts }) => oneOf(LEVELS, level) && isText(message) && facts !== undefined,
  print: ({ to, text, task, keep }) =>
    oneOf(['stdout', 'stderr'], to) &&
    isText(text) &&
    orNot((value) => isFields(value) && isText(value.id) && isText(value.name), task) &&
    isFlag(keep),
  dropped: ({ lines }) => isNumber(lines),
  asked: ({ signal }) => isText(signal),
  ended: ({ outcome }) => isOutcome(outcome),
}

function isFromCode(value: unknown): value is FromCode {
  if (!isFields(value) || !isText(value.m) || !Object.hasOwn(MESSAGES, value.m)) return false
  return MESSAGES[value.m as FromCode['m']](value)
}
