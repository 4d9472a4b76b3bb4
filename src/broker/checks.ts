/**
 * What every driver refuses at the door, before anything is written (P7): names, sizes, texts that are not JSON.
 * One place, so that all drivers refuse the same things with the same words.
 */

import { CallboardError, isToken, isVouchedFor, type JsonValue } from '../core/index.ts'
import { LIMITS } from './port.ts'

const LONGEST_KEY = 256
const ITEM_ID_PATTERN = /^[\x20-\x7e]{1,128}$/
/** The most bytes one UTF-16 unit can take in UTF-8: what is shorter than a third of a limit need not be measured. */
const MOST_BYTES_PER_UNIT = 3

/** A subject of the log, a queue, a bucket, a nonce: one token. @throws CB_E_NAME_INVALID */
export function checkToken(what: string, name: string): void {
  if (!isToken(name)) throw refusedName(what, name, 'one token: 1 to 64 characters of A-Z, a-z, 0-9, _ and -')
}

/** A key of a bucket or an object. @throws CB_E_NAME_INVALID */
export function checkKey(what: string, key: string): void {
  if (key.length > LONGEST_KEY || !areTokens(key))
    throw refusedName(what, key, `tokens joined by dots, ${LONGEST_KEY} characters at most`)
}

/** A prefix of keys in whole tokens; '' stands for all keys. @throws CB_E_NAME_INVALID */
export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkKey('prefix', prefix)
}

/** A subject of the bus. @throws CB_E_NAME_INVALID */
export function checkSubject(subject: string): void {
  if (!areTokens(subject)) throw refusedName('bus subject', subject, 'tokens joined by dots')
}

/** A subject of the bus in which `*` and a final `>` may stand for tokens. @throws CB_E_NAME_INVALID */
export function checkPattern(pattern: string): void {
  const tokens = pattern.split('.')
  const allowed = tokens.every(
    (token, index) => token === '*' || (token === '>' && index === tokens.length - 1) || isToken(token),
  )
  if (!allowed)
    throw refusedName(
      'bus pattern',
      pattern,
      'tokens joined by dots, with * for one and a final > for the rest',
    )
}

/** What a queue item is recognised by. @throws CB_E_NAME_INVALID */
export function checkItemId(id: string): void {
  if (!ITEM_ID_PATTERN.test(id)) throw refusedName('queue item id', id, '1 to 128 printable ASCII characters')
}

/**
 * The records of one entry, as the text of a JSON list. Hot: a list that somebody vouches for is not read, any other once, as
 * a whole; and what is surely small is not measured. Texts that only together make a list of so many are let through: it can
 * be read.
 *
 * @throws CB_E_PAYLOAD_TOO_LARGE, CB_E_JSON
 */
export function checkRecords(subject: string, records: readonly string[]): string {
  const text = `[${records.join(',')}]`
  if (text.length * MOST_BYTES_PER_UNIT > LIMITS.record) checkSizes(subject, records)
  if (!isVouchedFor(records) && parseList(text)?.length !== records.length) throw notJson(subject, records)
  return text
}

/** @throws CB_E_PAYLOAD_TOO_LARGE */
function checkSizes(subject: string, records: readonly string[]): void {
  let total = 0
  for (const [index, record] of records.entries()) {
    const bytes = Buffer.byteLength(record)
    if (bytes > LIMITS.record) throw tooLarge(`record ${index} for '${subject}'`, bytes, LIMITS.record)
    total += bytes
  }
  if (total > LIMITS.batch) throw tooLarge(`batch of records for '${subject}'`, total, LIMITS.batch)
}

function parseList(text: string): readonly JsonValue[] | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Which record it is: each by itself, or together with others only. */
function notJson(subject: string, records: readonly string[]): CallboardError {
  const index = records.findIndex((record) => parseList(`[${record}]`)?.length !== 1)
  return new CallboardError(
    'CB_E_JSON',
    `Record ${Math.max(0, index)} for '${subject}' is not one JSON text; nothing was written.`,
  )
}

/**
 * The JSON text of a value that the broker is to carry.
 *
 * @throws CB_E_VALUE_UNSERIALISABLE, CB_E_PAYLOAD_TOO_LARGE
 */
export function encodeValue(what: string, value: JsonValue, limit: number): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw unserialisable(what, cause)
  }
  if (text === undefined) throw unserialisable(what, undefined)
  if (text.length * MOST_BYTES_PER_UNIT > limit) {
    const bytes = Buffer.byteLength(text)
    if (bytes > limit) throw tooLarge(what, bytes, limit)
  }
  return text
}

function areTokens(text: string): boolean {
  return text.split('.').every(isToken)
}

function refusedName(what: string, name: string, allowed: string): CallboardError {
  return new CallboardError(
    'CB_E_NAME_INVALID',
    `${JSON.stringify(name)} cannot be the name of a ${what}. Use ${allowed}.`,
    { details: { what, name } },
  )
}

function tooLarge(what: string, bytes: number, limit: number): CallboardError {
  return new CallboardError(
    'CB_E_PAYLOAD_TOO_LARGE',
    `The ${what} has ${bytes} bytes; at most ${limit} are allowed. Nothing was written. Store the value as an object and hand over its key.`,
    { details: { bytes, limit } },
  )
}

function unserialisable(what: string, cause: unknown): CallboardError {
  return new CallboardError(
    'CB_E_VALUE_UNSERIALISABLE',
    `The ${what} cannot be written as JSON. Hand over plain data.`,
    { cause },
  )
}
