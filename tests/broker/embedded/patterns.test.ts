import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { patternSet } from '../../../src/broker/embedded/bus/patterns.ts'

/** The rule as it is written in the port, token by token. */
function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.')
  const tokens = subject.split('.')
  if (wanted.at(-1) === '>')
    return (
      tokens.length >= wanted.length &&
      wanted.slice(0, -1).every((token, i) => token === '*' || token === tokens[i])
    )
  return wanted.length === tokens.length && wanted.every((token, i) => token === '*' || token === tokens[i])
}

const token = fc.constantFrom('a', 'b', 'c')
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
const pattern = fc
  .tuple(
    fc.array(fc.oneof(token, fc.constant('*')), { minLength: 0, maxLength: 4 }),
    fc.constantFrom('a', '*', '>'),
  )
  .map(([tokens, last]) => [...tokens, last].join('.'))
const change = fc.record({ add: fc.boolean(), pattern, value: fc.nat(3) })

describe('a set of patterns', () => {
  test('matches as the plain rule does, whatever was added and deleted before', () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 40 }),
        fc.array(subject, { minLength: 1 }),
        (changes, subjects) => {
          const set = patternSet<number>()
          const plain = new Set<string>()
          for (const { add, pattern, value } of changes) {
            const entry = `${pattern} ${value}`
            if (add) set.add(pattern, value)
            else set.delete(pattern, value)
            if (add) plain.add(entry)
            else plain.delete(entry)
          }
          expect(set.size).toBe(plain.size)
          for (const subject of subjects) {
            const expected = [...plain]
              .map((entry) => entry.split(' '))
              .filter(([pattern = '']) => matches(pattern, subject))
              .map(([, value]) => Number(value))
            expect([...set.match(subject)].sort()).toEqual(expected.sort())
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('finds one of ten thousand literal subjects beside a wildcard', () => {
    const set = patternSet<number>()
    for (let i = 0; i < 10_000; i++) set.add(`run.${i}`, i)
    set.add('run.*', -1)
    expect(set.match('run.7777')).toEqual([7777, -1])
    expect(set.match('run.7777.more')).toEqual([])
  })
})
