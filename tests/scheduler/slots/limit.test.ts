import { describe, expect, test } from 'vitest'
import { isToken } from '../../../src/core/index.ts'
import { limitKey, parseLimit } from '../../../src/scheduler/index.ts'

describe('a limit', () => {
  test('needs a name and a number of slots; the rest has defaults', () => {
    expect(parseLimit({ name: 'gpu', slots: 2 })).toEqual({
      name: 'gpu',
      slots: 2,
      strategy: 'enqueue',
      active: true,
    })
  })

  test('may decay, by fractions too', () => {
    expect(parseLimit({ name: 'api', slots: 10, decayPerSecond: 0.25 })).toMatchObject({
      decayPerSecond: 0.25,
    })
  })

  const wrong: [string, Record<string, unknown>][] = [
    ['name', { slots: 1 }],
    ['name', { name: '', slots: 1 }],
    ['slots', { name: 'gpu' }],
    ['slots', { name: 'gpu', slots: -1 }],
    ['slots', { name: 'gpu', slots: 1.5 }],
    ['strategy', { name: 'gpu', slots: 1, strategy: 'drop' }],
    ['decayPerSecond', { name: 'gpu', slots: 1, decayPerSecond: 0 }],
    ['decayPerSecond', { name: 'gpu', slots: 1, decayPerSecond: '1' }],
    ['active', { name: 'gpu', slots: 1, active: 'yes' }],
  ]
  for (const [field, value] of wrong)
    test(`with a wrong ${field} (${JSON.stringify(value)}) is refused, naming the field`, () => {
      expect(() => parseLimit(JSON.parse(JSON.stringify(value)))).toThrow(
        expect.objectContaining({ code: 'CB_E_LIMIT_INVALID', details: expect.objectContaining({ field }) }),
      )
    })

  test('is refused when it is no object at all', () => {
    for (const value of [null, 3, 'gpu', [1]])
      expect(() => parseLimit(value)).toThrow(expect.objectContaining({ code: 'CB_E_LIMIT_INVALID' }))
  })
})

describe('the key of a limit', () => {
  test('is its name when that can be a key, else made of it', () => {
    expect(limitKey('gpu')).toBe('gpu')
    for (const name of ['tag:slow', 'größe', 'a.b', 'x_gpu', 'x'.repeat(200)])
      expect(isToken(limitKey(name))).toBe(true)
  })

  test('is never that of another limit', () => {
    const names = ['gpu', 'tag:gpu', limitKey('tag:gpu'), 'GPU', 'gpu ', 'x_']
    expect(new Set(names.map(limitKey)).size).toBe(names.length)
  })
})
