import { describe, expect, it } from 'vitest'
import { CallboardError, decodeJson, decodeValue, encodeValue } from '../../../src/core/index.ts'

const backAndForth = (value: unknown) => decodeValue(encodeValue(value))

describe('reading a value', () => {
  it('gives an error of ours back as one, with code, details, cause and stack', () => {
    const error = new CallboardError('CB_E_BUSY', 'The buffer is full.', {
      details: { limit: 3n },
      cause: new Error('x'),
    })
    const read = backAndForth(error)
    expect(read).toBeInstanceOf(CallboardError)
    expect(read).toMatchObject({
      code: 'CB_E_BUSY',
      kind: 'retryable',
      details: { limit: 3n },
      cause: new Error('x'),
    })
    expect(read).toHaveProperty('stack', error.stack)
  })

  it('gives an error of ours with a code from a newer version back as an error with that code', () => {
    const text = encodeValue(new CallboardError('CB_E_BUSY', 'Full.')).replaceAll(
      'CB_E_BUSY',
      'CB_E_FROM_TOMORROW',
    )
    const read = decodeValue(text)
    expect(read).not.toBeInstanceOf(CallboardError)
    expect(read).toBeInstanceOf(Error)
    expect(read).toMatchObject({ name: 'CallboardError', message: 'Full.', code: 'CB_E_FROM_TOMORROW' })
  })

  it('gives an error of a user’s class back as the nearest class there is, with its name', () => {
    class PaymentRefused extends RangeError {
      override name = 'PaymentRefused'
      amount = 12n
    }
    const read = backAndForth(new PaymentRefused('too much'))
    expect(read).toBeInstanceOf(RangeError)
    expect(read).toMatchObject({ name: 'PaymentRefused', message: 'too much', amount: 12n })
    expect(String(read)).toBe('PaymentRefused: too much')
  })

  it('gives the error of an abort signal back as the DOMException that it is', () => {
    const read = backAndForth(new DOMException('too late', 'TimeoutError'))
    expect(read).toBeInstanceOf(DOMException)
    expect(read).toMatchObject({ name: 'TimeoutError', message: 'too late', code: DOMException.TIMEOUT_ERR })
  })

  it('gives the deepest nesting that can be written back, of any container', () => {
    const containers: [levels: number, wrap: (inner: unknown) => unknown][] = [
      [500, (inner) => [inner]],
      [500, (inner) => ({ $cb: inner })],
      [500, (inner) => new Error('x', { cause: inner })],
      [500, (inner) => Object.assign(new Error('x'), { inner })],
      [250, (inner) => new Set([inner])],
      [166, (inner) => new Map([[inner, inner === 1n]])],
    ]
    for (const [levels, wrap] of containers) {
      let value: unknown = 1n
      for (let level = 0; level < levels; level++) value = wrap(value)
      const text = encodeValue(value)
      expect(text).toContain('bigint')
      expect(encodeValue(decodeValue(text))).toBe(text)
    }
  })

  it('refuses JSON that is nested deeper than anything we write', () => {
    const text = `${'['.repeat(2000)}{"$cb":"undefined"}${']'.repeat(2000)}`
    expect(() => decodeValue(text)).toThrow(expect.objectContaining({ code: 'CB_E_JSON' }))
  })

  it.each(['', '{', 'undefined', '{"a":1,}', "{'a':1}"])('refuses what is not JSON: %s', (text) => {
    expect(() => decodeValue(text)).toThrow(
      expect.objectContaining({ code: 'CB_E_JSON', cause: expect.any(SyntaxError) }),
    )
  })

  it('refuses a tag that only a newer version can know, and names it', () => {
    expect(() => decodeValue('{"at":[{"$cb":"Temporal.Instant","v":"x"}]}')).toThrow(
      expect.objectContaining({
        code: 'CB_E_STORE_TOO_NEW',
        message: expect.stringContaining("'Temporal.Instant'"),
      }),
    )
  })

  it.each([
    '{"$cb":7}',
    '{"$cb":null,"v":1}',
    '{"$cb":"number","v":"12"}',
    '{"$cb":"number","v":12}',
    '{"$cb":"bigint","v":"0x1"}',
    '{"$cb":"bigint"}',
    '{"$cb":"object","v":[]}',
    '{"$cb":"Date","v":"yesterday"}',
    '{"$cb":"Date","v":12}',
    '{"$cb":"Map","v":{}}',
    '{"$cb":"Map","v":[[1]]}',
    '{"$cb":"Set","v":"ab"}',
    '{"$cb":"URL","v":"nowhere"}',
    '{"$cb":"RegExp","v":["(","g"]}',
    '{"$cb":"RegExp","v":["a"]}',
    '{"$cb":"Buffer","v":"not base64!"}',
    '{"$cb":"Float64Array","v":"AQI="}',
    '{"$cb":"Error","v":"no"}',
    '{"$cb":"Error","v":{"name":"E"}}',
    '{"$cb":"Error","v":{"name":"E","message":"m","fields":[]}}',
  ])('refuses a payload that does not fit its tag: %s', (text) => {
    for (const read of [() => decodeValue(text), () => decodeJson(JSON.parse(text))])
      expect(read).toThrow(expect.objectContaining({ code: 'CB_E_JSON' }))
  })
})
