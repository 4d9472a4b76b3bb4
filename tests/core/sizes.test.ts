import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatSize, parseSize } from '../../src/core/index.ts'

describe('a size', () => {
  it.each<[given: number | string, bytes: number]>([
    [0, 0],
    [1500, 1500],
    ['1500', 1500],
    ['1B', 1],
    ['64KiB', 65_536],
    ['1.5 MiB', 1_572_864],
    [' 2gib ', 2 * 1024 ** 3],
    ['1TiB', 1024 ** 4],
  ])('given as %s is %d bytes', (given, bytes) => {
    expect(parseSize(given)).toBe(bytes)
  })

  it.each([
    '',
    'KiB',
    '1MB',
    '1K',
    '-1',
    '1e3',
    '1,5MiB',
    '1KiB2B',
    '9000000TiB',
    Number.NaN,
    -1,
    Number.POSITIVE_INFINITY,
  ])('given as %s is not a size', (given) => {
    expect(parseSize(given)).toBeUndefined()
  })

  it('is shown with the largest unit that leaves it whole', () => {
    expect([0, 1, 1023, 1024, 1536, 1024 ** 2, 3 * 1024 ** 4, 1024 ** 5].map(formatSize)).toEqual([
      '0B',
      '1B',
      '1023B',
      '1KiB',
      '1536B',
      '1MiB',
      '3TiB',
      '1024TiB',
    ])
  })

  it('reads back as exactly the same number of bytes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(5), (bytes, power) => {
        const size = Math.floor(bytes / 1024 ** power) * 1024 ** power
        expect(parseSize(formatSize(size))).toBe(size)
      }),
    )
  })
})
