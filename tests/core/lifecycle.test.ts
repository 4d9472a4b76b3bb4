import { describe, expect, it } from 'vitest'
import { service } from '../../src/core/index.ts'

/** A service whose hooks wait for us, and what was called on it. */
function handService() {
  const calls: string[] = []
  const starting = Promise.withResolvers<void>()
  const stopping = Promise.withResolvers<void>()
  const made = service('The worker', {
    start() {
      calls.push('start')
      return starting.promise
    },
    stop() {
      calls.push('stop')
      return stopping.promise
    },
  })
  return { ...made, calls, starting, stopping }
}

/** Whether a promise has settled by the time all promise chains have come to rest. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  return settled
}

describe('a service', () => {
  it('started twice is started once, and both callers get the same answer', async () => {
    const it = handService()
    const [first, second] = [it.start(), it.start()]
    expect(second).toBe(first)
    it.starting.resolve()
    await first
    await it.start()
    expect(it.calls).toEqual(['start'])
  })

  it('stopped before it was started can never be, and opened nothing', async () => {
    const it = handService()
    await it.stop()
    await expect(it.start()).rejects.toMatchObject({
      code: 'CB_E_STOPPED',
      message: expect.stringContaining('The worker'),
    })
    expect(it.calls).toEqual([])
  })

  it('stopped while it starts stops once it has started; who started it still gets the answer', async () => {
    const it = handService()
    const [started, stopped] = [it.start(), it.stop()]
    expect(await isSettled(stopped)).toBe(false)
    expect(it.calls).toEqual(['start'])
    it.starting.resolve()
    await started
    expect(await isSettled(stopped)).toBe(false)
    it.stopping.resolve()
    await stopped
    expect(it.calls).toEqual(['start', 'stop'])
  })

  it('stopped twice is stopped once', async () => {
    const it = handService()
    it.starting.resolve()
    it.stopping.resolve()
    await it.start()
    const [first, second] = [it.stop(), it.stop()]
    expect(second).toBe(first)
    await first
    expect(it.calls).toEqual(['start', 'stop'])
    await expect(it.start()).rejects.toMatchObject({ code: 'CB_E_STOPPED' })
  })

  it('that failed to start has nothing to stop, and says to each caller why it failed', async () => {
    const it = handService()
    const started = it.start()
    it.starting.reject(new Error('no port'))
    await expect(started).rejects.toThrow('no port')
    await expect(it.start()).rejects.toThrow('no port')
    await it.stop()
    expect(it.calls).toEqual(['start'])
  })
})
