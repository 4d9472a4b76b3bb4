import { describe, expect, it } from 'vitest'
import { type Clock, sleep, systemClock, type Timer } from '../../src/core/index.ts'

/** A clock that records what is armed and fires it when told. */
function handClock() {
  const armed = new Set<() => void>()
  let cancels = 0
  const clock: Clock = {
    ...systemClock,
    setTimer(_, fn): Timer {
      armed.add(fn)
      return {
        cancel() {
          cancels++
          armed.delete(fn)
        },
      }
    },
  }
  return { clock, armed, cancels: () => cancels }
}

/** Counts the listeners that a signal has. */
function countingSignal() {
  const controller = new AbortController()
  let listeners = 0
  const { signal } = controller
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--
    remove(...args)
  }
  return { controller, listeners: () => listeners }
}

describe('the system clock', () => {
  const fired = (delayMs: number) => new Promise<void>((resolve) => systemClock.setTimer(delayMs, resolve))

  it('fires a timer once, and never before its time', async () => {
    let times = 0
    for (const delay of [1, 2, 3, 5, 8]) {
      const from = systemClock.monotonic()
      await new Promise<void>((resolve) => {
        systemClock.setTimer(delay, () => {
          times++
          resolve()
        })
      })
      expect(systemClock.monotonic() - from).toBeGreaterThanOrEqual(delay)
    }
    await fired(10)
    expect(times).toBe(5)
  })

  it('fires at once when the delay is zero or negative', async () => {
    await Promise.all([fired(0), fired(-1), fired(-(10 ** 12))])
  })

  it('does not fire a timer that was cancelled, and bears a second cancel, also after it fired', async () => {
    let isFired = false
    const cancelled = systemClock.setTimer(1, () => {
      isFired = true
    })
    cancelled.cancel()
    cancelled.cancel()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = systemClock.setTimer(5, resolve)
    await promise
    timer.cancel()
    expect(isFired).toBe(false)
  })

  it('does not cut a delay down to what the platform can hold', async () => {
    let isFired = false
    const timer = systemClock.setTimer(2 ** 31 + 5, () => {
      isFired = true
    })
    await fired(10)
    timer.cancel()
    expect(isFired).toBe(false)
  })

  it('runs deferred functions after the promises of this turn, and lets them wait for no timer', async () => {
    const order: string[] = []
    const timer = systemClock.setTimer(60_000, () => order.push('timer'))
    await new Promise<void>((resolve) => {
      systemClock.defer(() => {
        order.push('deferred')
        resolve()
      })
      void Promise.resolve().then(() => order.push('promise'))
    })
    timer.cancel()
    expect(order).toEqual(['promise', 'deferred'])
  })

  it('has a wall clock in milliseconds and a monotonic one that never goes back', () => {
    expect(systemClock.now()).toBeGreaterThan(Date.UTC(2026, 0))
    let last = systemClock.monotonic()
    for (let i = 0; i < 1000; i++) {
      const next = systemClock.monotonic()
      expect(next).toBeGreaterThanOrEqual(last)
      last = next
    }
  })
})

describe('sleep', () => {
  it('resolves when its timer fires, and lets go of the signal', async () => {
    const { clock, armed } = handClock()
    const { controller, listeners } = countingSignal()
    const slept = sleep(clock, 1000, controller.signal)
    for (const fire of armed) fire()
    await expect(slept).resolves.toBeUndefined()
    expect(listeners()).toBe(0)
  })

  it('rejects with the reason of the signal when that fires first, and its timer is gone', async () => {
    const { clock, armed, cancels } = handClock()
    const controller = new AbortController()
    const slept = sleep(clock, 1000, controller.signal)
    controller.abort('enough')
    await expect(slept).rejects.toBe('enough')
    expect(armed.size).toBe(0)
    expect(cancels()).toBe(1)
  })

  it('rejects at once, and arms nothing, when the signal has fired before', async () => {
    const { clock, armed } = handClock()
    await expect(sleep(clock, 1000, AbortSignal.abort('already'))).rejects.toBe('already')
    expect(armed.size).toBe(0)
  })

  it('works on the system clock', async () => {
    await sleep(systemClock, 1)
    const controller = new AbortController()
    const slept = sleep(systemClock, 2 ** 40, controller.signal)
    controller.abort('woken')
    await expect(slept).rejects.toBe('woken')
  })
})
