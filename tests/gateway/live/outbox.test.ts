/** What waits for one connection, against an exit that takes as much as the test lets it. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Exit, type Lane, Outbox } from '../../../src/gateway/live/outbox.ts'
import { SharedEvent } from '../../../src/gateway/live/shared-event.ts'

const LIMITS = { bufferBytes: 1_000, bufferFrames: 100, highWaterBytes: 100, slowAfterMs: 10 }

/** Each look is a while later: whoever waits is slow. */
function passing() {
  let now = 0
  return { monotonic: () => (now += LIMITS.slowAfterMs) }
}

/** Everything happens at once. */
const STANDING = { monotonic: () => 0 }

/** Takes nothing by itself. */
class SlowExit implements Exit {
  readonly taken: string[] = []
  #waiting: { readonly text: string; readonly sent: () => void }[] = []

  get bufferedBytes(): number {
    return this.#waiting.reduce((sum, { text }) => sum + text.length, 0)
  }

  write(bytes: Buffer, sent: () => void): void {
    this.#waiting.push({ text: String(bytes), sent })
  }

  take(count = Infinity): void {
    for (let n = 0; n < count; n++) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.taken.push(next.text)
      next.sent()
    }
  }
}

class TestLane implements Lane {
  drops = 0
  overruns = 0
  newest: string | undefined
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  left(cursor: string): void {
    this.newest = cursor
  }

  overrun(): void {
    this.overruns++
  }

  dropped(): void {
    this.drops++
  }
}

const text = (of: string, size: number) => Buffer.from(of.padEnd(size, '.'))

const at = '2026-01-01T00:00:00.000Z'

/** Something that a run's code told of, or with a key, a state that the task run of that key entered. */
function tell(outbox: Outbox, lane: Lane, bytes: Buffer, cursor: string, key?: string): void {
  const state = { type: 'RUNNING', name: 'Running', timestamp: at, details: {} } as const
  const event = { id: cursor, event: 'said', run: 'run', timestamp: at, data: {} }
  const told =
    key === undefined
      ? ({ kind: 'event', at, data: event } as const)
      : ({ kind: 'task', at, data: { key, state } } as const)
  outbox.tell(lane, new SharedEvent('run', told, cursor), () => bytes)
}

describe('an outbox', () => {
  test('hands on at once while the exit flows, and in order once it does again', () => {
    const exit = new SlowExit()
    const outbox = new Outbox(exit, LIMITS, passing())
    const lane = new TestLane('a')
    for (let n = 0; n < 10; n++) tell(outbox, lane, text(`${n}`, 50), `c${n}`)
    expect(lane.newest).toBe('c1')
    outbox.say(Buffer.from('answer'))
    exit.take()
    expect(exit.taken.map((taken) => taken.replaceAll('.', ''))).toEqual([...'0123456789', 'answer'])
    expect([lane.newest, lane.drops]).toEqual(['c9', 0])
  })

  test('lets states be overtaken by later ones of the same thing before it drops anything', () => {
    const exit = new SlowExit()
    const outbox = new Outbox(exit, LIMITS, passing())
    const lane = new TestLane('a')
    tell(outbox, lane, text('first', 100), 'c0')
    for (let n = 0; n < 40; n++) tell(outbox, lane, text(`${n % 4}:${n}`, 50), `c${n + 1}`, `task ${n % 4}`)
    exit.take()
    const states = exit.taken.slice(1).map((taken) => taken.replaceAll('.', ''))
    expect(states.length).toBeLessThan(40)
    expect(states.slice(-4)).toEqual(['0:36', '1:37', '2:38', '3:39'])
    expect(lane.drops).toBe(0)
  })

  test('drops the lane that takes most of the room, tells it, and keeps the others whole', () => {
    const exit = new SlowExit()
    const outbox = new Outbox(exit, LIMITS, passing())
    const [wide, narrow] = [new TestLane('wide'), new TestLane('narrow')]
    tell(outbox, wide, text('first', 100), 'w')
    for (let n = 0; n < 5; n++) tell(outbox, narrow, text(`n${n}`, 10), `n${n}`)
    for (let n = 0; n < 30; n++) tell(outbox, wide, text(`w${n}`, 40), `w${n}`)
    expect([wide.drops, narrow.drops]).toEqual([1, 0])
    exit.take()
    expect(exit.taken.filter((taken) => taken.startsWith('n'))).toHaveLength(5)
    expect(narrow.newest).toBe('n4')
  })

  test('lets more wait for a moment, and takes nobody for slow who had no time to read', () => {
    const exit = new SlowExit()
    const outbox = new Outbox(exit, LIMITS, STANDING)
    const lane = new TestLane('a')
    for (let n = 0; n < 39; n++) tell(outbox, lane, text(`${n}`, 100), `c${n}`, 'key')
    expect([lane.overruns, lane.drops]).toEqual([0, 0])
    for (let n = 0; n < 5; n++) tell(outbox, lane, text(`${n}`, 100), `c${n}`, 'key')
    expect([lane.overruns, lane.drops]).toEqual([1, 0])
    exit.take()
    expect(exit.taken.length).toBeLessThan(10)
  })

  test('keeps what waits of a lane that is at its end, whatever comes after it', () => {
    const exit = new SlowExit()
    const outbox = new Outbox(exit, LIMITS, passing())
    const [ended, other] = [new TestLane('ended'), new TestLane('other')]
    for (let n = 0; n < 9; n++) tell(outbox, ended, text(`e${n}`, 100), `e${n}`)
    outbox.keep(ended)
    outbox.say(Buffer.from('end'))
    for (let n = 0; n < 30; n++) tell(outbox, other, text(`o${n}`, 100), `o${n}`)
    expect([ended.drops, ended.overruns]).toEqual([0, 0])
    expect(other.drops).toBeGreaterThan(0)
    exit.take()
    expect(exit.taken.slice(0, 10).map((taken) => taken.replaceAll('.', ''))).toEqual([
      ...Array.from({ length: 9 }, (_, n) => `e${n}`),
      'end',
    ])
  })

  test('does not count answers and snapshots, however large, as events that wait', () => {
    const exit = new SlowExit()
    const outbox = new Outbox(exit, LIMITS, passing())
    const lane = new TestLane('a')
    outbox.say(text('snapshot', 5_000))
    for (let n = 0; n < 10; n++) tell(outbox, lane, text(`${n}`, 50), `c${n}`)
    expect(lane.drops).toBe(0)
    exit.take()
    expect(exit.taken).toHaveLength(11)
  })

  test('is ready once the exit flows, or is gone', async () => {
    const exit = new SlowExit()
    const outbox = new Outbox(exit, LIMITS, passing())
    outbox.say(text('large', 500))
    const order: string[] = []
    const ready = outbox.ready().then(() => order.push('ready'))
    order.push('not yet')
    exit.take()
    await ready
    expect(order).toEqual(['not yet', 'ready'])
    outbox.say(text('large', 500))
    const never = outbox.ready()
    outbox.close()
    await never
  })

  test('stays within its limits and keeps the order of each lane, whatever comes', () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          lane: fc.nat(2),
          size: fc.integer({ min: 20, max: 120 }),
          key: fc.option(fc.nat(3)),
        }),
      },
      { weight: 2, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 8 }) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const exit = new SlowExit()
        const outbox = new Outbox(exit, LIMITS, passing())
        const lanes = ['a', 'b', 'c'].map((name) => new TestLane(name))
        let count = 0
        for (const one of steps) {
          if ('take' in one) exit.take(one.take)
          else {
            const lane = lanes[one.lane]
            if (lane === undefined) continue
            const key = one.key === null ? undefined : `k${one.key}`
            tell(outbox, lane, text(`${lane.name} ${++count} ${key}`, one.size), `${count}`, key)
          }
          // What is at the exit is within the high water and one frame more.
          expect(exit.bufferedBytes).toBeLessThan(LIMITS.highWaterBytes + 120)
        }
        exit.take()
        for (const { name } of lanes) {
          const numbers = exit.taken
            .filter((taken) => taken.startsWith(name))
            .map((taken) => Number(taken.split(' ')[1]))
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
        }
        // With nobody dropped, the newest of each key has left.
        if (lanes.every(({ drops }) => drops === 0)) {
          const given = new Set(exit.taken.map((taken) => Number(taken.split(' ')[1])))
          expect(count === 0 || given.has(count)).toBe(true)
        }
      }),
    )
  })
})
