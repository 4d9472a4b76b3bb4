/**
 * Time comes in through this interface and nowhere else: nobody outside this file asks the machine what
 * time it is or arms a timer. That is what lets a test run two days in a millisecond and a simulation
 * replay a history byte for byte.
 */

/** An armed timer. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void
}

export interface TimerOptions {
  /** `false`: this timer alone does not keep the process alive. Default `true`. */
  readonly ref?: boolean
}

export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch. May jump. */
  now(): number
  /** Milliseconds since some fixed point. Never goes back; use it to measure spans. */
  monotonic(): number
  /** How many milliseconds this thread has been at work so far, or wanted to be; the rest of the time it had to wait for something. */
  busy(): number
  /** Calls `fn` once, `delayMs` from now and never sooner. Any finite delay is fine; negative means at once. */
  setTimer(delayMs: number, fn: () => void, options?: TimerOptions): Timer
  /** Calls `fn` after the current turn of the event loop; it waits for no timer. This is what gathers a group. */
  defer(fn: () => void): void
}

/** The longest delay the platform's own timers can hold; longer ones are chained. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  busy: () => performance.eventLoopUtilization().active,
  setTimer(delayMs, fn, options) {
    const due = performance.now() + Math.max(0, delayMs)
    let handle: NodeJS.Timeout
    const arm = () => {
      handle = setTimeout(fire, Math.min(Math.max(0, due - performance.now()), LONGEST_TIMER_MS))
      if (options?.ref === false) handle.unref()
    }
    // The platform counts from the start of the turn in which a timer was armed, so it may come early.
    const fire = () => (performance.now() < due ? arm() : fn())
    arm()
    return { cancel: () => clearTimeout(handle) }
  },
  defer: (fn) => void setImmediate(fn),
}

/**
 * Resolves after `ms`. When `signal` fires first it rejects with the signal's reason and the timer is gone.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal, options?: TimerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.setTimer(
      ms,
      () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      },
      options,
    )
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
