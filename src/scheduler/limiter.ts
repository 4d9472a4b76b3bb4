/** Doing many things with a bound on how many are under way, and waiting with a bound on how long. */

import type { Clock, Timer } from '../core/index.ts'

/** Runs `work` for each of `items`, at most `atOnce` at a time. Work must not throw: what does is the caller's bug. */
export async function settled<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const lane = async (first: T) => {
    await work(first)
    for (let next = iterator.next(); !next.done; next = iterator.next()) await work(next.value)
  }
  const lanes: Promise<void>[] = []
  while (lanes.length < atOnce) {
    const next = iterator.next()
    if (next.done) break
    lanes.push(lane(next.value))
  }
  await Promise.all(lanes)
}

/** A gate that lets `size` in at a time; the others wait in order. */
export class Gate {
  readonly #size: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(size: number) {
    this.#size = size
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#size) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#inside++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#inside--
    }
  }
}

/** Whether `work` is done within `ms`. Rejects when it does. */
export async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: Timer | undefined
  const tooLate = new Promise<false>((resolve) => {
    timer = clock.setTimer(ms, () => resolve(false), { ref: false })
  })
  try {
    return await Promise.race([work.then(() => true), tooLate])
  } finally {
    timer?.cancel()
  }
}
