/**
 * Bytes, as base64. Elements of more than one byte are in the order of the machine that wrote them, which is
 * little-endian wherever Callboard is tested.
 */

import type { JsonValue } from '../json.ts'
import { type Kind, kind, malformed, textPayload } from './kind.ts'

const VIEWS: readonly (new (buffer: ArrayBuffer) => ArrayBufferView)[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
]

function viewKind(View: (typeof VIEWS)[number], tag: string): Kind {
  return kind({
    tag,
    is: ArrayBuffer.isView,
    pack: (view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('base64'),
    unpack(payload) {
      const buffer = bytesOf(tag, payload).buffer
      try {
        return new View(buffer)
      } catch (error) {
        return malformed(tag, 'a whole number of elements', error)
      }
    },
  })
}

/** Bytes in a buffer of their own: one cut from the shared pool would not be aligned. */
function bytesOf(tag: string, payload: JsonValue): Uint8Array<ArrayBuffer> {
  const text = textPayload(tag, payload)
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) malformed(tag, 'base64')
  return new Uint8Array(Buffer.from(text, 'base64'))
}

export const bufferKind: Kind = kind({
  tag: 'Buffer',
  is: Buffer.isBuffer,
  pack: (buffer) => buffer.toString('base64'),
  unpack: (payload) => Buffer.from(bytesOf('Buffer', payload).buffer),
})

export const binaryKinds: readonly Kind[] = [
  ...VIEWS.map((View) => viewKind(View, View.name)),
  bufferKind,
  kind({
    tag: 'ArrayBuffer',
    is: (value) => value instanceof ArrayBuffer,
    pack: (buffer) => Buffer.from(buffer).toString('base64'),
    unpack: (payload) => bytesOf('ArrayBuffer', payload).buffer,
  }),
]
