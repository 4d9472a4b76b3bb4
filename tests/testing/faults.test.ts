import { describe, expect, it } from 'vitest'
import { memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import type { AppendOutcome, Broker, BrokerStatus, Claimed, Entry } from '../../src/broker/index.ts'
import {
  isCallboardError,
  type JsonValue,
  seededRandom,
  silentLogger,
  type VirtualClock,
  virtualClock,
} from '../../src/core/index.ts'
import {
  everywhere,
  type FaultPlan,
  type FaultRule,
  type FaultyBroker,
  faulty,
} from '../../src/testing/index.ts'

const unavailable = (error: unknown) => isCallboardError(error, 'CB_E_BROKER_UNAVAILABLE')
const forever = () => new AbortController().signal
const quiet: FaultPlan = { seed: 1 }
const rule = (
  operation: FaultRule['operation'],
  fault: FaultRule['fault'],
  nth = 1,
  target?: string,
): FaultPlan => ({
  seed: 1,
  rules: [target === undefined ? { operation, fault, nth } : { operation, fault, nth, target }],
})

interface World {
  readonly clock: VirtualClock
  /** The connection with faults. */
  readonly one: FaultyBroker
  /** One without, at the same place. */
  readonly two: Broker
}

/** Plays a scene on a virtual clock; both connections are stopped in the end, the dead ones let go of. */
async function scene(plan: FaultPlan, play: (world: World) => Promise<void>): Promise<void> {
  const clock = virtualClock()
  const place = memoryPlace({ clock })
  const deps = { clock, random: seededRandom(7), logger: silentLogger }
  const one = faulty(memoryBroker(place, deps, { claimTimeoutMs: 1_000 }), plan, deps)
  const two = memoryBroker(place, deps, { claimTimeoutMs: 1_000 })
  await clock.drive(Promise.all([one.start(), two.start()]))
  try {
    await play({ clock, one, two })
  } finally {
    await clock.drive(Promise.all([one.crash(), two.stop()]))
  }
}

/** Runs `promise` for a while; `undefined` when it has not settled by then. */
async function within<T>(clock: VirtualClock, promise: Promise<T>, ms: number): Promise<T | undefined> {
  let outcome: { value: T } | undefined
  promise.then(
    (value) => {
      outcome = { value }
    },
    () => {},
  )
  await clock.advance(ms)
  return outcome?.value
}

const append = (broker: Broker, subject: string, expect: number, nonce = `n${expect}`) =>
  broker.log.append(subject, [`"${subject}/${expect}"`], { expect, nonce })

const subjectsOf = async (clock: VirtualClock, broker: Broker, subject: string) =>
  (await clock.drive(Array.fromAsync(broker.log.read(subject)))).map((entry) => entry.rev)

describe('a plan of faults', () => {
  it('is refused when an operation cannot meet the fault, or the numbers are none', () => {
    const clock = virtualClock()
    const wrap = (plan: FaultPlan) =>
      faulty(memoryBroker(memoryPlace(), { clock, random: seededRandom(1), logger: silentLogger }), plan, {
        clock,
      })
    const wrong: readonly FaultPlan[] = [
      rule('log.append', 'reorder'),
      rule('log.append', 'lose-after', 0),
      { seed: 1, rates: { 'log.read': { double: 0.5 } } },
      { seed: 1, rates: { 'log.append': { delay: 1.5 } } },
      JSON.parse('{"seed":1,"rates":{"log.nothing":{"delay":0.5}}}'),
    ]
    for (const plan of wrong)
      expect(() => wrap(plan), JSON.stringify(plan)).toThrow(
        expect.objectContaining({ code: 'CB_E_SETTING_INVALID' }),
      )
  })

  it('gives the same history for the same seed, and another for another', async () => {
    const history = async (seed: number) => {
      const told: unknown[] = []
      const rates = everywhere(0.15, 'delay', 'lose-after', 'lose-before')
      await scene({ seed, rates }, async ({ clock, one }) => {
        for (let i = 0; i < 60; i++) {
          const outcome = await clock.drive(append(one, `s${i % 4}`, Math.floor(i / 4)))
          told.push(outcome.outcome)
        }
        told.push(...one.faults)
      })
      return told
    }
    expect(await history(1)).toEqual(await history(1))
    expect(await history(1)).not.toEqual(await history(2))
  })

  it('decides the nth call of one operation whatever the others do', async () => {
    const faultsOf = async (noise: boolean) => {
      const calls: unknown[] = []
      await scene({ seed: 5, rates: everywhere(0.2, 'delay') }, async ({ clock, one }) => {
        for (let i = 0; i < 40; i++) {
          await clock.drive(append(one, 's', i))
          if (noise) await clock.drive(one.log.last('s'))
        }
        calls.push(...one.faults.filter((f) => f.operation === 'log.append').map((f) => [f.call, f.kind]))
      })
      return calls
    }
    const alone = await faultsOf(false)
    expect(alone.length).toBeGreaterThan(2)
    expect(await faultsOf(true)).toEqual(alone)
  })

  it('meets a rate about as often as it says', async () => {
    await scene({ seed: 3, rates: { 'log.append': { delay: 0.3 } } }, async ({ clock, one }) => {
      for (let i = 0; i < 400; i++) await clock.drive(append(one, 's', i))
      expect(one.faults.length).toBeGreaterThan(80)
      expect(one.faults.length).toBeLessThan(160)
    })
  })

  it('writes down what happened, to what, which call it was, and when', async () => {
    await scene(rule('log.append', 'lose-after', 2, 'x'), async ({ clock, one }) => {
      await clock.drive(append(one, 'x', 0))
      await clock.drive(append(one, 'y', 0))
      await clock.advance(1_000)
      const at = clock.monotonic()
      await clock.drive(append(one, 'x', 1))
      expect(one.faults).toEqual([{ kind: 'lose-after', operation: 'log.append', target: 'x', call: 3, at }])
    })
  })
})

describe('an append with faults', () => {
  it('is unknown when its answer was lost, and found again by its nonce', async () => {
    await scene(rule('log.append', 'lose-after', 3, 'x'), async ({ clock, one, two }) => {
      const outcomes: AppendOutcome[] = []
      for (let rev = 0; rev < 3; rev++) outcomes.push(await clock.drive(append(one, 'x', rev)))
      expect(outcomes.map((o) => o.outcome)).toEqual(['appended', 'appended', 'unknown'])
      expect(await subjectsOf(clock, two, 'x')).toEqual([1, 2, 3])
      expect((await clock.drive(append(one, 'x', 2))).outcome).toBe('appended')
      expect(await subjectsOf(clock, two, 'x')).toEqual([1, 2, 3])
    })
  })

  it('is unknown when it never arrived, and written when repeated', async () => {
    await scene(rule('log.append', 'lose-before'), async ({ clock, one, two }) => {
      expect((await clock.drive(append(one, 'x', 0))).outcome).toBe('unknown')
      expect(await subjectsOf(clock, two, 'x')).toEqual([])
      expect((await clock.drive(append(one, 'x', 0))).outcome).toBe('appended')
      expect(await subjectsOf(clock, two, 'x')).toEqual([1])
    })
  })

  it('takes time when delayed', async () => {
    await scene({ ...rule('log.append', 'delay'), longestDelayMs: 10_000 }, async ({ clock, one }) => {
      const before = clock.monotonic()
      expect((await clock.drive(append(one, 'x', 0))).outcome).toBe('appended')
      expect(clock.monotonic()).toBeGreaterThan(before)
    })
  })
})

describe('queues, bus and keys with faults', () => {
  it('deliver an item twice, the second time as a redelivery, and it is done when either is', async () => {
    await scene(rule('queue.item', 'double'), async ({ clock, one }) => {
      await clock.drive(one.queue.enqueue('q', 1, { id: 'twice' }))
      const [first] = await clock.drive(one.queue.claim(['q'], 5, forever()))
      const [second] = await clock.drive(one.queue.claim(['q'], 5, forever()))
      expect([first?.id, first?.delivery, second?.id, second?.delivery]).toEqual(['twice', 1, 'twice', 2])
      await clock.drive(Promise.all([first?.ack(), second?.ack()]))
      await clock.drive(one.queue.enqueue('q', 2, { id: 'next' }))
      const rest = await clock.drive(one.queue.claim(['q'], 5, forever()))
      expect(rest.map((claimed) => claimed.id)).toEqual(['next'])
    })
  })

  it('lose an acknowledgement, before or after it arrived', async () => {
    for (const [fault, comesAgain] of [
      ['lose-before', true],
      ['lose-after', false],
    ] as const)
      await scene(rule('queue.ack', fault), async ({ clock, one }) => {
        await clock.drive(one.queue.enqueue('q', 1, { id: 'x' }))
        const [claimed] = await clock.drive(one.queue.claim(['q'], 1, forever()))
        await expect(clock.drive(claimed?.ack() ?? Promise.resolve())).rejects.toSatisfy(unavailable)
        const again = await within(clock, one.queue.claim(['q'], 1, forever()), 5_000)
        expect(again?.map((each) => each.delivery)).toEqual(comesAgain ? [2] : undefined)
      })
  })

  it('lose what a claim was answered with: it comes again', async () => {
    await scene(rule('queue.claim', 'lose-after'), async ({ clock, one }) => {
      await clock.drive(one.queue.enqueue('q', 1, { id: 'x' }))
      const [claimed] = await clock.drive(one.queue.claim(['q'], 1, forever()))
      expect(claimed?.delivery).toBe(2)
    })
  })

  it('carry messages twice, late, out of order or not at all', async () => {
    const heardWith = async (fault: 'delay' | 'double' | 'lose-before' | 'reorder') => {
      const heard: JsonValue[] = []
      await scene({ ...rule('bus.message', fault, 2), longestDelayMs: 100 }, async ({ clock, one, two }) => {
        await clock.drive(
          one.bus.subscribe('x', (message) => {
            heard.push(message.value)
            return undefined
          }),
        )
        for (const n of [1, 2, 3, 4]) await clock.drive(two.bus.publish('x', n))
        await clock.advance(1_000)
      })
      return heard
    }
    expect(await heardWith('delay')).toEqual([1, 2, 3, 4])
    expect(await heardWith('double')).toEqual([1, 2, 2, 3, 4])
    expect(await heardWith('lose-before')).toEqual([1, 3, 4])
    expect(await heardWith('reorder')).toEqual([1, 3, 4, 2])
  })

  it('publish twice, or to nobody, and whoever publishes does not notice', async () => {
    for (const [fault, expected] of [
      ['double', [1, 1]],
      ['lose-before', []],
      ['lose-after', [1]],
    ] as const)
      await scene(rule('bus.publish', fault), async ({ clock, one, two }) => {
        const heard: JsonValue[] = []
        await clock.drive(
          two.bus.subscribe('x', (message) => {
            heard.push(message.value)
            return undefined
          }),
        )
        await clock.drive(one.bus.publish('x', 1))
        await clock.advance(10)
        expect(heard).toEqual(expected)
      })
  })

  it('answer a request wrongly that nobody is home, or not at all', async () => {
    const asked = async (fault: 'deny' | 'double' | 'lose-after' | 'lose-before') => {
      let calls = 0
      let outcome = ''
      await scene(rule('bus.request', fault), async ({ clock, one, two }) => {
        await clock.drive(two.bus.subscribe('x', () => ++calls))
        outcome = (await clock.drive(one.bus.request('x', 1))).outcome
        await clock.advance(10)
      })
      return [outcome, calls]
    }
    expect(await asked('deny')).toEqual(['nobody-home', 0])
    expect(await asked('lose-before')).toEqual(['timeout', 0])
    expect(await asked('lose-after')).toEqual(['timeout', 1])
    expect(await asked('double')).toEqual(['reply', 2])
  })

  it('write a key or not, and say only that they do not know', async () => {
    for (const [fault, written] of [
      ['lose-after', true],
      ['lose-before', false],
    ] as const)
      await scene(rule('kv.create', fault), async ({ clock, one, two }) => {
        const bucket = await clock.drive(one.kv.bucket('b'))
        await expect(clock.drive(bucket.create('k', 1))).rejects.toSatisfy(unavailable)
        const there = await clock.drive((await clock.drive(two.kv.bucket('b'))).get('k'))
        expect(there !== undefined).toBe(written)
      })
  })

  it('tell the changes of keys late, but in order, and catch up only then', async () => {
    await scene({ seed: 2, rates: { 'kv.change': { delay: 0.5 } } }, async ({ clock, one, two }) => {
      const [bucket, writer] = [await clock.drive(one.kv.bucket('b')), await clock.drive(two.kv.bucket('b'))]
      for (let i = 0; i < 10; i++) await clock.drive(writer.put(`there.${i}`, i))
      const told: string[] = []
      const watch = await clock.drive(
        bucket.watch('', (change) => told.push(change.kind === 'put' ? change.entry.key : `-${change.key}`)),
      )
      await clock.drive(watch.caughtUp)
      expect(told.length).toBe(10)
      for (let i = 0; i < 10; i++) await clock.drive(writer.put(`new.${i}`, i))
      await clock.advance(5_000)
      expect(told.slice(10)).toEqual(Array.from({ length: 10 }, (_, i) => `new.${i}`))
      expect(one.faults.length).toBeGreaterThan(2)
    })
  })

  it('give followers smaller batches, late, and nothing else', async () => {
    await scene(
      { seed: 4, rates: { 'log.batch': { split: 0.4, delay: 0.4 } } },
      async ({ clock, one, two }) => {
        const seen: Entry[] = []
        const sizes: number[] = []
        for (let rev = 0; rev < 30; rev++) await clock.drive(append(two, 'x', rev))
        const following = await clock.drive(
          one.log.follow({ partitions: 'all' }, 'start', (batch) => {
            sizes.push(batch.length)
            seen.push(...batch)
          }),
        )
        await clock.drive(following.caughtUp)
        for (let rev = 30; rev < 60; rev++) await clock.drive(append(two, 'x', rev))
        await clock.advance(10_000)
        expect(seen.map((entry) => entry.rev)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
        expect(sizes).not.toContain(0)
        expect(one.faults.length).toBeGreaterThan(3)
      },
    )
  })
})

describe('a connection that is cut', () => {
  it('settles an append when healed in time, and calls it unknown when not', async () => {
    await scene({ ...quiet, settleMs: 2_000 }, async ({ clock, one, two }) => {
      one.cut()
      const early = append(one, 'x', 0)
      expect(await within(clock, early, 1_000)).toBeUndefined()
      expect(await subjectsOf(clock, two, 'x')).toEqual([])
      one.heal()
      expect((await clock.drive(early)).outcome).toBe('appended')
      one.cut()
      const late = append(one, 'x', 1)
      expect((await within(clock, late, 2_000))?.outcome).toBe('unknown')
      one.heal()
      expect(await subjectsOf(clock, two, 'x')).toEqual([1])
    })
  })

  it('makes calls unavailable after their time', async () => {
    await scene({ ...quiet, callTimeoutMs: 300 }, async ({ clock, one }) => {
      const bucket = await clock.drive(one.kv.bucket('b'))
      one.cut()
      const calls: readonly (() => Promise<unknown>)[] = [
        () => one.log.last('x'),
        () => Array.fromAsync(one.log.read('x')),
        () => one.queue.enqueue('q', 1, { id: 'i' }),
        () => bucket.put('k', 1),
        () => one.objects.get('o'),
      ]
      for (const call of calls) await expect(clock.drive(call())).rejects.toSatisfy(unavailable)
    })
  })

  it('tells its status, and heals by itself when the plan cut it', async () => {
    await scene({ ...rule('log.last', 'cut', 2), cutMs: 700 }, async ({ clock, one }) => {
      const told: BrokerStatus[] = []
      one.onStatus((status) => told.push(status))
      await clock.drive(one.log.last('x'))
      const before = clock.monotonic()
      await clock.drive(one.log.last('x'))
      expect(clock.monotonic() - before).toBe(700)
      expect(told).toEqual(['disconnected', 'connected'])
      expect(one.faults.map((fault) => fault.kind)).toEqual(['cut', 'cut', 'heal'])
    })
  })

  it('holds back a follower and a watcher, loses messages, and makes a claim anew', async () => {
    await scene(quiet, async ({ clock, one, two }) => {
      const seen: number[] = []
      const changes: string[] = []
      const heard: JsonValue[] = []
      const [mine, theirs] = [await clock.drive(one.kv.bucket('b')), await clock.drive(two.kv.bucket('b'))]
      await clock.drive(
        one.log.follow({ partitions: 'all' }, 'start', (batch) => void seen.push(...batch.map((e) => e.rev))),
      )
      await clock.drive(
        mine.watch('', (change) => changes.push(change.kind === 'put' ? change.entry.key : '-')),
      )
      await clock.drive(
        one.bus.subscribe('x', (message) => {
          heard.push(message.value)
          return 'home'
        }),
      )
      const claiming = one.queue.claim(['q'], 1, forever())
      await clock.advance(10)
      one.cut()
      for (let rev = 0; rev < 3; rev++) await clock.drive(append(two, 'x', rev))
      await clock.drive(theirs.put('k', 1))
      await clock.drive(two.bus.publish('x', 'lost'))
      expect((await clock.drive(two.bus.request('x', 'asked'))).outcome).toBe('timeout')
      await clock.drive(two.queue.enqueue('q', 1, { id: 'x' }))
      expect(await within(clock, claiming, 5_000)).toBeUndefined()
      expect([seen, changes, heard]).toEqual([[], [], []])
      one.heal()
      const claimed = await clock.drive(claiming)
      await clock.advance(100)
      expect(claimed.map(({ id, delivery }) => [id, delivery])).toEqual([['x', 1]])
      expect([seen, changes, heard]).toEqual([[1, 2, 3], ['k'], []])
    })
  })

  it('lets an aborted claim and a stopped following go', async () => {
    await scene(quiet, async ({ clock, one, two }) => {
      const seen: Entry[] = []
      const following = await clock.drive(
        one.log.follow({ partitions: 'all' }, 'start', (batch) => void seen.push(...batch)),
      )
      const abort = new AbortController()
      const claiming = one.queue.claim(['q'], 1, abort.signal)
      one.cut()
      await clock.drive(append(two, 'x', 0))
      abort.abort()
      expect(await clock.drive(claiming)).toEqual([])
      await clock.drive(following.stop())
      one.heal()
      await clock.advance(1_000)
      expect(seen).toEqual([])
    })
  })

  it('can be stopped, and leaves no timer behind', async () => {
    const clock = virtualClock()
    const deps = { clock, random: seededRandom(7), logger: silentLogger }
    const plan: FaultPlan = { seed: 1, rates: everywhere(1, 'delay'), longestDelayMs: 60_000 }
    const one = faulty(memoryBroker(memoryPlace({ clock }), deps), plan, deps)
    await clock.drive(one.start())
    const delayed = append(one, 'x', 0)
    const claiming = one.queue.claim(['q'], 1, forever())
    await clock.settle()
    const before = clock.monotonic()
    const stopping = one.stop()
    expect((await clock.drive(delayed)).outcome).toBe('appended')
    expect(await clock.drive(claiming)).toEqual([])
    await clock.drive(stopping)
    expect([clock.monotonic(), clock.armed]).toEqual([before, 0])
  })
})

describe('a process that crashes', () => {
  it('hears nothing any more: no answer, no entry, no message, no item', async () => {
    await scene(quiet, async ({ clock, one, two }) => {
      const seen: unknown[] = []
      const settled: string[] = []
      const note = (what: string, promise: Promise<unknown>) =>
        void promise.then(
          () => settled.push(what),
          () => settled.push(what),
        )
      const following = await clock.drive(
        one.log.follow({ partitions: 'all' }, 'start', (batch) => void seen.push(...batch)),
      )
      await clock.drive(
        one.bus.subscribe('x', (message) => {
          seen.push(message)
          return 'home'
        }),
      )
      one.onStatus((status) => seen.push(status))
      note('ended', following.ended)
      note('claim', one.queue.claim(['q'], 1, forever()))
      note('append', append(one, 'x', 0))
      const buried = one.crash()
      note('append after', append(one, 'y', 0))
      note('start', one.start())
      note('stop', one.stop())
      note('last', one.log.last('x'))
      await clock.drive(buried)
      await clock.drive(append(two, 'z', 0))
      await clock.drive(two.bus.publish('x', 1))
      expect((await clock.drive(two.bus.request('x', 1))).outcome).toBe('nobody-home')
      await clock.drive(two.queue.enqueue('q', 1, { id: 'i' }))
      await clock.advance(60_000)
      expect([seen, settled]).toEqual([[], []])
      expect(await subjectsOf(clock, two, 'y')).toEqual([])
    })
  })

  it('leaves what it held to others', async () => {
    await scene(quiet, async ({ clock, one, two }) => {
      await clock.drive(two.queue.enqueue('q', 1, { id: 'held' }))
      await clock.drive(one.queue.claim(['q'], 1, forever()))
      await clock.drive(one.crash())
      const [again]: readonly Claimed[] = await clock.drive(two.queue.claim(['q'], 1, forever()))
      expect([again?.id, again?.delivery]).toEqual(['held', 2])
    })
  })

  it('has written or not, as the rule says', async () => {
    for (const [fault, revs] of [
      ['crash-after', [1]],
      ['crash-before', []],
    ] as const)
      await scene(rule('log.append', fault), async ({ clock, one, two }) => {
        expect(await within(clock, append(one, 'x', 0), 60_000)).toBeUndefined()
        expect(await subjectsOf(clock, two, 'x')).toEqual(revs)
        expect(one.faults.map((f) => f.kind)).toEqual([fault, 'crash'])
      })
  })

  it('dies while it handles a batch, before or after', async () => {
    for (const [fault, handled] of [
      ['crash-after', 1],
      ['crash-before', 0],
    ] as const)
      await scene(rule('log.batch', fault), async ({ clock, one, two }) => {
        let calls = 0
        await clock.drive(one.log.follow({ partitions: 'all' }, 'start', () => void calls++))
        await clock.drive(append(two, 'x', 0))
        await clock.advance(1_000)
        await clock.drive(append(two, 'x', 1))
        await clock.advance(1_000)
        expect(calls).toBe(handled)
      })
  })

  it('has written or not what was on its way, as the seed says', async () => {
    const found = new Set<number>()
    for (let seed = 1; seed <= 12; seed++)
      await scene(
        { ...rule('log.append', 'delay'), seed, longestDelayMs: 1_000 },
        async ({ clock, one, two }) => {
          void append(one, 'x', 0)
          await clock.settle()
          void one.crash()
          await clock.advance(5_000)
          found.add((await subjectsOf(clock, two, 'x')).length)
        },
      )
    expect([...found].sort()).toEqual([0, 1])
  })
})
