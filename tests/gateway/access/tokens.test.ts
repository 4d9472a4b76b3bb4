import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemRandom } from '../../../src/core/index.ts'
import { hashOf, isRunToken, newKey, readRunToken, signRunToken } from '../../../src/gateway/access/tokens.ts'

const SECRET = Buffer.alloc(32, 7)
const TERMS = {
  run: '0cqv3h7k2m00000000000000test',
  scopes: ['read'],
  expiresAt: 1_000,
  issuer: 'anna',
} as const

describe('an API key', () => {
  test('has 256 random bits behind its prefix, and is known by its hash', () => {
    const [first, second] = [newKey(systemRandom), newKey(systemRandom)]
    expect(first.key).toMatch(/^cb_[A-Za-z0-9_-]{43}$/)
    expect(first.key).not.toBe(second.key)
    expect(first.hash).toBe(hashOf(first.key))
    expect(first.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(isRunToken(first.key)).toBe(false)
  })
})

describe('a run token', () => {
  test('says what it was made for until it runs out', () => {
    const token = signRunToken(SECRET, TERMS)
    expect(isRunToken(token)).toBe(true)
    expect(readRunToken(SECRET, token, 999)).toEqual({ is: 'run-token', ...TERMS })
    expect(readRunToken(SECRET, token, 1_000)).toBeUndefined()
  })

  test('of another secret counts for nothing', () => {
    expect(readRunToken(Buffer.alloc(32, 8), signRunToken(SECRET, TERMS), 0)).toBeUndefined()
  })

  test('counts for nothing with any one character changed, left out or put in', () => {
    const token = signRunToken(SECRET, TERMS)
    const characters = [...'abcXYZ019-_.=']
    fc.assert(
      fc.property(
        fc.nat(token.length - 1),
        fc.constantFrom(...characters),
        fc.nat(2),
        (at, character, how) => {
          const inserted = how === 0 ? character : how === 1 ? '' : character + token[at]
          const changed = token.slice(0, at) + inserted + token.slice(at + 1)
          fc.pre(changed !== token)
          expect(isRunToken(changed) ? readRunToken(SECRET, changed, 0) : undefined).toBeUndefined()
        },
      ),
    )
  })

  test('that is no token at all is nobody’s', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(readRunToken(SECRET, `cbr_${text}`, 0)).toBeUndefined()
      }),
    )
  })
})
