/**
 * How many elements of a map are under way at a time. What is under way is what takes memory: of tasks that are over in a
 * moment a few are enough to keep the log busy. Tasks that wait for something else are to wait side by side, so while
 * they end slowly the window grows; unless they are slow because this process, or its machine, has its hands full.
 *
 * Invariants
 * (M1) Elements are begun in order, never more than the window has room for.
 * (M2) After one that could not be followed no other is begun.
 * (M3) More at a time are begun only by a process that has time to spare: nothing would end any sooner.
 */

import type { Clock, Timer } from '../core/index.ts'

const FEWEST = 128
const MOST = 1_000
/** Fewer ends than the window holds, in this time, and it grows. */
const LOOK_MS = 100
/** Whoever works for a larger share of the time than this has none to spare. */
const HANDS_FULL = 0.9

/** Resolves when `run` has resolved for every place from 0 to `count`; rejects with the first error of any. */
export async function throughWindow(
  clock: Clock,
  count: number,
  run: (place: number) => Promise<void>,
): Promise<void> {
  const { promise: all, resolve, reject } = Promise.withResolvers<void>()
  let next = 0
  let running = 0
  let ended = 0
  let room = FEWEST
  let looking: Timer | undefined

  /** (M1) */
  function begin(): void {
    while (running < room && next < count) {
      running++
      void follow(next++)
    }
    if (running === 0) resolve()
  }

  async function follow(place: number): Promise<void> {
    try {
      await run(place)
    } catch (error) {
      next = count // (M2)
      return reject(error)
    }
    running--
    ended++
    begin()
  }

  function look(): void {
    if (room === MOST || next === count) return
    const began = clock.monotonic()
    const busyBefore = clock.busy()
    looking = clock.setTimer(
      LOOK_MS,
      () => {
        const share = (clock.busy() - busyBefore) / (clock.monotonic() - began)
        if (ended < room && share < HANDS_FULL) room = Math.min(MOST, 2 * room) // (M3)
        ended = 0
        begin()
        look()
      },
      { ref: false },
    )
  }

  begin()
  look()
  try {
    await all
  } finally {
    looking?.cancel()
  }
}
