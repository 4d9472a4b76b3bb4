/**
 * An entry of the log as a message, and back. The body is plain JSON that any NATS tool shows:
 *
 *     {"v":1,"rev":7,"nonce":"…","marks":[…],"records":[…]}            with "tombstone":true at the end of a subject
 *
 * `marks` are shortcuts back in time. Mark k of an entry is the stream sequence of the newest older entry of the
 * subject whose revision is a multiple of `SPANS[k]`; zeros at the end are left out, so that short runs carry
 * none. With them the way from the last entry to any revision is a few dozen look-ups, however long the subject.
 */

import { CallboardError, isJsonObject, type JsonValue } from '../../core/index.ts'
import type { Cursor, Entry } from '../port.ts'
import { idOfLogSubject } from './names.ts'

/** One mark per span; the largest times itself is more entries than a run may have records. */
export const SPANS = [64, 4096, 262_144] as const

export type Marks = readonly number[]

/** What a writer must know about the entry it builds on, and a reader to find its way. */
export interface Tip {
  readonly rev: number
  readonly seq: number
  readonly marks: Marks
  readonly tombstone: boolean
}

/** The entry before the first. */
export const ORIGIN: Tip = { rev: 0, seq: 0, marks: [], tombstone: false }

const FORMAT = 1

/** The marks of the entry that follows `tip`. */
export function marksAfter(tip: Tip): Marks {
  if (tip.rev % SPANS[0] !== 0 || tip.rev === 0) return tip.marks
  const marks = SPANS.map((span, k) => (tip.rev % span === 0 ? tip.seq : (tip.marks[k] ?? 0)))
  while (marks.at(-1) === 0) marks.pop()
  return marks
}

/** The revision that mark k of the entry with this revision points to; 0 when there is none. */
export function revOfMark(rev: number, k: number): number {
  const span = SPANS[k]
  return span === undefined ? 0 : Math.floor((rev - 1) / span) * span
}

export function encodeEntry(
  rev: number,
  nonce: string,
  marks: Marks,
  /** A JSON list. */
  records: string,
  tombstone: boolean,
): string {
  const back = marks.length > 0 ? `,"marks":[${marks.join(',')}]` : ''
  const end = tombstone ? ',"tombstone":true' : ''
  return `{"v":${FORMAT},"rev":${rev},"nonce":"${nonce}"${back}${end},"records":${records}}`
}

/** The message of an entry, wherever it was read. */
export interface EntryMessage {
  readonly subject: string
  readonly seq: number
  readonly at: number
  readonly text: string
}

export interface DecodedEntry {
  readonly tip: Tip
  readonly nonce: string
  readonly records: readonly JsonValue[]
}

/** @throws CB_E_STORE_TOO_NEW, CB_E_STORE_DAMAGED */
export function decodeEntry(message: EntryMessage): DecodedEntry {
  let body: JsonValue
  try {
    body = JSON.parse(message.text)
  } catch (cause) {
    throw damaged(message, 'it is not JSON', cause)
  }
  if (!isJsonObject(body)) throw damaged(message, 'it is not an object')
  const { v, rev, nonce, marks = [], tombstone = false, records } = body
  if (typeof v === 'number' && v > FORMAT)
    throw new CallboardError(
      'CB_E_STORE_TOO_NEW',
      `The entry of ${message.subject} at sequence ${message.seq} has format ${v}; this version of Callboard reads up to ${FORMAT}. Upgrade this process.`,
    )
  if (v !== FORMAT || typeof rev !== 'number' || typeof nonce !== 'string')
    throw damaged(message, 'it lacks v, rev or nonce')
  if (!Array.isArray(records)) throw damaged(message, 'it lacks records')
  if (!isNumbers(marks)) throw damaged(message, 'its marks are not numbers')
  return { tip: { rev, seq: message.seq, marks, tombstone: tombstone === true }, nonce, records }
}

export function entryOf(message: EntryMessage, cursor: Cursor, decoded = decodeEntry(message)): Entry {
  return {
    subject: idOfLogSubject(message.subject),
    rev: decoded.tip.rev,
    at: message.at,
    cursor,
    nonce: decoded.nonce,
    records: decoded.records,
    tombstone: decoded.tip.tombstone,
  }
}

function isNumbers(value: JsonValue): value is readonly number[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'number')
}

function damaged(message: EntryMessage, why: string, cause?: unknown): CallboardError {
  return new CallboardError(
    'CB_E_STORE_DAMAGED',
    `The message of ${message.subject} at sequence ${message.seq} is not an entry of the log: ${why}. Something else wrote there.`,
    cause === undefined ? {} : { cause },
  )
}
