/**
 * Concurrency slots: the words between the one keeper, in the scheduler that holds partition 0, and the hosts.
 * `slot-client.ts` is the hosts' half.
 *
 * A host asks by request on `SLOTS_SUBJECT` (`SlotRequest` → `SlotReply`). A grant that could not be given at
 * once is pushed, as a request `{ op: 'slots-granted', holder }`, to the run's address (`messages.ts`), answered
 * with `{ taken: boolean }`. Nobody home: for a holder without a task the keeper itself proposes SLOT_GRANTED to
 * the run's log, which enqueues it; for a task, or when it was not taken, the grant goes to the next in line.
 *
 * Invariants
 * (S1) A holder is known by run and task, and holds all the limits it asked for or none. Asked again it is told
 *      again what it holds: a claim after a grant, a repeated request, a doubled message take nothing more.
 * (S2) Slots are leased: every host renews what it holds, and repeats what it waits for, each `SLOT_RENEW_MS`;
 *      what was not renewed for `SLOT_LEASE_MS` is free. A keeper that has just taken over learns from the
 *      renewals who holds and who waits (`since` keeps the order), and grants nothing new before every worker
 *      alive has renewed, or one lease has passed. Runs that wait without a host are repeated by the holder of their partition, from the log.
 * (S3) No keeper to be found is the same as a full limit: the wish is kept here and repeated.
 * (S4) A release names the grant that it is of, by revision: one that comes late frees nothing that was given since. It
 *      is said once, and again with the next renewal if it may have been lost; the lease is the last resort.
 */

import type { ErrorCode } from '../core/index.ts'
import { isListOf, isRecord, isText } from './shape.ts'

export const SLOTS_SUBJECT = 'slots.keeper'
/** Said by a keeper that has just taken over: everybody renews at once, also who has nothing, and it need not wait. */
export const SLOTS_KEEPER_NEW = 'slots.keeper-new'
export const SLOT_LEASE_MS = 30_000
export const SLOT_RENEW_MS = SLOT_LEASE_MS / 3

/** A run that needs slots to be claimed, or one of its task runs. */
export interface SlotHolder {
  readonly run: string
  readonly task?: string
}

/** How slots are wanted. */
export interface SlotTerms {
  /** How many slots of each limit. Default 1. */
  readonly occupy?: number
  /** A share of a rate: given back by the limit's decay alone, never by `release`. */
  readonly rate?: boolean
  /** A name that no limit has is an error. */
  readonly strict?: boolean
}

/** Code that asks for slots itself, and is told as an error when it does not get them. */
export interface SlotWish extends SlotTerms {
  /** After this it does not want them any more, ms. Default: it waits for as long as it takes. */
  readonly waitMs?: number
}

export interface SlotWant extends SlotTerms {
  readonly holder: SlotHolder
  /** Names of limits; a name that no limit has is granted. */
  readonly limits: readonly string[]
  /** When it was first asked for, ms since the epoch: first come, first served, also after a take-over. */
  readonly since: number
  /** The newest revision of the run's log that the asker knew: tells the grants of one holder apart. Default 0. */
  readonly rev?: number
}

export interface SlotRelease extends SlotHolder {
  /** Only what was asked for at this revision or before. Default: whatever it has. */
  readonly upTo?: number
}

export type SlotRequest =
  | { readonly op: 'acquire'; readonly worker: string; readonly want: SlotWant }
  | { readonly op: 'release'; readonly holders: readonly SlotRelease[] }
  | {
      readonly op: 'renew'
      readonly worker: string
      readonly holds: readonly SlotWant[]
      readonly waits: readonly SlotWant[]
      /** Another part of the same renewal follows. */
      readonly more?: boolean
    }

export type SlotAnswer =
  | { readonly is: 'granted' }
  /** `retryAfterMs`: when a slot may be expected, as far as the keeper can tell. */
  | { readonly is: 'queued'; readonly retryAfterMs?: number }
  /**
   * The limit's strategy says `cancelNew`, or it can never be served (the limit is zero, or smaller than the wish):
   * then `code` says why.
   */
  | {
      readonly is: 'denied'
      readonly limit: string
      readonly reason: string
      readonly retryAfterMs?: number
      readonly code?: ErrorCode
    }

export type SlotReply =
  | SlotAnswer
  /** To `renew`: what it held by mistake (somebody else has it by now), and what became of its waits. */
  | {
      readonly is: 'renewed'
      readonly lost: readonly SlotHolder[]
      readonly granted: readonly SlotHolder[]
      /** Wishes that are served no more, as `denied` would say. */
      readonly denied?: readonly {
        readonly holder: SlotHolder
        readonly limit: string
        readonly reason: string
        readonly code?: ErrorCode
      }[]
    }
  | { readonly is: 'released' }

/** What a host needs slots through. */
export interface Slots {
  /** Starts to renew what is held and waited for. */
  start(): void
  /** Gives everything back and stops renewing. */
  stop(): Promise<void>
  /** Asks for all of `limits` at once; kept and repeated until granted, denied or released. */
  acquire(want: SlotWant): Promise<SlotAnswer>
  /** A grant was pushed to the run's address. `false` when nobody here waits for it: it is not taken. */
  granted(holder: SlotHolder): boolean
  /** Gives back what the holder has, and takes back what it wished. */
  release(holder: SlotHolder): void
  /** Neither holds nor waits for it any more, and says nothing: somebody else does. */
  forget(holder: SlotHolder): void
  /** Gives back everything of a run and of its task runs. */
  releaseRun(run: string): void
}

const isHolder = (value: unknown): value is SlotHolder =>
  isRecord(value) &&
  typeof value.run === 'string' &&
  (value.task === undefined || typeof value.task === 'string')

const isWant = (value: unknown): value is SlotWant =>
  isRecord(value) &&
  isHolder(value.holder) &&
  isListOf(value.limits, isText) &&
  typeof value.since === 'number' &&
  (value.rev === undefined || typeof value.rev === 'number') &&
  (value.occupy === undefined || (Number.isSafeInteger(value.occupy) && Number(value.occupy) > 0))

const isRelease = (value: unknown): value is SlotRelease =>
  isHolder(value) && (!('upTo' in value) || typeof value.upTo === 'number')

/** What the keeper was sent; undefined for anything that is not a request. */
export function parseSlotRequest(value: unknown): SlotRequest | undefined {
  return isSlotRequest(value) ? value : undefined
}

function isSlotRequest(value: unknown): value is SlotRequest {
  if (!isRecord(value)) return false
  switch (value.op) {
    case 'acquire':
      return isText(value.worker) && isWant(value.want)
    case 'release':
      return isListOf(value.holders, isRelease)
    case 'renew':
      return isText(value.worker) && isListOf(value.holds, isWant) && isListOf(value.waits, isWant)
    default:
      return false
  }
}

/** What the keeper answered; undefined for anything that is not a reply. */
export function parseSlotReply(value: unknown): SlotReply | undefined {
  return isSlotReply(value) ? value : undefined
}

function isSlotReply(value: unknown): value is SlotReply {
  if (!isRecord(value)) return false
  switch (value.is) {
    case 'granted':
    case 'queued':
    case 'released':
      return true
    case 'denied':
      return isText(value.limit) && isText(value.reason)
    case 'renewed':
      return isListOf(value.lost, isHolder) && isListOf(value.granted, isHolder)
    default:
      return false
  }
}

/** Why a wish is not served. */
export interface SlotDenial {
  readonly limit: string
  readonly reason: string
  /** It can never be served. */
  readonly code?: ErrorCode
}

/** Why a wish is not served, for people. */
export function denialOf({ limit, reason }: SlotDenial): string {
  return `The concurrency limit "${limit}" does not let it in: ${reason}.`
}
