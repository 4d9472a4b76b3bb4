/** Vouching for texts: it holds for one list, as it was. */

import { describe, expect, test } from 'vitest'
import { isVouchedFor, vouchForJson } from '../../src/core/index.ts'

describe('a list of JSON texts that is vouched for', () => {
  test('is known again, and no copy of it is', () => {
    const texts = vouchForJson(['1', '{"a":2}'])
    expect(isVouchedFor(texts)).toBe(true)
    expect(isVouchedFor([...texts])).toBe(false)
    expect(isVouchedFor(['1', '{"a":2}'])).toBe(false)
  })

  test('cannot be changed after that', () => {
    const texts = ['1']
    vouchForJson(texts)
    expect(() => texts.push('not JSON')).toThrow(TypeError)
    expect(texts).toEqual(['1'])
  })
})
