import { describe, expect, it } from 'vitest'
import {
  type Candidate,
  type Clock,
  isCallboardError,
  randomOrder,
  seededRandom,
  sleep,
  virtualClock,
} from '../../src/core/index.ts'

const DAY = 86_400_000

/** Arms one timer for each delay; the names come back in the order they ran. */
function arm(clock: Clock, delays: Readonly<Record<string, number>>, ran: string[] = []): string[] {
  for (const [name, ms] of Object.entries(delays)) clock.setTimer(ms, () => ran.push(name))
  return ran
}

describe('the virtual clock', () => {
  it('stands still until it is driven', async () => {
    const clock = virtualClock({ startMs: 1_000 })
    const ran = arm(clock, { now: 0 })
    clock.defer(() => ran.push('deferred'))
    await clock.settle()
    expect(ran).toEqual([])
    expect([clock.now(), clock.monotonic(), clock.armed]).toEqual([1_000, 0, 2])
  })

  it('runs what is due in the order of due times and ends exactly where it was sent', async () => {
    const clock = virtualClock({ startMs: 0 })
    const seen: number[] = []
    for (const ms of [300, 100, 200, 901]) clock.setTimer(ms, () => seen.push(clock.now()))
    await clock.advance(900)
    expect(seen).toEqual([100, 200, 300])
    expect(clock.now()).toBe(900)
    await clock.advance(1)
    expect(seen).toEqual([100, 200, 300, 901])
  })

  it('runs timers of one instant in the order they were armed unless a chooser says otherwise', async () => {
    const clock = virtualClock()
    const ran = arm(clock, { a: 5, b: 5, c: 5 })
    await clock.advance(5)
    expect(ran).toEqual(['a', 'b', 'c'])
    const backwards = virtualClock({ choose: (candidates) => candidates.length - 1 })
    const reversed = arm(backwards, { a: 5, b: 5, c: 5, later: 6 })
    await backwards.advance(10)
    expect(reversed).toEqual(['c', 'b', 'a', 'later'])
  })

  it('runs deferred functions before any timer, also one that is due already', async () => {
    const clock = virtualClock()
    const ran = arm(clock, { timer: 0 })
    clock.defer(() => ran.push('deferred'))
    await clock.advance(0)
    expect(ran).toEqual(['deferred', 'timer'])
  })

  it('lets promise chains of any length come to rest between two functions', async () => {
    const clock = virtualClock()
    const ran: string[] = []
    clock.setTimer(1, async () => {
      for (let i = 0; i < 1_000; i++) await Promise.resolve()
      await new Promise<void>((resolve) => process.nextTick(resolve))
      ran.push('the chain of the first')
    })
    arm(clock, { second: 1 }, ran)
    await clock.advance(1)
    expect(ran).toEqual(['the chain of the first', 'second'])
  })

  it('tells the chooser what may run: kind, due time and the view it came from', async () => {
    const asked: (readonly Candidate[])[] = []
    const clock = virtualClock({
      choose: (candidates) => {
        asked.push(candidates.map(({ kind, due, view }) => ({ kind, due, view })))
        return 0
      },
    })
    const host = clock.view({ name: 'host' })
    host.setTimer(7, () => {})
    clock.setTimer(7, () => {})
    await clock.advance(7)
    expect(asked[0]).toEqual([
      { kind: 'timer', due: 7, view: 'host' },
      { kind: 'timer', due: 7, view: 'clock' },
    ])
  })

  it('gives one history for one seed, and others for other seeds', async () => {
    const history = async (seed: number) => {
      const clock = virtualClock({ choose: randomOrder(seededRandom(seed)) })
      const ran: string[] = []
      const again = (name: string, left: number) => {
        ran.push(name)
        if (left > 0) clock.defer(() => again(name, left - 1))
      }
      for (const name of ['a', 'b', 'c', 'd']) clock.setTimer(1, () => again(name, 4))
      await clock.runUntilIdle()
      return ran.join('')
    }
    expect(await history(1)).toBe(await history(1))
    const others = await Promise.all([1, 2, 3, 4, 5].map(history))
    expect(new Set(others).size).toBeGreaterThan(1)
  })

  it('refuses a choice that is none of the candidates', async () => {
    const clock = virtualClock({ choose: () => 3 })
    arm(clock, { a: 1 })
    await expect(clock.advance(1)).rejects.toSatisfy((error) => isCallboardError(error, 'CB_E_BUG'))
  })

  it('runs timers armed by timers within the same advance', async () => {
    const clock = virtualClock({ startMs: 0 })
    const at: number[] = []
    const tick = () => {
      at.push(clock.now())
      clock.setTimer(10, tick)
    }
    clock.setTimer(10, tick)
    await clock.advance(45)
    expect(at).toEqual([10, 20, 30, 40])
  })

  it('cancels a timer once, twice, and after it fired', async () => {
    const clock = virtualClock()
    const ran: string[] = []
    const gone = clock.setTimer(1, () => ran.push('gone'))
    const fired = clock.setTimer(1, () => ran.push('fired'))
    gone.cancel()
    gone.cancel()
    await clock.advance(1)
    fired.cancel()
    expect(ran).toEqual(['fired'])
    expect(clock.armed).toBe(0)
  })

  it('cancels the right one of many timers that are due at the same instant', async () => {
    const clock = virtualClock()
    const ran: number[] = []
    const timers = Array.from({ length: 100 }, (_, i) => clock.setTimer(5, () => ran.push(i)))
    for (const [i, timer] of timers.entries()) if (i % 3 !== 0) timer.cancel()
    await clock.advance(5)
    expect(ran).toEqual(Array.from({ length: 34 }, (_, i) => i * 3))
  })

  it('holds a timer that is 40 days ahead, and ten thousand in one second', async () => {
    const clock = virtualClock({ startMs: 0 })
    const at: number[] = []
    clock.setTimer(40 * DAY, () => at.push(clock.now()))
    let fired = 0
    for (let i = 0; i < 10_000; i++) clock.setTimer(i / 10, () => fired++)
    await clock.advance(1_000)
    expect(fired).toBe(10_000)
    await clock.advance(40 * DAY - 1_001)
    expect(at).toEqual([])
    await clock.advance(1)
    expect(at).toEqual([40 * DAY])
  })

  it('takes a negative delay as at once and refuses one that is not finite', async () => {
    const clock = virtualClock()
    const ran = arm(clock, { negative: -50 })
    await clock.advance(0)
    expect(ran).toEqual(['negative'])
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => clock.setTimer(wrong, () => {})).toThrow(/finite/)
  })

  it('hands on what a function throws, and can be driven further', async () => {
    const clock = virtualClock()
    clock.setTimer(1, () => {
      throw new Error('from the timer')
    })
    const ran = arm(clock, { next: 2 })
    await expect(clock.advance(5)).rejects.toThrow('from the timer')
    await clock.advance(5)
    expect(ran).toEqual(['next'])
  })

  it('steps one function at a time and says when there is none', async () => {
    const clock = virtualClock({ startMs: 0 })
    const ran = arm(clock, { a: 10, b: 20 })
    expect(await clock.step()).toBe(true)
    expect([ran, clock.now()]).toEqual([['a'], 10])
    expect(await clock.step()).toBe(true)
    expect(await clock.step()).toBe(false)
    expect(clock.now()).toBe(20)
  })

  it('is idle when only timers are left that do not keep a process alive', async () => {
    const clock = virtualClock({ startMs: 0 })
    const ran = arm(clock, { work: 100 })
    clock.setTimer(50, () => ran.push('on the way'), { ref: false })
    clock.setTimer(5_000, () => ran.push('housekeeping'), { ref: false })
    await clock.runUntilIdle()
    expect([ran, clock.now(), clock.armed]).toEqual([['on the way', 'work'], 100, 1])
  })

  it('gives up on a part that re-arms itself for ever', async () => {
    const clock = virtualClock()
    const forever = () => void clock.setTimer(1_000, forever)
    forever()
    await expect(clock.runUntilIdle({ withinMs: 60_000 })).rejects.toThrow(/not idle after 60000 ms/)
  })

  it('drives a promise to its outcome, value or error', async () => {
    const clock = virtualClock({ startMs: 0 })
    const slow = async () => {
      await sleep(clock, 2 * 3_600_000)
      return clock.now()
    }
    expect(await clock.drive(slow())).toBe(7_200_000)
    expect(await clock.drive(Promise.resolve('at once'))).toBe('at once')
    await expect(clock.drive(Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  it('says so when a promise can never settle, or does not in time', async () => {
    const clock = virtualClock()
    await expect(clock.drive(new Promise(() => {}))).rejects.toThrow(/nothing is armed any more/)
    await expect(clock.drive(sleep(clock, 5_000), { withinMs: 1_000 })).rejects.toThrow(/within 1000 ms/)
  })

  it('is driven by one caller at a time', async () => {
    const clock = virtualClock()
    const first = clock.advance(10)
    await expect(clock.advance(10)).rejects.toThrow(/being driven already/)
    await first
    await clock.advance(1)
    expect(clock.monotonic()).toBe(11)
  })
})

describe('a view of the virtual clock', () => {
  it('has a wall clock of its own on the same time line', async () => {
    const clock = virtualClock({ startMs: 1_000_000 })
    const ahead = clock.view({ offsetMs: 3_600_000 })
    expect(ahead.now() - clock.now()).toBe(3_600_000)
    expect(ahead.monotonic()).toBe(clock.monotonic())
    const ran: string[] = []
    ahead.setTimer(10, () => ran.push('ahead'))
    clock.setTimer(20, () => ran.push('clock'))
    await clock.advance(20)
    expect(ran).toEqual(['ahead', 'clock'])
    expect([clock.now(), ahead.now()]).toEqual([1_000_020, 4_600_020])
  })

  it('jumps without moving anybody else, the monotonic line or a timer', async () => {
    const clock = virtualClock({ startMs: 0 })
    const host = clock.view()
    const at: number[] = []
    host.setTimer(100, () => at.push(host.now()))
    host.shift(-3_600_000)
    await clock.advance(100)
    expect(at).toEqual([-3_599_900])
    expect([clock.now(), host.monotonic()]).toEqual([100, 100])
  })

  it('holds everything back while frozen and runs it at once when thawed', async () => {
    const clock = virtualClock({ startMs: 0 })
    const host = clock.view()
    const ran: string[] = []
    host.setTimer(10, () => ran.push(`host at ${clock.now()}`))
    host.defer(() => ran.push('deferred'))
    clock.setTimer(20, () => ran.push(`other at ${clock.now()}`))
    host.freeze()
    await clock.advance(1_000)
    expect(ran).toEqual(['other at 20'])
    host.thaw()
    await clock.advance(0)
    expect(ran).toEqual(['other at 20', 'deferred', 'host at 1000'])
  })

  it('never runs anything again once killed', async () => {
    const clock = virtualClock()
    const host = clock.view()
    const ran = arm(host, { before: 10 })
    const others = arm(clock, { other: 10 })
    host.kill()
    host.thaw()
    arm(host, { after: 1 }, ran)
    host.defer(() => ran.push('deferred'))
    await clock.advance(100)
    expect([ran, others, clock.armed]).toEqual([[], ['other'], 0])
  })
})
