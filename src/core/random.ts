/** Randomness comes in through this interface, so that a seed decides a whole history. */

import { randomFillSync } from 'node:crypto'

export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** `count` random bytes. */
  bytes(count: number): Uint8Array
}

const POOL_BYTES = 4096
let pool = new Uint8Array(0)
let used = 0

/** The machine's cryptographic randomness, drawn a page at a time: ids are made on the hot path. */
export const systemRandom: Random = {
  next() {
    const bytes = systemRandom.bytes(6)
    return bytes.reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 48
  },
  bytes(count) {
    if (count > POOL_BYTES) return randomFillSync(new Uint8Array(count))
    if (used + count > pool.length) {
      pool = randomFillSync(new Uint8Array(POOL_BYTES))
      used = 0
    }
    used += count
    return pool.subarray(used - count, used)
  },
}

/**
 * A seeded source for tests and simulation (xoshiro128**, Blackman and Vigna 2018). Not for secrets.
 */
export function seededRandom(seed: number): Random {
  const state = new Uint32Array(4)
  let mix = seed >>> 0
  for (let i = 0; i < 4; i++) {
    mix = (mix + 0x9e3779b9) >>> 0
    let word = mix
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
    state[i] = word ^ (word >>> 16)
  }
  const rotl = (x: number, k: number) => (x << k) | (x >>> (32 - k))
  const next32 = () => {
    let [a = 0, b = 0, c = 0, d = 0] = state
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotl(d, 11)
    state.set([a, b, c, d])
    return result
  }
  return {
    next: () => next32() / 2 ** 32,
    bytes: (count) => Uint8Array.from({ length: count }, () => next32() >>> 24),
  }
}
