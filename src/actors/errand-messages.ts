/** What a run's host and those who run its errands say to each other, at the run's address and at a worker's. */

import type { JsonValue } from '../core/index.ts'
import type { BodyOutcome, HostCalls, LeaveReason } from './channel.ts'
import { isOutcome } from './errand.ts'
import type { Failure } from './events.ts'
import { isListOf, isRecord, isText } from './shape.ts'

export interface ErrandReport {
  readonly key: string
  readonly outcome: BodyOutcome
}

/** A call of a body to the host of its run, as code beside the host makes it. */
export interface ErrandCall {
  readonly worker: string
  readonly key: string
  /** Counts the calls of one body. The same again is the same call. */
  readonly n: number
  /** All calls before this one have been answered. */
  readonly from: number
  /** Of the host that answered the first one; another one knows nothing of this body. */
  readonly epoch?: number
  readonly kind: keyof HostCalls
  readonly input: JsonValue
}

/** At the run's address. */
export type ErrandMessage =
  /** A worker has these from its queue: which of them is it to run? → `errands` */
  | { readonly op: 'errands-take'; readonly worker: string; readonly keys: readonly string[] }
  /** It is still at these: which are still wanted? → `errands` */
  | { readonly op: 'errands-held'; readonly worker: string; readonly keys: readonly string[] }
  /** Answered `noted` once what they came to is in the log. */
  | { readonly op: 'errands-done'; readonly done: readonly ErrandReport[] }
  /** It does not run these after all. → `noted` */
  | { readonly op: 'errands-returned'; readonly worker: string; readonly keys: readonly string[] }
  | { readonly op: 'errand-note'; readonly note: HostCalls['note']['in'] }
  | ({ readonly op: 'errand-call' } & ErrandCall)

export type ErrandReply =
  | { readonly outcome: 'errands'; readonly keys: readonly string[] }
  /** Not answered yet: ask again. */
  | { readonly outcome: 'calling'; readonly epoch: number }
  | { readonly outcome: 'called'; readonly epoch: number; readonly out: JsonValue }
  | { readonly outcome: 'refused'; readonly epoch: number; readonly failure: Failure }

/** At the worker's address: these are not wanted any more. */
export interface ErrandsDropped {
  readonly op: 'errands-dropped'
  readonly run: string
  readonly keys: readonly string[]
  readonly reason: LeaveReason
}

export function isErrandMessage(value: unknown): value is ErrandMessage {
  if (!isRecord(value)) return false
  switch (value.op) {
    case 'errands-take':
    case 'errands-held':
    case 'errands-returned':
      return isText(value.worker) && isListOf(value.keys, isText)
    case 'errands-done':
      return isListOf(value.done, isReport)
    case 'errand-note':
      return isRecord(value.note) && isText(value.note.kind) && isRecord(value.note.data)
    case 'errand-call':
      return isText(value.worker) && isText(value.key) && isText(value.kind) && isCount(value.n)
    default:
      return false
  }
}

export function isErrandsDropped(value: unknown): value is ErrandsDropped {
  return (
    isRecord(value) &&
    value.op === 'errands-dropped' &&
    isText(value.run) &&
    isText(value.reason) &&
    isListOf(value.keys, isText)
  )
}

function isReport(value: unknown): value is ErrandReport {
  return isRecord(value) && isText(value.key) && isOutcome(value.outcome)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value)
}
