/**
 * Ids and partitions.
 *
 * Invariants
 * (I1) An id is 28 characters of `0-9a-v`: safe as a NATS subject token, a file name, a URL segment.
 * (I2) Ids sort by the time they were made (millisecond), and carry 80 random bits beyond it plus 10 more
 *      that may be spent on choosing the partition (I3).
 * (I3) The partition of a run is a hash of its id and of nothing else, so that whoever knows the id can
 *      find the run. A child run is minted into its root's partition.
 */

import type { Random } from './random.ts'

/** How many partitions there are. Fixed for ever: changing it would move runs between logs. */
export const PARTITIONS = 64

const DIGITS = '0123456789abcdefghijklmnopqrstuv'
const TIME_DIGITS = 10
const RANDOM_DIGITS = 18

/** The pattern every id and every name used as a subject token must match. */
export const TOKEN_PATTERN: RegExp = /^[A-Za-z0-9_-]{1,64}$/

/** True when `text` may stand as one token of a subject. */
export function isToken(text: string): boolean {
  return TOKEN_PATTERN.test(text)
}

/** The partition, 0 to 63, of the run with this id (32-bit FNV-1a, folded). */
export function partitionOf(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 16)) & (PARTITIONS - 1)
}

/**
 * A new id. With `partition`, one that hashes to it: the last two digits are walked until it does, which
 * always succeeds within their 1,024 values for any prefix (each step of the last digit changes the hash).
 */
export function newId(now: number, random: Random, partition?: number): string {
  let time = ''
  for (let left = now, i = 0; i < TIME_DIGITS; i++) {
    time = DIGITS[left % 32] + time
    left = Math.floor(left / 32)
  }
  let tail = ''
  for (const byte of random.bytes(RANDOM_DIGITS)) tail += DIGITS[byte & 31]
  const id = time + tail
  if (partition === undefined || partitionOf(id) === partition) return id
  const stem = id.slice(0, -2)
  for (let step = 0; step < 1024; step++) {
    const candidate = stem + DIGITS[step >> 5] + DIGITS[step & 31]
    if (partitionOf(candidate) === partition) return candidate
  }
  return newId(now, random, partition)
}

/** When an id was made, in milliseconds since the epoch. */
export function timeOfId(id: string): number {
  let time = 0
  for (const digit of id.slice(0, TIME_DIGITS)) time = time * 32 + DIGITS.indexOf(digit)
  return time
}
