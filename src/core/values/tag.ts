/**
 * The form of a tagged value, `{"$cb":"<tag>","v":<payload>}`: the broker's format, so it is never changed, only added to.
 * An object of the user's that has the key itself is written as `{"$cb":"object","v":{…}}`.
 */

import type { JsonObject, JsonValue } from '../json.ts'

/** An object with this key is a tagged value. */
export const TAG = '$cb'

/** The tag of an object that has the key `TAG` of its own. */
export const ESCAPED = 'object'

/** Tags of primitives; those of objects are in `kinds.ts`. */
export const UNDEFINED = 'undefined'
export const NUMBER = 'number'
export const BIGINT = 'bigint'

/** Levels of nesting that are written. Enough for any data, and little enough for the stack on the way back. */
export const DEEPEST = 500

export function tagged(tag: string, payload: JsonValue): JsonObject {
  return { [TAG]: tag, v: payload }
}

/** Sets a property whatever its name is: to assign `__proto__` would set the prototype. */
export function put(record: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') record[key] = value
  else Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true })
}
