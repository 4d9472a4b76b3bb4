import { describe, expect, test } from 'vitest'
import { virtualClock } from '../../src/core/index.ts'
import { throughWindow } from '../../src/sdk/map-window.ts'

/** A window over so many elements, of which each ends when the test says so. */
function windowOver(count: number, busyShare = 0) {
  const clock = virtualClock()
  const watched = { ...clock, busy: () => busyShare * clock.monotonic() }
  const under = new Map<number, PromiseWithResolvers<void>>()
  const begun: number[] = []
  const all = throughWindow(watched, count, (place) => {
    begun.push(place)
    const element = Promise.withResolvers<void>()
    under.set(place, element)
    return element.promise
  })
  const end = async (how: (element: PromiseWithResolvers<void>) => void, places = [...under.keys()]) => {
    for (const place of places) {
      const element = under.get(place)
      under.delete(place)
      if (element !== undefined) how(element)
    }
    await clock.settle()
  }
  return { clock, under, begun, all, endAll: () => end((element) => element.resolve()), end }
}

describe('the elements of a map', () => {
  test('are begun in order, the next when one has ended', async () => {
    const window = windowOver(130)
    expect(window.begun).toEqual(Array.from({ length: 128 }, (_, i) => i))
    await window.end((element) => element.resolve(), [5])
    expect(window.begun.slice(128)).toEqual([128])
    await window.endAll()
    await window.endAll()
    await window.all
    expect(window.begun).toHaveLength(130)
  })

  test('that end at once are few at a time, however many they are', async () => {
    const window = windowOver(5_000)
    let most = 0
    while (window.begun.length < 5_000) {
      most = Math.max(most, window.under.size)
      await window.endAll()
      await window.clock.advance(10)
    }
    await window.endAll()
    await window.all
    expect(most).toBe(128)
  })

  test('that take their time wait side by side, up to a thousand', async () => {
    const window = windowOver(5_000)
    await window.clock.advance(100)
    expect(window.under.size).toBe(256)
    await window.clock.advance(1_000)
    expect(window.under.size).toBe(1_000)
    while (window.under.size > 0) await window.endAll()
    await window.all
  })

  test('stay few at a time while the process has its hands full, however slowly they end', async () => {
    const window = windowOver(5_000, 0.95)
    await window.clock.advance(1_000)
    expect(window.under.size).toBe(128)
    while (window.under.size > 0) await window.endAll()
    await window.all
  })

  test('are all there is to wait for: no timer outlives them', async () => {
    const window = windowOver(200)
    while (window.under.size > 0) await window.endAll()
    await window.all
    expect(window.clock.armed).toBe(0)
  })

  test('are not begun any more after one that could not be followed', async () => {
    const window = windowOver(500)
    const refused = expect(window.all).rejects.toThrow('no')
    await window.end((element) => element.reject(new Error('no')), [3])
    await window.endAll()
    await refused
    expect(window.begun).toHaveLength(128)
  })

  test('may be none', async () => {
    await expect(windowOver(0).all).resolves.toBeUndefined()
  })
})
