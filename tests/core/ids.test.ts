import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isToken,
  mintId,
  newId,
  PARTITIONS,
  partitionOf,
  seededRandom,
  systemClock,
  systemRandom,
  timeOfId,
} from '../../src/core/index.ts'

const anyTime = fc.integer({ min: 0, max: 32 ** 10 - 1 })
const anySeed = fc.integer()
const anyPartition = fc.integer({ min: 0, max: PARTITIONS - 1 })

describe('an id', () => {
  it('is 28 characters that are safe in a subject, a file name and a URL', () => {
    fc.assert(
      fc.property(anyTime, anySeed, fc.option(anyPartition, { nil: undefined }), (now, seed, partition) => {
        const id = newId(now, seededRandom(seed), partition)
        expect(id).toMatch(/^[0-9a-v]{28}$/)
        expect(isToken(id)).toBe(true)
        expect(encodeURIComponent(id)).toBe(id)
      }),
    )
  })

  it('sorts by the time it was made, and tells it', () => {
    fc.assert(
      fc.property(anyTime, anyTime, anySeed, (a, b, seed) => {
        const random = seededRandom(seed)
        const [idA, idB] = [newId(a, random), newId(b, random, 7)]
        expect([timeOfId(idA), timeOfId(idB)]).toEqual([a, b])
        if (a !== b) expect(idA < idB).toBe(a < b)
      }),
    )
  })

  it('can be minted into each of the 64 partitions, and says by itself which it is in', () => {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      fc.assert(
        fc.property(anyTime, anySeed, (now, seed) => {
          expect(partitionOf(newId(now, seededRandom(seed), partition))).toBe(partition)
        }),
        { numRuns: 20 },
      )
    }
  })

  it('is unique: twenty thousand made in one millisecond, and for one partition, are all different', () => {
    const ids = new Set<string>()
    for (let i = 0; i < 10_000; i++) ids.add(newId(1, systemRandom)).add(newId(1, systemRandom, 63))
    expect(ids.size).toBe(20_000)
  })

  it('falls evenly into the partitions', () => {
    const counts = new Array<number>(PARTITIONS).fill(0)
    const random = seededRandom(3)
    for (let i = 0; i < 64_000; i++) {
      const partition = partitionOf(newId(1_790_000_000_000 + i, random))
      counts[partition] = (counts[partition] ?? 0) + 1
    }
    // 1,000 each expected, with a standard deviation of 31.
    expect(Math.min(...counts)).toBeGreaterThan(810)
    expect(Math.max(...counts)).toBeLessThan(1190)
  })

  it('is in the same partition for ever: logs lie where this says', () => {
    const ids = ['', 'a', '01k4x3v8g0abcdefghijklmnopqr', 'ZZZZ_-', 'vvvvvvvvvvvvvvvvvvvvvvvvvvvv']
    expect(ids.map(partitionOf)).toMatchInlineSnapshot(`
      [
        25,
        32,
        32,
        7,
        63,
      ]
    `)
  })

  it('can be made from the dependencies', () => {
    const id = mintId({ clock: { ...systemClock, now: () => 1234 }, random: systemRandom }, 5)
    expect(timeOfId(id)).toBe(1234)
    expect(partitionOf(id)).toBe(5)
  })
})

describe('a token', () => {
  it.each(['a', 'A-Z_09', 'x'.repeat(64)])('may be %s', (text) => {
    expect(isToken(text)).toBe(true)
  })

  it.each(['', 'a.b', 'a b', '*', '>', 'é', 'a\n', '$JS', 'x'.repeat(65)])('may not be %j', (text) => {
    expect(isToken(text)).toBe(false)
  })
})
