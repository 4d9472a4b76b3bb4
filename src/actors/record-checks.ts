/**
 * The shapes of records, checked at the door: what has passed here is trusted inside. A check answers with where
 * and why something is wrong, or nothing.
 *
 * (K1) A kind of record or event that is not listed is refused, not skipped: a kind that decides nothing is a
 *      `note`, so an unknown one may decide something, and then the version in the head has been raised.
 */

import type { FlowEvent, TaskEvent } from './events.ts'
import type { Effect, RunRecord } from './records.ts'
import { STATE_TYPES } from './states.ts'

/** `path: reason` of the first thing wrong. */
export type Fault = string | undefined
type Check = (value: unknown) => Fault
type Fields = Readonly<Record<string, Check>>

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const text: Check = (value) => (typeof value === 'string' ? undefined : 'is not a text')
const number: Check = (value) => (Number.isFinite(value) ? undefined : 'is not a number')
const count: Check = (value) =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? undefined : 'is not a whole number from 0'
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'is neither true nor false')
const anything: Check = (value) => (value === undefined ? 'is missing' : undefined)
const plain: Check = (value) => (isObject(value) ? undefined : 'is not an object')

function orNull(check: Check): Check {
  return (value) => (value === null ? undefined : check(value))
}

function oneOf(...words: readonly unknown[]): Check {
  return (value) => (words.includes(value) ? undefined : `is not one of ${words.join(', ')}`)
}

function listOf(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return 'is not a list'
    for (const [index, part] of value.entries()) {
      const fault = check(part)
      if (fault !== undefined) return joined(`[${index}]`, fault)
    }
    return undefined
  }
}

function object(needed: Fields, allowed: Fields = {}): Check {
  const required = Object.entries(needed)
  const optional = Object.entries(allowed)
  return (value) => {
    if (!isObject(value)) return 'is not an object'
    for (const [key, check] of required) {
      const fault = check(value[key])
      if (fault !== undefined) return joined(key, fault)
    }
    for (const [key, check] of optional) {
      const fault = value[key] === undefined ? undefined : check(value[key])
      if (fault !== undefined) return joined(key, fault)
    }
    return undefined
  }
}

/** One of several shapes, told apart by one field. */
function variants(tag: string, shapes: Readonly<Record<string, Check>>): Check {
  return (value) => {
    if (!isObject(value)) return 'is not an object'
    const name = value[tag]
    if (typeof name !== 'string' || !Object.hasOwn(shapes, name))
      return `${tag}: ${JSON.stringify(name) ?? 'nothing'} is not known here`
    return shapes[name]?.(value)
  }
}

function joined(path: string, fault: string): string {
  return /^[\w[].*: /.test(fault) ? `${path}.${fault}`.replace('.[', '[') : `${path}: ${fault}`
}

// ───────────────────────────────────────────────────────────────────────────── parts

const tag: Check = (value) =>
  typeof value === 'string' &&
  STATE_TYPES.some((type) => value.startsWith(`${type}.`) && value.length > type.length + 1)
    ? undefined
    : 'is not a state'
const value: Check = (given) => {
  if (!isObject(given)) return 'is not an object'
  return 'v' in given ? undefined : object({ object: text, bytes: count })(given)
}
const sender = object({ channel: text }, { principal: text, address: text })
const failure = object({ name: text, message: text }, { stack: text, code: text })
const input = object({ schema: plain }, { description: text, defaults: plain })
const target = object({ queue: text, priority: oneOf(0, 1, 2, 3) })
const flowPolicy = object({
  retries: count,
  maxRecoveries: count,
  onCrash: oneOf('recover', 'crash'),
  graceMs: number,
  timeoutMs: orNull(number),
  lateAfterMs: number,
  target,
  limits: listOf(text),
})
const taskPolicy = object({ retries: count, timeoutMs: orNull(number) }, { limits: listOf(text) })

const EFFECTS: Readonly<Record<Effect['do'], Check>> = {
  enqueue: object({ target }),
  arm: object({ timer: text, due: number, token: count }, { task: text }),
  disarm: object({ timer: text }, { task: text }),
  'release-slots': object({}, { task: text }),
  'tell-children': object({ signal: oneOf('pause', 'suspend', 'resume', 'cancel') }),
  'tell-parent': plain,
  'nudge-host': plain,
}
const effects = listOf(variants('do', EFFECTS))

// ───────────────────────────────────────────────────────────────────────────── events

const fired = object({ at: number, token: count })
const hold = object({ at: number, key: text, until: orNull(number), by: sender }, { input, message: text })
const slotWait = object({ at: number, limits: listOf(text) })
const plainEvent = object({ at: number }, { message: text })
const complete = object({ at: number }, { name: text, message: text, result: value })
const fail = object(
  { at: number, message: text, retryDelayMs: orNull(number) },
  { name: text, failure, result: value },
)
const crash = object({ at: number, message: text }, { details: plain })
const reason = object({ at: number, message: text })

const FLOW_EVENTS: Readonly<Record<FlowEvent['type'], Check>> = {
  CLAIM: object({ at: number, worker: text }),
  START: plainEvent,
  SLOT_WAIT: slotWait,
  SLOT_GRANTED: plainEvent,
  COMPLETE: complete,
  FAIL: fail,
  CRASH: crash,
  ABANDON: object({ at: number }, { name: text, message: text }),
  PAUSE: hold,
  SUSPEND: hold,
  PARK: object({ at: number, until: orNull(number), signals: listOf(text) }),
  QUIESCED: plainEvent,
  RESUME: object({ at: number, by: sender }, { input: value, message: text }),
  SIGNAL: object({ at: number, name: text, by: sender }, { payload: value }),
  CANCEL: object({ at: number, by: sender }, { graceMs: number, message: text }),
  CANCELLED: object({ at: number }, { abandoned: flag, message: text }),
  HOST_LOST: object({ at: number, epoch: count, reason: text }),
  RELEASE: object({ at: number, epoch: count }),
  RETRY: object({ at: number, by: sender }, { message: text }),
  'TIMER.start': fired,
  'TIMER.late': fired,
  'TIMER.retry': fired,
  'TIMER.hold': fired,
  'TIMER.timeout': fired,
  'TIMER.grace': fired,
}

const TASK_EVENTS: Readonly<Record<TaskEvent['type'], Check>> = {
  START: plainEvent,
  SLOT_WAIT: slotWait,
  COMPLETE: complete,
  CACHED: object({ at: number, cacheKey: text }, { result: value }),
  SKIP: object({ at: number }, { message: text, result: value }),
  NOT_READY: reason,
  TRIGGER_FAILED: reason,
  DENIED: object({ at: number, message: text }, { failure }),
  HOLD: plainEvent,
  RESUME: object({ at: number, by: sender }),
  FAIL: fail,
  CRASH: crash,
  CANCEL: plainEvent,
  CANCELLED: plainEvent,
  RECOVER: plainEvent,
  ROLL_BACK: plainEvent,
  'TIMER.retry': fired,
}

// ───────────────────────────────────────────────────────────────────────────── records

const outcome = variants('is', { done: object({}, { value, by: sender }), expired: plain })

const RECORDS: Readonly<Record<RunRecord['k'], Check>> = {
  head: object({ v: count, snap: count }, { epoch: count }),
  created: object(
    {
      at: number,
      s: tag,
      flow: text,
      name: text,
      parameters: value,
      tags: listOf(text),
      scheduledTime: number,
      policy: flowPolicy,
      by: sender,
      fx: effects,
    },
    {
      flowVersion: text,
      idempotencyKey: text,
      deployment: text,
      parent: object({ run: text, key: text }),
      root: text,
    },
  ),
  flow: object({ e: variants('type', FLOW_EVENTS), s: tag }, { fx: effects, key: text }),
  'task+': object(
    { id: text, at: number, task: text, policy: taskPolicy },
    { inputs: text, upstream: listOf(text), name: text, tags: listOf(text) },
  ),
  task: object({ id: text, e: variants('type', TASK_EVENTS), s: tag }, { fx: effects }),
  tasks: object({ e: variants('type', TASK_EVENTS), s: tag, count }),
  wait: object(
    { id: text, at: number, kind: oneOf('pause', 'suspend', 'sleep', 'signal'), until: orNull(number) },
    { signal: text, input },
  ),
  'wait-': object({ id: text, at: number, outcome }),
  child: object({ id: text, at: number, run: text, flow: text }),
  value: object({ id: text, v: anything }),
  note: object({ at: number, kind: text, data: plain }, { task: text }),
  poison: object({ at: number, event: anything, error: text }, { task: text }),
  snapshot: object({ rev: count, object: text, bytes: count }),
  tombstone: object({ at: number, s: tag, by: sender }),
}

/** Everything that is listed. */
export const KINDS = {
  records: Object.keys(RECORDS),
  flowEvents: Object.keys(FLOW_EVENTS),
  taskEvents: Object.keys(TASK_EVENTS),
} as const

/** What is wrong with a record, or nothing. (K1) */
export const faultOfRecord: Check = variants('k', RECORDS)
