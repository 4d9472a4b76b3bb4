import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  exponentialDelay,
  NonRetryableError,
  type RetryPolicy,
  retryBudget,
  retryDelay,
} from '../../src/actors/retry-policy.ts'
import { CallboardError } from '../../src/core/index.ts'

const ask = (policy: RetryPolicy, failures = 1, error: unknown = new Error('no'), now = 0, draw = 0.5) =>
  retryDelay({ retries: 100, ...policy }, { error, failures, draw, now })

describe('the wait before a retry', () => {
  it('is always the same for a number', async () => {
    expect([await ask({ delayMs: 300 }, 1), await ask({ delayMs: 300 }, 7)]).toEqual([300, 300])
  })

  it('is one after the other of a list, whose last repeats', async () => {
    const delayMs = [2_000, 3_000, 5_000]
    const waits = await Promise.all([1, 2, 3, 4, 9].map((failures) => ask({ delayMs }, failures)))
    expect(waits).toEqual([2_000, 3_000, 5_000, 5_000, 5_000])
  })

  it('is none for an empty list', async () => {
    expect(await ask({ delayMs: [] })).toBe(0)
  })

  it('doubles up to its cap', async () => {
    const delayMs = exponentialDelay(1_000, { capMs: 6_000 })
    const waits = await Promise.all([1, 2, 3, 4, 60].map((failures) => ask({ delayMs }, failures)))
    expect(waits).toEqual([1_000, 2_000, 4_000, 6_000, 6_000])
  })

  it('is what a function says; nonsense counts as no wait', async () => {
    expect(await ask({ delayMs: (failures) => failures * 10 }, 3)).toBe(30)
    for (const nonsense of [Number.NaN, -5, Number.POSITIVE_INFINITY])
      expect(await ask({ delayMs: () => nonsense })).toBe(0)
  })

  it('with jitter j lies within d and d·(1+j)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 86_400_000 }),
        fc.double({ min: 0, max: 9, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        async (delayMs, jitterFactor, draw) => {
          const waited = await ask({ delayMs, jitterFactor }, 1, new Error('no'), 0, draw)
          expect(waited).toBeGreaterThanOrEqual(delayMs)
          expect(waited).toBeLessThanOrEqual(Math.ceil(delayMs * (1 + jitterFactor)))
        },
      ),
    )
    expect(await ask({ delayMs: 10_000, jitterFactor: 9 }, 1, new Error('no'), 0, 1)).toBe(100_000)
  })
})

describe('a retry is refused', () => {
  it('when no attempt is left', async () => {
    expect(await ask({ retries: 2 }, 2)).toBe(0)
    expect(await ask({ retries: 2 }, 3)).toBeNull()
    expect(await ask({ retries: 0 }, 1)).toBeNull()
  })

  it('by an error that says that it cannot help', async () => {
    expect(await ask({}, 1, new NonRetryableError('no such user'))).toBeNull()
    expect(await ask({}, 1, Object.assign(new Error('no'), { retryable: false }))).toBeNull()
    expect(await ask({}, 1, new CallboardError('CB_E_REPLAY_MISMATCH', 'other code'))).toBeNull()
    expect(await ask({}, 1, 'a text')).toBe(0)
  })

  it('by its condition, also by an error in it; the condition is asked with the error, once', async () => {
    const asked: unknown[] = []
    const condition = (error: unknown, failures: number) => {
      asked.push([error, failures])
      return failures < 2
    }
    expect(await ask({ condition }, 1, 'e')).toBe(0)
    expect(await ask({ condition }, 2, 'e')).toBeNull()
    expect(asked).toEqual([
      ['e', 1],
      ['e', 2],
    ])
    const broken = () => Promise.reject(new Error('broken condition'))
    expect(await ask({ condition: broken })).toBeNull()
  })

  it('by a delay that cannot be worked out', async () => {
    const delayMs = () => {
      throw new Error('broken delay')
    }
    expect(await ask({ delayMs })).toBeNull()
  })

  it('when the budget of its target is spent, until time refills it', async () => {
    const budget = retryBudget({ perSecond: 2, burst: 3 })
    const at = (now: number) => ask({ budget }, 1, new Error('no'), now)
    expect([await at(0), await at(0), await at(0), await at(0)]).toEqual([0, 0, 0, null])
    expect([await at(400), await at(500), await at(500)]).toEqual([null, 0, null])
    expect([await at(60_000), await at(60_000), await at(60_000), await at(60_000)]).toEqual([0, 0, 0, null])
  })

  it('at no cost to the budget when something else refuses it', async () => {
    const budget = retryBudget({ perSecond: 1, burst: 1 })
    expect(await ask({ budget }, 1, new NonRetryableError('no'))).toBeNull()
    expect(await ask({ budget })).toBe(0)
  })
})

describe('what an error asks for', () => {
  const now = Date.UTC(2026, 0, 1)
  const cases: readonly [string, unknown, number][] = [
    ['milliseconds', { retryAfterMs: 1_500 }, 1_500],
    ['seconds', { retryAfter: 2 }, 2_000],
    ['seconds as text', { retryAfter: '3' }, 3_000],
    ['a date', { retryAfter: new Date(now + 5_000) }, 5_000],
    ['an HTTP date', { retryAfter: 'Thu, 01 Jan 2026 00:01:00 GMT' }, 60_000],
    ['a date that has passed', { retryAfter: new Date(now - 5_000) }, 0],
    ['a header', { headers: { 'Retry-After': '7' } }, 7_000],
    ['a header of fetch', { response: { headers: new Headers({ 'retry-after': '8' }) } }, 8_000],
    ['nonsense', { retryAfter: 'soon' }, 0],
    ['an empty header', { headers: { 'retry-after': '' } }, 0],
    ['nothing', new Error('plain'), 0],
    ['no error at all', 'a text', 0],
  ]
  for (const [what, error, expected] of cases)
    it(`as ${what}`, async () => {
      expect(await ask({}, 1, error, now)).toBe(expected)
    })

  it('counts when it is longer than the policy’s own wait', async () => {
    expect(await ask({ delayMs: 100 }, 1, { retryAfterMs: 5_000 })).toBe(5_000)
    expect(await ask({ delayMs: 9_000 }, 1, { retryAfterMs: 5_000 })).toBe(9_000)
  })
})
