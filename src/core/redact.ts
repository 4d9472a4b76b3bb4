/**
 * What a log line may hold: plain JSON, of bounded size, without secrets. Anything can be handed to a logger, and a
 * logger must never throw, so everything unusual becomes a short text here.
 */

import type { JsonObject, JsonValue } from './json.ts'
import { hideCredentials, isSecretName, Secret } from './secret.ts'

const DEEPEST = 6
const MOST_PARTS = 100

/** `Authorization: Bearer …`, wherever it was quoted. */
const AUTHORIZATION = /\b(Bearer|Basic)\s+[\w.~+/=-]{6,}/g

export function redactText(text: string): string {
  return hideCredentials(text).replaceAll(AUTHORIZATION, '$1 ***')
}

/** A copy to be logged: of secrets, bytes, cycles and great depths only a mark is left. */
export function redact(value: unknown, depth = 0): JsonValue {
  switch (typeof value) {
    case 'string':
      return redactText(value)
    case 'number':
    case 'boolean':
      return value
    case 'object':
      break
    default:
      return typeof value === 'function' ? `[function ${value.name}]` : String(value)
  }
  if (value === null) return null
  try {
    return redactObject(value, depth)
  } catch {
    return '[unreadable]'
  }
}

function redactObject(value: object, depth: number): JsonValue {
  if (value instanceof Secret) return String(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof URL) return redactText(value.href)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (depth >= DEEPEST) return '[…]'
  if (value instanceof Error) return redactError(value, depth)
  if (Array.isArray(value) || value instanceof Set || value instanceof Map)
    return redactList([...value], depth)
  if ('toJSON' in value && typeof value.toJSON === 'function') return redact(value.toJSON(), depth + 1)
  return redactRecord(value, Object.keys(value), depth)
}

function redactError(error: Error, depth: number): JsonValue {
  return redactRecord(error, new Set(['name', 'message', 'stack', 'cause', ...Object.keys(error)]), depth)
}

function redactList(items: readonly unknown[], depth: number): JsonValue {
  const parts = items.slice(0, MOST_PARTS).map((item) => redact(item, depth + 1))
  return items.length > MOST_PARTS ? [...parts, `… ${items.length - MOST_PARTS} more`] : parts
}

function redactRecord(record: object, names: Iterable<string>, depth: number): JsonObject {
  const parts: [string, JsonValue][] = []
  for (const name of Iterator.from(names).take(MOST_PARTS)) {
    const part = read(record, name)
    if (part !== undefined) parts.push([name, isHidden(name, part) ? '***' : redact(part, depth + 1)])
  }
  return Object.fromEntries(parts)
}

/** Getters may throw. */
function read(record: object, name: string): unknown {
  try {
    return Reflect.get(record, name)
  } catch {
    return '[unreadable]'
  }
}

/** Numbers and switches are no secrets: `tokens: 5`, `seed: 42`, `hasPassword: true`. */
function isHidden(name: string, part: unknown): boolean {
  return part !== null && typeof part !== 'number' && typeof part !== 'boolean' && isSecretName(name)
}
