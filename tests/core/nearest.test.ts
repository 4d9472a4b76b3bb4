import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearest, quote } from '../../src/core/index.ts'

const NAMES = ['CALLBOARD_URL', 'CALLBOARD_BROKER_URL', 'CALLBOARD_API_KEY', 'ls', 'inspect']

describe('the nearest name', () => {
  it.each([
    ['CALLBOARD_BROKER_ULR', 'CALLBOARD_BROKER_URL'],
    ['callboard_broker_url', 'CALLBOARD_BROKER_URL'],
    ['CALLBOARD_BROKERURL', 'CALLBOARD_BROKER_URL'],
    ['CALLBOARD_APIKEY', 'CALLBOARD_API_KEY'],
    ['insepct', 'inspect'],
    ['l', 'ls'],
    ['sl', 'ls'],
  ])('to %s is %s', (name, expected) => {
    expect(nearest(name, NAMES)).toBe(expected)
  })

  it.each(['', 'x', 'resume', 'inspiration', 'NODE_ENV'])(
    'to %s is none: too much would have to change',
    (name) => {
      expect(nearest(name, NAMES)).toBeUndefined()
    },
  )

  it('is the first of several that are equally near', () => {
    expect(nearest('cat', ['car', 'bat', 'cats'])).toBe('car')
  })

  it('is the name itself when it is among them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), (names) => {
        const [name = ''] = names
        expect(nearest(name, names)?.toLowerCase()).toBe(name.toLowerCase())
      }),
    )
  })

  it('is found after any one letter was dropped, doubled or swapped with its neighbour', () => {
    const name = 'CALLBOARD_BROKER_URL'
    for (let at = 1; at < name.length; at++) {
      const [before, letter, after] = [name.slice(0, at), name.charAt(at), name.slice(at + 1)]
      const swapped = before.slice(0, -1) + letter + before.slice(-1) + after
      for (const typo of [before + after, before + letter + letter + after, swapped])
        expect(nearest(typo, NAMES)).toBe(name)
    }
  })
})

describe('a value quoted in a message', () => {
  it.each([
    ['it’s "it"', `'it’s "it"'`],
    ['a\nb\u001b[31m', "'a\\nb\\u001b[31m'"],
    [12, '12'],
    [null, 'null'],
    [undefined, 'undefined'],
    [[1], 'a list'],
    [{ a: 1 }, 'an object'],
    [() => {}, 'a function'],
  ])('%j is shown as %s', (value, shown) => {
    expect(quote(value)).toBe(shown)
  })

  it('stays short and on one line', () => {
    expect(quote('\n'.repeat(1_000_000)).length).toBeLessThan(200)
  })
})
