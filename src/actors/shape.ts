/** Looking at what came over the wire, before it is trusted as one of our types. */

import type { JsonObject, JsonValue } from '../core/index.ts'

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

export function isListOf<T>(value: unknown, isPart: (part: unknown) => part is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isPart)
}

/** A message of ours as the JSON that it is: the types of the wire hold nothing else. */
export function asJson(message: object): JsonValue {
  return message as JsonObject
}
