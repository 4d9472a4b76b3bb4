/** Plain JSON: what the broker carries and what a snapshot is made of. */

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject

export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** True for an object that is not a list. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const vouchedFor = new WeakSet<readonly string[]>()

/**
 * Says that each of these texts is one JSON text: whoever calls has just made them with `JSON.stringify`. Who is handed
 * this very list need not read it to know. The list cannot be changed from here on.
 */
export function vouchForJson(texts: readonly string[]): readonly string[] {
  vouchedFor.add(texts)
  return Object.freeze(texts)
}

/** Whether somebody has vouched for this very list. */
export function isVouchedFor(texts: readonly string[]): boolean {
  return vouchedFor.has(texts)
}
