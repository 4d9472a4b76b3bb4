/** What a kind of object with a tag of its own is made of. */

import { CallboardError } from '../errors.ts'
import type { JsonValue } from '../json.ts'

export type EncodePart = (part: unknown) => JsonValue
export type DecodePart = (json: JsonValue) => unknown

export interface Kind {
  readonly tag: string
  /** How a path goes on from the object into its payload: a Map's payload is its `.entries()`. */
  readonly step: string
  /** The payload, or undefined when the object is not of this kind. */
  pack(value: object, encode: EncodePart): JsonValue | undefined
  /** @throws CB_E_JSON when the payload is not one that `pack` makes */
  unpack(payload: JsonValue, decode: DecodePart): unknown
}

export function kind<T extends object>(spec: {
  readonly tag: string
  readonly step?: string
  is(value: object): value is T
  pack(value: T, encode: EncodePart): JsonValue
  unpack(payload: JsonValue, decode: DecodePart): unknown
}): Kind {
  return {
    tag: spec.tag,
    step: spec.step ?? '',
    pack: (value, encode) => (spec.is(value) ? spec.pack(value, encode) : undefined),
    unpack: spec.unpack,
  }
}

/** The payload of a tag is not what belongs there. */
export function malformed(tag: string, expected: string, cause?: unknown): never {
  throw new CallboardError(
    'CB_E_JSON',
    `A value tagged '${tag}' does not hold ${expected}: something other than Callboard wrote or changed it.`,
    { cause, details: { tag } },
  )
}

export function textPayload(tag: string, payload: JsonValue): string {
  return typeof payload === 'string' ? payload : malformed(tag, 'a text')
}

export function listPayload(tag: string, payload: JsonValue): readonly JsonValue[] {
  return Array.isArray(payload) ? payload : malformed(tag, 'a list')
}
