/** Waiting for something, but not for ever. */

import { type Clock, sleep } from './clock.ts'

/** Whether it settled within this time. */
export async function settlesWithin(clock: Clock, ms: number, promise: Promise<unknown>): Promise<boolean> {
  const settled = new AbortController()
  const late = sleep(clock, ms, settled.signal).then(
    () => false,
    () => true,
  )
  const stop = () => settled.abort()
  promise.then(stop, stop)
  return late
}
