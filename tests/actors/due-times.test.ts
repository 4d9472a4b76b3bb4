import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DueTimes } from '../../src/actors/due-times.ts'
import { virtualClock } from '../../src/core/index.ts'

describe('many due times over one timer', () => {
  it('each fire once, at their time, in order; those cancelled do not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            delay: fc.integer({ min: -5, max: 50 }),
            cancelAt: fc.option(fc.integer({ min: 0, max: 50 })),
          }),
          {
            maxLength: 60,
          },
        ),
        async (plans) => {
          const clock = virtualClock()
          const times = new DueTimes(clock)
          const fired: [number, number][] = []
          plans.forEach(({ delay, cancelAt }, index) => {
            const timer = times.after(delay, () => fired.push([index, clock.monotonic()]))
            if (cancelAt !== null) clock.setTimer(cancelAt, () => timer.cancel())
          })
          await clock.advance(100)
          const expected = plans.flatMap(({ delay, cancelAt }, index) => {
            const due = Math.max(0, delay)
            return cancelAt !== null && cancelAt < due ? [] : [[index, due] as const]
          })
          const sure = plans.filter(
            ({ delay, cancelAt }) => cancelAt === null || cancelAt !== Math.max(0, delay),
          )
          const firedAt = new Map(fired)
          expect(firedAt.size).toBe(fired.length)
          for (const [index, due] of expected)
            if (sure.includes(plans[index] ?? { delay: 0, cancelAt: 0 }))
              expect([index, firedAt.get(index)]).toEqual([index, due])
          expect(fired.map(([, at]) => at)).toEqual(fired.map(([, at]) => at).sort((a, b) => a - b))
          expect(times.size).toBe(0)
        },
      ),
    )
  })

  it('arm one timer, however many they are', () => {
    const clock = virtualClock()
    const times = new DueTimes(clock)
    for (let i = 0; i < 10_000; i++) times.after(10_000 - i, () => {})
    expect(times.size).toBe(10_000)
    expect(clock.armed).toBe(1)
    times.clear()
    expect([times.size, clock.armed]).toEqual([0, 0])
  })

  it('may be added to, and taken from, by what fires', async () => {
    const clock = virtualClock()
    const times = new DueTimes(clock)
    const fired: string[] = []
    const never = times.after(20, () => fired.push('never'))
    times.after(10, () => {
      fired.push('first')
      never.cancel()
      times.after(0, () => fired.push('at once'))
      times.after(15, () => fired.push('later'))
    })
    await clock.advance(100)
    expect(fired).toEqual(['first', 'at once', 'later'])
  })
})
