/**
 * Errors. A failure must never fail to be recorded, so what an error carries is kept as far as it can be stored, and
 * the names of the fields that could not are noted in the payload (`leftOut`) for whoever reads the log.
 */

import { types } from 'node:util'
import { CallboardError, isErrorCode } from '../errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../json.ts'
import { userStack } from '../user-stack.ts'
import { type DecodePart, type EncodePart, type Kind, kind, malformed } from './kind.ts'
import { put } from './tag.ts'

const TAG_NAME = 'Error'

type ErrorMaker = (message: string, name: string) => Error

/** The classes that come back as themselves; any other error comes back as the nearest of them, with its own name. */
const MAKERS: ReadonlyMap<string, ErrorMaker> = new Map<string, ErrorMaker>([
  ['AggregateError', (message) => new AggregateError([], message)],
  ['DOMException', (message, name) => new DOMException(message, name)],
  ['EvalError', (message) => new EvalError(message)],
  ['RangeError', (message) => new RangeError(message)],
  ['ReferenceError', (message) => new ReferenceError(message)],
  ['SyntaxError', (message) => new SyntaxError(message)],
  ['TypeError', (message) => new TypeError(message)],
  ['URIError', (message) => new URIError(message)],
])

/** What has a place of its own in the payload; everything else enumerable is one of its `fields`. */
const PLACED: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'cause'])

export const errorKind: Kind = kind({
  tag: TAG_NAME,
  is: (value): value is Error => types.isNativeError(value) || value instanceof Error,
  pack: packError,
  unpack: unpackError,
})

function packError(error: Error, encode: EncodePart): JsonObject {
  const name = String(error.name)
  const payload: Record<string, JsonValue> = { name, message: String(error.message) }
  const leftOut: string[] = []
  const keep = (into: Record<string, JsonValue>, key: string) => {
    try {
      put(into, key, encode(Reflect.get(error, key)))
    } catch {
      leftOut.push(key)
    }
  }

  const type = classOf(error)
  if (type !== undefined && type !== name) payload.type = type
  if (typeof error.stack === 'string') payload.stack = userStack(error.stack)
  if (Object.hasOwn(error, 'cause')) keep(payload, 'cause')
  if (error instanceof AggregateError) keep(payload, 'errors')
  const fields: Record<string, JsonValue> = {}
  for (const key of Object.keys(error)) if (!PLACED.has(key)) keep(fields, key)
  if (Object.keys(fields).length > 0) payload.fields = fields
  if (leftOut.length > 0) payload.leftOut = leftOut
  return payload
}

/** The nearest class that `MAKERS` knows, if any. */
function classOf(error: Error): string | undefined {
  for (let at = Object.getPrototypeOf(error); at !== null; at = Object.getPrototypeOf(at)) {
    const name = at.constructor?.name
    if (MAKERS.has(name)) return name
  }
  return undefined
}

function unpackError(payload: JsonValue, decode: DecodePart): Error {
  if (!isJsonObject(payload)) return malformed(TAG_NAME, 'an object')
  const { name, message, type = name, stack, cause, errors, fields = {} } = payload
  if (typeof name !== 'string' || typeof message !== 'string' || !isJsonObject(fields))
    return malformed(TAG_NAME, 'a name, a message and fields')

  const ours = name === 'CallboardError' ? ourError(message, fields, decode) : undefined
  const error = ours ?? MAKERS.get(String(type))?.(message, name) ?? new Error(message)
  if (error.name !== name) define(error, 'name', name, false)
  define(error, 'stack', typeof stack === 'string' ? stack : `${name}: ${message}`, false)
  if (cause !== undefined) define(error, 'cause', decode(cause), false)
  if (errors !== undefined) define(error, 'errors', decode(errors), false)
  for (const [key, field] of Object.entries(fields)) define(error, key, decode(field), true)
  return error
}

/** An error of ours comes back as one, when this version knows its code. */
function ourError(message: string, fields: JsonObject, decode: DecodePart): CallboardError | undefined {
  const { code, details = {} } = fields
  if (!isErrorCode(code) || !isJsonObject(details)) return undefined
  return new CallboardError(code, message, { details: decode(details) as Record<string, unknown> })
}

function define(error: Error, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true })
}
