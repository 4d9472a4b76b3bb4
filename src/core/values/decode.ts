/**
 * Tagged JSON → users' values. Reading is strict: a tag that is not known, or a payload that does not fit its tag,
 * is an error and never a guess.
 */

import { CallboardError, messageOf } from '../errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../json.ts'
import { malformed, textPayload } from './kind.ts'
import { kindOfTag } from './kinds.ts'
import { BIGINT, DEEPEST, ESCAPED, NUMBER, put, TAG, UNDEFINED } from './tag.ts'

/** Levels of JSON that `DEEPEST` levels of a value may become: a tag, its payload and a field in it. */
const DEEPEST_JSON = 3 * DEEPEST

const QUOTED_TAG = JSON.stringify(TAG)

/**
 * The value of a text that `encodeValue` made; any other JSON text is read as plain JSON.
 *
 * @throws CB_E_JSON when it is not JSON, or a tagged value in it is malformed; CB_E_STORE_TOO_NEW for a tag that only
 * a newer version knows
 */
export function decodeValue(text: string): unknown {
  let json: JsonValue
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new CallboardError('CB_E_JSON', `The text is not JSON: ${messageOf(error)}.`, { cause: error })
  }
  return text.includes(QUOTED_TAG) ? decodeJson(json) : json
}

/**
 * As `decodeValue`, from JSON that is parsed already. What it returns shares nothing with `json`.
 *
 * @throws CB_E_JSON, CB_E_STORE_TOO_NEW as `decodeValue`
 */
export function decodeJson(json: JsonValue): unknown {
  return decode(json, 0)
}

function decode(json: JsonValue, depth: number): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (depth > DEEPEST_JSON)
    throw new CallboardError('CB_E_JSON', `The JSON is nested more than ${DEEPEST_JSON} levels deep.`)
  const decodePart = (part: JsonValue) => decode(part, depth + 1)
  if (!isJsonObject(json)) return json.map(decodePart)
  return Object.hasOwn(json, TAG) ? untag(json, decodePart) : decodeRecord(json, decodePart)
}

function decodeRecord(json: JsonObject, decodePart: (part: JsonValue) => unknown): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (const key of Object.keys(json)) put(record, key, decodePart(json[key] ?? null))
  return record
}

function untag(json: JsonObject, decodePart: (part: JsonValue) => unknown): unknown {
  const { [TAG]: name = null, v: payload = null } = json
  const tag = textPayload(TAG, name)
  switch (tag) {
    case UNDEFINED:
      return undefined
    case NUMBER:
      return readNumber(textPayload(tag, payload))
    case BIGINT:
      return readBigInt(textPayload(tag, payload))
    case ESCAPED:
      return isJsonObject(payload) ? decodeRecord(payload, decodePart) : malformed(tag, 'an object')
  }
  const kind = kindOfTag(tag)
  if (kind !== undefined) return kind.unpack(payload, decodePart)
  throw new CallboardError(
    'CB_E_STORE_TOO_NEW',
    `A value is tagged '${tag}', which this version of Callboard does not know: a newer one wrote it. Upgrade this process.`,
    { details: { tag } },
  )
}

function readNumber(text: string): number {
  switch (text) {
    case 'NaN':
      return Number.NaN
    case 'Infinity':
      return Number.POSITIVE_INFINITY
    case '-Infinity':
      return Number.NEGATIVE_INFINITY
    case '-0':
      return -0
    default:
      return malformed(NUMBER, 'NaN, Infinity, -Infinity or -0')
  }
}

function readBigInt(text: string): bigint {
  return /^-?\d+$/.test(text) ? BigInt(text) : malformed(BIGINT, 'digits')
}
