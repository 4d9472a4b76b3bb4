import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CallboardError, formatDuration, LONGEST_DURATION_MS, parseDuration } from '../../src/core/index.ts'

const DAY = 86_400_000

describe('a duration', () => {
  it.each<[input: number | string, ms: number]>([
    [90, 90_000],
    [0.25, 250],
    [0, 0],
    [-0, 0],
    ['90', 90_000],
    ['0', 0],
    ['1.5', 1500],
    ['250ms', 250],
    ['10m', 600_000],
    ['10s', 10_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    [' 2d12h ', 2.5 * DAY],
    ['1w', 7 * DAY],
    ['1w2d3h4m5s6ms', 9 * DAY + 3 * 3_600_000 + 4 * 60_000 + 5006],
    ['1.5h', 5_400_000],
    ['0.4ms', 0],
  ])('given as “%s” is %d milliseconds', (input, ms) => {
    expect(parseDuration(input)).toBe(ms)
  })

  it.each([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '',
    ' ',
    '-',
    'm',
    '10 minutes',
    '10M',
    '1e3',
    '.5s',
    '5.',
    '1h 30',
    '30m1h',
    '1h1h',
    '1ms5s',
    '1,5s',
    '--5s',
    '1h-5m',
    'Infinity',
  ])('given as “%s” is refused, in words that name it and what is allowed', (input) => {
    let thrown: unknown
    try {
      parseDuration(input, 'timeoutSeconds')
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(CallboardError)
    expect(thrown).toMatchObject({ code: 'CB_E_DURATION_INVALID' })
    const shown = typeof input === 'string' ? `'${input}'` : String(input)
    expect(thrown).toHaveProperty('message', expect.stringMatching(/^timeoutSeconds is .*'1h30m'/))
    expect(thrown).toHaveProperty('message', expect.stringContaining(`is ${shown}, which`))
  })

  it('given as something that is neither number nor text is refused', () => {
    for (const input of [null, undefined, {}, true, 5n, ['5'], new Date(0)])
      expect(() => Reflect.apply(parseDuration, undefined, [input])).toThrow(
        expect.objectContaining({ code: 'CB_E_DURATION_INVALID' }),
      )
  })

  it('must lie within its limits: not negative, and a hundred years at most, unless others are given', () => {
    expect(parseDuration('-1h30m', 'offset', { min: -2 * 3_600_000 })).toBe(-5_400_000)
    expect(parseDuration(-5, 'offset', { min: Number.NEGATIVE_INFINITY })).toBe(-5000)
    expect(parseDuration(LONGEST_DURATION_MS / 1000)).toBe(LONGEST_DURATION_MS)
    expect(() => parseDuration('-1ms')).toThrow('out of range. Allowed is from 0s to 36525d.')
    expect(() => parseDuration('36525d1ms')).toThrow('out of range')
    expect(() => parseDuration('9'.repeat(400))).toThrow('which is not a duration')
    expect(() => parseDuration('5s', 'The lease', { min: 10_000, max: 60_000 })).toThrow(
      "The lease is '5s', which is out of range. Allowed is from 10s to 1m.",
    )
  })

  it('a text of any length is judged in time that grows no faster than it', () => {
    expect(() => parseDuration(' '.repeat(500_000).concat('x'))).toThrow('not a duration')
    expect(() => parseDuration(`1${' '.repeat(500_000)}x`)).toThrow('not a duration')
    expect(() => parseDuration('1'.repeat(500_000).concat('x'))).toThrow('not a duration')
  })
})

describe('a duration for people', () => {
  it.each<[ms: number, text: string]>([
    [0, '0s'],
    [250, '250ms'],
    [999.6, '1s'],
    [1500, '1.5s'],
    [60_000, '1m'],
    [90_500, '1m30.5s'],
    [5_400_000, '1h30m'],
    [2.5 * DAY, '2d12h'],
    [DAY + 1, '1d0.001s'],
    [-5_400_000, '-1h30m'],
  ])('%d milliseconds are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  it('reads back as exactly the same number of milliseconds', () => {
    const anyMs = fc.oneof(fc.integer(), fc.integer({ min: -LONGEST_DURATION_MS, max: LONGEST_DURATION_MS }))
    fc.assert(
      fc.property(anyMs, (ms) => {
        expect(parseDuration(formatDuration(ms), 'it', { min: -LONGEST_DURATION_MS })).toBe(ms)
      }),
    )
  })
})
