import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeJson, decodeValue, encodeToJson, encodeValue } from '../../../src/core/index.ts'
import { TAG } from '../../../src/core/values/tag.ts'
import { storableValue } from './arbitrary.ts'

describe('users’ values', () => {
  it('come back from their text as they were, however nested', () => {
    fc.assert(
      fc.property(storableValue(), (value) => assert.deepStrictEqual(decodeValue(encodeValue(value)), value)),
    )
  })

  it('come back from their JSON as they were, and share nothing with it', () => {
    fc.assert(
      fc.property(storableValue(), (value) => {
        const json = JSON.parse(encodeValue(value))
        const before = JSON.stringify(json)
        const decoded = decodeJson(json)
        assert.deepStrictEqual(decoded, value)
        scribbleOver(decoded)
        expect(JSON.stringify(json)).toBe(before)
      }),
    )
  })

  it('are written as JSON that any reader understands, the same from both encoders', () => {
    fc.assert(
      fc.property(storableValue(), (value) => {
        const text = encodeValue(value)
        expect(JSON.stringify(JSON.parse(text))).toBe(text)
        expect(JSON.stringify(encodeToJson(value))).toBe(text)
      }),
    )
  })

  it('that are plain JSON are written as JSON.stringify writes them', () => {
    const plain = fc.json().map((text) => JSON.parse(text, (_, part) => (Object.is(part, -0) ? 0 : part)))
    fc.assert(
      fc.property(plain, (value) => {
        expect(encodeValue(value)).toBe(JSON.stringify(value))
      }),
    )
  })

  it('that have the tag key themselves come back with it', () => {
    for (const value of [{ [TAG]: 'Date', v: 'x' }, { a: [{ [TAG]: { [TAG]: 1 } }] }, { [TAG]: new Date(0) }])
      assert.deepStrictEqual(decodeValue(encodeValue(value)), value)
  })

  it('may have a key __proto__, which sets no prototype', () => {
    const value = JSON.parse('{"__proto__": {"admin": true}, "at": 1}')
    value.at = new Date(0)
    const decoded = decodeValue(encodeValue(value))
    assert.deepStrictEqual(decoded, value)
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype)
    expect(decoded).not.toHaveProperty('admin')
  })
})

/** Changes every object and list in a value that can be changed. */
function scribbleOver(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  for (const key of Object.keys(value)) scribbleOver(Reflect.get(value, key))
  if (Array.isArray(value)) value.push('scribble')
  else Reflect.set(value, 'scribble', true)
}
