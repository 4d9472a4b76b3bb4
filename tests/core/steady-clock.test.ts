import { describe, expect, test } from 'vitest'
import { SteadyClock, type VirtualClock, virtualClock } from '../../src/core/index.ts'
import { type Line, recordingLogger } from '../scheduler/stage.ts'

const HOUR_MS = 3_600_000

function make(offsetMs = 0) {
  const clock: VirtualClock = virtualClock()
  const view = clock.view({ offsetMs })
  const lines: Line[] = []
  const steady = new SteadyClock({ clock: view, logger: recordingLogger(lines) })
  /** The broker says its time. */
  const hear = () => steady.observe(clock.now(), clock.monotonic(), clock.monotonic())
  return { clock, view, lines, steady, hear }
}

describe('a steady clock', () => {
  test('goes as the wall does', async () => {
    const { clock, steady } = make()
    await clock.advance(90_000)
    expect(steady.now()).toBe(clock.now())
  })

  test('follows small corrections without a word', () => {
    const { view, steady, lines } = make()
    view.shift(-800)
    expect(steady.now()).toBe(view.now())
    expect(lines).toEqual([])
  })

  for (const jumpMs of [HOUR_MS, -HOUR_MS])
    test(`[scenario 31] does not follow a jump of ${jumpMs / HOUR_MS} h, and says so once`, async () => {
      const { clock, view, steady, lines, hear } = make()
      hear()
      view.shift(jumpMs)
      await clock.advance(5_000)
      expect(steady.now()).toBe(clock.now())
      hear()
      expect(steady.now()).toBe(clock.now())
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatchObject({ level: 'warn', facts: { jumpMs, followed: false } })
    })

  test('follows a jump that brings it to where the broker is, and says so', () => {
    const { clock, view, steady, lines, hear } = make(-HOUR_MS)
    hear()
    expect(lines).toMatchObject([{ level: 'warn', facts: { aheadMs: -HOUR_MS } }])
    view.shift(HOUR_MS)
    expect(steady.now()).toBe(clock.now())
    expect(lines[1]).toMatchObject({ level: 'warn', facts: { jumpMs: HOUR_MS, followed: true } })
  })

  test('disagrees with the broker all along: it is said once, and again after it was right in between', () => {
    const { view, lines, hear } = make(60_000)
    hear()
    hear()
    expect(lines).toHaveLength(1)
    view.shift(-60_000)
    hear()
    view.shift(500)
    hear()
    expect(lines.filter(({ facts }) => 'aheadMs' in facts)).toHaveLength(1)
  })

  test('knows the broker’s time once it has heard it', async () => {
    const { clock, steady, hear } = make(60_000)
    expect(steady.brokerNow()).toBe(steady.now())
    hear()
    await clock.advance(1_000)
    expect(steady.brokerNow()).toBe(clock.now())
  })
})
