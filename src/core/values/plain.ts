/** The look that the hot path takes at a value: is it plain JSON already? */

import { isJsonObject, type JsonValue } from '../json.ts'
import { DEEPEST, put, TAG } from './tag.ts'

/**
 * True when `JSON.stringify` alone writes the value so that it reads back as it was. Costs a fifth to a third of what
 * `JSON.stringify` costs; leaves everything unusual, cycles included, to the walk in `encode.ts`.
 */
export function isPlainJson(value: unknown, depth = 0): value is JsonValue {
  if (typeof value === 'string') return true
  if (typeof value === 'number') return value - value === 0 && (value !== 0 || 1 / value > 0) // no NaN, ±Infinity, -0
  if (value === null || value === true || value === false) return true
  if (typeof value !== 'object' || depth >= DEEPEST || (value as { toJSON?: unknown }).toJSON !== undefined)
    return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlainJson(value[i], depth + 1)) return false
    return true
  }
  if (!hasPlainPrototype(value)) return false
  for (const key in value) {
    if (key === TAG || !isPlainJson((value as Record<string, unknown>)[key], depth + 1)) return false
  }
  return true
}

/** A copy that shares nothing with what it was made of. */
export function copyJson(json: JsonValue): JsonValue {
  if (typeof json !== 'object' || json === null) return json
  if (!isJsonObject(json)) return json.map(copyJson)
  const copy: Record<string, JsonValue> = {}
  for (const key of Object.keys(json)) put(copy, key, copyJson(json[key] ?? null))
  return copy
}

export function hasPlainPrototype(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
