/**
 * Large values. A record holds at most 64 KiB; a value that would not leave room for the rest of its record goes
 * to the object store first, and the record names the object. Code on the other side of a runner channel sees
 * values only inline: the host stores on the way in and loads on the way out.
 */

import type { Objects } from '../broker/index.ts'
import { CallboardError, type Deps, type JsonValue, mintId } from '../core/index.ts'
import type { ValueRef } from './events.ts'

/** A larger one is stored as an object. Leaves a quarter of the record for everything else in it. */
const INLINE_VALUE_BYTES = 48 * 1024

/** The most bytes one UTF-16 unit takes in JSON: a control character, `\u0000`. */
const MOST_BYTES_PER_UNIT = 6
/** What a number, a literal, or the punctuation around a part takes at most. */
const PART_BYTES = 26

/** Whether a value is small, without writing it out: a bound from above, so that the hot path pays a look only. */
function isSurelyWithin(value: JsonValue, bytes: number): boolean {
  let left = bytes
  const look = (part: JsonValue): void => {
    left -= PART_BYTES
    if (typeof part === 'string') left -= part.length * MOST_BYTES_PER_UNIT
    else if (typeof part === 'object' && part !== null) {
      for (const key in part) {
        if (left < 0) return
        left -= key.length * MOST_BYTES_PER_UNIT
        look((part as Readonly<Record<string, JsonValue>>)[key] ?? null)
      }
    }
  }
  look(value)
  return left >= 0
}

/** Whether the JSON text of a value takes at most this many bytes. */
export function fitsWithin(value: JsonValue, bytes: number): boolean {
  return isSurelyWithin(value, bytes) || Buffer.byteLength(JSON.stringify(value)) <= bytes
}

/** Whether this value can stand in a record as it is. */
export function fitsInline(ref: ValueRef): boolean {
  return 'object' in ref || fitsWithin(ref.v, INLINE_VALUE_BYTES)
}

/** Where a value of this run is to be written. */
export function newValueKey(deps: Pick<Deps, 'clock' | 'random'>, run: string): string {
  return `values.${run}.${mintId(deps)}`
}

/** Writes a value to the object store; gives the reference to put into a record. Again under the same key is harmless. */
export async function putValue(objects: Objects, key: string, value: JsonValue): Promise<ValueRef> {
  const { bytes } = await objects.put(key, Buffer.from(JSON.stringify(value)))
  return { object: key, bytes }
}

/** The reference to put into a record: the value itself when it is small, else of the object it was written to. */
export async function storeValue(
  objects: Objects,
  deps: Pick<Deps, 'clock' | 'random'>,
  run: string,
  ref: ValueRef,
): Promise<ValueRef> {
  return 'object' in ref || fitsInline(ref) ? ref : putValue(objects, newValueKey(deps, run), ref.v)
}

/** @throws CB_E_OBJECT_MISSING, CB_E_JSON */
export async function loadValue(objects: Objects, ref: ValueRef): Promise<JsonValue> {
  if (!('object' in ref)) return ref.v
  const found = await objects.get(ref.object)
  if (found === undefined)
    throw new CallboardError(
      'CB_E_OBJECT_MISSING',
      `The object '${ref.object}' that holds a value of ${ref.bytes} bytes is not in the object store any more. Check who deletes from it; the value cannot be read.`,
    )
  return parseJson(await textOf(found.data), ref.object)
}

/** The whole of an object, as text. */
export async function textOf(data: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of data) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

function parseJson(text: string, object: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CallboardError('CB_E_JSON', `The object '${object}' does not hold JSON any more.`, { cause })
  }
}
