/**
 * Users' values → tagged JSON.
 *
 * Invariants
 * (V1) A value that is plain JSON is written as exactly `JSON.stringify` writes it.
 * (V2) What is written reads back as it was, or is refused: nothing is changed or dropped in silence but what
 *      is named here. Class instances come back as plain objects of their own enumerable fields (of what
 *      `toJSON` gives, when they have one). Something shared comes back as separate copies. Keys that are symbols,
 *      extra properties of arrays and `lastIndex` of a RegExp are not kept; holes of an array come back as
 *      undefined. What an Error carries besides its name, message and stack is kept as far as it can be
 *      stored: a failure must never fail to be recorded.
 * (V3) A value that is all plain is not copied: it is only looked at, and `JSON.stringify` does the rest.
 */

import { types } from 'node:util'
import type { JsonObject, JsonValue } from '../json.ts'
import { Fault, propertyStep } from './fault.ts'
import { kindOf, refuseHidden } from './kinds.ts'
import { hasPlainPrototype, isPlainJson } from './plain.ts'
import { BIGINT, DEEPEST, ESCAPED, NUMBER, put, TAG, tagged, UNDEFINED } from './tag.ts'

/**
 * The JSON text of any value: plain data, and Date, Map, Set, BigInt, undefined, NaN, ±Infinity, -0, typed arrays,
 * ArrayBuffer, Buffer, Error (with cause, code and other fields), AggregateError, URL and RegExp at any place in it.
 * Class instances are written as plain objects.
 *
 * @param what names the value in the path of an error, `result.items[3].handler`
 * @throws CB_E_VALUE_UNSERIALISABLE for functions, symbols, promises, weak collections, cycles, more than 500 levels
 */
export function encodeValue(value: unknown, what = 'value'): string {
  const json = encodeToJson(value, what)
  try {
    return JSON.stringify(json)
  } catch (thrown) {
    throw new Fault(
      'cannot be written as one text: it is too long, or changed while it was read.',
      thrown,
    ).toError(what)
  }
}

/**
 * As `encodeValue`, as JSON to be made part of a larger text. It may be `value` itself: write it out before anybody
 * can change that.
 *
 * @throws CB_E_VALUE_UNSERIALISABLE as `encodeValue`
 */
export function encodeToJson(value: unknown, what = 'value'): JsonValue {
  try {
    return looksPlain(value) ? value : encode(value, [])
  } catch (thrown) {
    throw Fault.of(thrown).toError(what)
  }
}

function looksPlain(value: unknown): value is JsonValue {
  try {
    return isPlainJson(value)
  } catch {
    return false // a getter threw: the walk finds out where
  }
}

/** `open` holds the containers that `value` is in, from the outside in. */
function encode(value: unknown, open: object[]): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (Object.is(value, -0)) return tagged(NUMBER, '-0')
      return Number.isFinite(value) ? value : tagged(NUMBER, String(value))
    case 'undefined':
      return { [TAG]: UNDEFINED }
    case 'bigint':
      return tagged(BIGINT, String(value))
    case 'object':
      return value === null ? null : encodeObject(value, open)
    case 'symbol':
      throw new Fault('is a symbol, which cannot be stored. Use a text.')
    default:
      throw new Fault('is a function, which cannot be stored. Leave it out, or hand over what it returns.')
  }
}

function encodeObject(value: object, open: object[]): JsonValue {
  if (open.length >= DEEPEST) throw new Fault(`is nested more than ${DEEPEST} levels deep. Flatten the data.`)
  if (open.includes(value))
    throw new Fault('is an object that it is itself a part of (a cycle). Hand over an id instead.')
  const depth = open.push(value) - 1
  const json = encodeOpened(value, open)
  open.length = depth
  return json
}

function encodeOpened(value: object, open: object[]): JsonValue {
  const isList = Array.isArray(value)
  if (!isList && !hasPlainPrototype(value)) {
    if (types.isBoxedPrimitive(value)) return encode(value.valueOf(), open)
    const json = encodeKind(value, open)
    if (json !== undefined) return json
    refuseHidden(value)
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') return encode(value.toJSON(), open)
  return isList ? encodeList(value, open) : encodeRecord(value, open)
}

/** The tagged form, or undefined when there is none for it. */
function encodeKind(value: object, open: object[]): JsonValue | undefined {
  const kind = kindOf(value)
  if (kind === undefined) return undefined
  const encodePart = (part: unknown) => {
    const depth = open.length
    try {
      return encode(part, open)
    } finally {
      open.length = depth
    }
  }
  try {
    const payload = kind.pack(value, encodePart)
    return payload === undefined ? undefined : tagged(kind.tag, payload)
  } catch (thrown) {
    throw Fault.of(thrown).under(kind.step)
  }
}

function encodeList(list: readonly unknown[], open: object[]): JsonValue {
  const json: JsonValue[] = []
  try {
    for (const part of list) json.push(encode(part, open))
  } catch (thrown) {
    throw Fault.of(thrown).under(json.length)
  }
  return json
}

function encodeRecord(record: object, open: object[]): JsonObject {
  const json: Record<string, JsonValue> = {}
  let at = ''
  try {
    for (const key of Object.keys(record)) {
      at = key
      put(json, key, encode(Reflect.get(record, key), open))
    }
  } catch (thrown) {
    throw Fault.of(thrown).under(propertyStep(at))
  }
  return Object.hasOwn(json, TAG) ? tagged(ESCAPED, json) : json
}
