import { describe, expect, test } from 'vitest'
import { countLine, countOf, isGreen } from '../../scripts/lib/tests.ts'

describe('the closing count of npm test', () => {
  test('names passed and failed, and skipped only when some were', () => {
    expect(countLine({ passed: 12, failed: 0, skipped: 0 })).toBe('12 passed, 0 failed')
    expect(countLine({ passed: 12, failed: 1, skipped: 3 })).toBe('12 passed, 1 failed, 3 skipped')
  })

  test('is green when something passed and nothing failed', () => {
    expect(isGreen(countOf({ passed: 1, failed: 0, skipped: 5 }, 0))).toBe(true)
    expect(isGreen(countOf({ passed: 1, failed: 1, skipped: 0 }, 1))).toBe(false)
  })

  test('is not green when nothing ran, or everything was skipped', () => {
    expect(countOf({ passed: 0, failed: 0, skipped: 0 }, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
    expect(countOf({ passed: 0, failed: 0, skipped: 9 }, 0)).toEqual({ passed: 0, failed: 1, skipped: 9 })
  })

  test('counts a failure when Vitest failed outside of any test', () => {
    expect(countOf({ passed: 40, failed: 0, skipped: 0 }, 1)).toEqual({ passed: 40, failed: 1, skipped: 0 })
  })

  test('counts a failure when Vitest ended without a report', () => {
    expect(countOf(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
    expect(countOf(undefined, 134)).toEqual({ passed: 0, failed: 1, skipped: 0 })
  })
})
