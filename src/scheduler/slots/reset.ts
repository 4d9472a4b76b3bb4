/**
 * The word that gives back all slots of a limit, between whoever tends a cluster and the keeper. What it does is in
 * `book.ts` (B6). Said twice it does no harm: the second finds nothing to free.
 */

import { asJson } from '../../actors/index.ts'
import type { Broker } from '../../broker/index.ts'
import { CallboardError, isJsonObject, type JsonValue } from '../../core/index.ts'
import type { SlotBook } from './book.ts'

export const SLOTS_RESET_SUBJECT = 'slots.reset'

const ANSWER_WITHIN_MS = 3_000
/** So that an answer stays far below the limit of a bus message. */
const HOLDERS_TOLD = 100

/** Somebody who had slots of a limit, and does not count for it any more. */
export interface FreedHolder {
  readonly run: string
  /** The key of its task run, when that had them. */
  readonly task?: string
  readonly slots: number
}

export interface LimitReset {
  /** Slots that were in use; of a rate, what had not come back yet, rounded up. */
  readonly freed: number
  /** Those who had them, longest first; 100 at most. */
  readonly holders: readonly FreedHolder[]
}

type ResetReply =
  | ({ readonly is: 'reset' } & LimitReset)
  | { readonly is: 'unknown' }
  /** A keeper that has just begun does not know yet who holds what. */
  | { readonly is: 'unsettled' }

/**
 * Gives back all slots in use of this limit, whoever has them. What runs goes on, and counts no more. `undefined` when
 * the keeper knows no such limit.
 *
 * @throws CB_E_SLOTS_UNKEPT when there is no keeper, or it cannot say yet or does not answer
 */
export async function resetLimit(
  { bus }: Pick<Broker, 'bus'>,
  limit: string,
): Promise<LimitReset | undefined> {
  const asked = await bus.request(SLOTS_RESET_SUBJECT, { limit }, { timeoutMs: ANSWER_WITHIN_MS })
  switch (asked.outcome) {
    case 'nobody-home':
      throw unkept(limit, 'there is no scheduler that keeps its slots')
    case 'timeout':
      throw unkept(limit, 'the scheduler that keeps its slots does not answer')
    case 'reply': {
      const reply = parseReply(asked.value)
      if (reply.is === 'unknown') return undefined
      if (reply.is === 'unsettled') throw unkept(limit, 'its keeper has just begun to learn who holds them')
      return { freed: reply.freed, holders: reply.holders }
    }
  }
}

/** The keeper's answer; `undefined` to what is no request. */
export function answerReset(book: SlotBook, request: JsonValue, now: number): JsonValue | undefined {
  if (!isJsonObject(request) || typeof request.limit !== 'string') return undefined
  return asJson(replyOf(book.reset(request.limit, now)))
}

function replyOf(done: ReturnType<SlotBook['reset']>): ResetReply {
  if (done === undefined || done === 'unsettled') return { is: done ?? 'unknown' }
  return { is: 'reset', freed: done.freed, holders: done.holders.slice(0, HOLDERS_TOLD) }
}

function parseReply(value: JsonValue): ResetReply {
  if (isJsonObject(value)) {
    const { is, freed, holders } = value
    if (is === 'unknown') return { is }
    if (is === 'reset' && typeof freed === 'number' && Array.isArray(holders))
      return { is, freed, holders: holders.filter(isFreedHolder) }
  }
  return { is: 'unsettled' }
}

function isFreedHolder(value: unknown): value is FreedHolder {
  if (typeof value !== 'object' || value === null || !('run' in value) || !('slots' in value)) return false
  const isTask = !('task' in value) || typeof value.task === 'string'
  return isTask && typeof value.run === 'string' && typeof value.slots === 'number'
}

function unkept(limit: string, why: string): CallboardError {
  return new CallboardError(
    'CB_E_SLOTS_UNKEPT',
    `The concurrency limit '${limit}' was not reset for all we know: ${why}. Try again in a moment; when that does not help, see that a gateway or a worker runs.`,
    { details: { limit } },
  )
}
