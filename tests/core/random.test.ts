import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Random, seededRandom, systemRandom } from '../../src/core/index.ts'

const sources: [name: string, source: Random][] = [
  ['the system’s source', systemRandom],
  ['a seeded source', seededRandom(1)],
  ['a seeded source with seed 0', seededRandom(0)],
]

describe.each(sources)('%s', (_, source) => {
  it('draws numbers from [0, 1), evenly', () => {
    const bins = new Array<number>(16).fill(0)
    for (let i = 0; i < 16_000; i++) {
      const drawn = source.next()
      expect(drawn >= 0 && drawn < 1).toBe(true)
      const bin = Math.floor(drawn * 16)
      bins[bin] = (bins[bin] ?? 0) + 1
    }
    // 1,000 each expected, with a standard deviation of 31: six of them are never reached by chance.
    expect(Math.min(...bins)).toBeGreaterThan(810)
    expect(Math.max(...bins)).toBeLessThan(1190)
  })

  it('draws bytes, evenly in every bit, in any amount', () => {
    for (const count of [0, 1, 18, 4095, 4096, 4097, 10_000]) expect(source.bytes(count)).toHaveLength(count)
    const ones = new Array<number>(8).fill(0)
    for (let i = 0; i < 500; i++)
      for (const byte of source.bytes(32))
        for (let bit = 0; bit < 8; bit++) ones[bit] = (ones[bit] ?? 0) + ((byte >> bit) & 1)
    // 8,000 each expected, with a standard deviation of 63.
    for (const count of ones) expect(Math.abs(count - 8000)).toBeLessThan(400)
  })

  it('never hands out the same bytes twice', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 2000; i++) seen.add(Buffer.from(source.bytes(16)).toString('hex'))
    expect(seen.size).toBe(2000)
  })
})

describe('the system’s source', () => {
  it('keeps what was handed out as it was while it draws more', () => {
    const first = systemRandom.bytes(64)
    const copy = Uint8Array.from(first)
    for (let i = 0; i < 1000; i++) systemRandom.bytes(64)
    expect(first).toEqual(copy)
  })
})

describe('a seed', () => {
  it('decides everything that is drawn, whatever it is', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const [one, two] = [seededRandom(seed), seededRandom(seed)]
        const draw = (source: Random) => [source.next(), ...source.bytes(7), source.next()]
        expect(draw(one)).toEqual(draw(two))
      }),
    )
  })

  it('that differs draws something else', () => {
    const first = new Set(Array.from({ length: 5000 }, (_, seed) => seededRandom(seed).next()))
    expect(first.size).toBe(5000)
  })

  it('draws for ever what it draws today: recorded histories depend on it', () => {
    const source = seededRandom(42)
    expect([source.next(), source.next(), ...source.bytes(3)]).toMatchInlineSnapshot(`
      [
        0.6606157226487994,
        0.12688010395504534,
        28,
        208,
        20,
      ]
    `)
  })
})
