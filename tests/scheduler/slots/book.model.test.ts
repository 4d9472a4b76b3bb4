/** The book against its invariants, under any order of wishes, releases, deaths and time. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SlotWant } from '../../../src/actors/index.ts'
import { SlotBook } from '../../../src/scheduler/slots/book.ts'
import type { Limit } from '../../../src/scheduler/slots/limit.ts'

const NAMES = ['a', 'b', 'c'] as const
const LEASE_MS = 10_000

type Step =
  | {
      readonly do: 'acquire'
      readonly run: number
      readonly limits: readonly string[]
      readonly n: number
      readonly ago: number
    }
  | { readonly do: 'release'; readonly run: number }
  | { readonly do: 'renew'; readonly worker: number }
  | { readonly do: 'lost'; readonly worker: number }
  | { readonly do: 'reset'; readonly limit: string }
  | { readonly do: 'pass'; readonly ms: number }

const run = fc.nat({ max: 11 })
const worker = fc.nat({ max: 2 })
const acquire = fc.record({
  do: fc.constant('acquire' as const),
  run,
  limits: fc.subarray([...NAMES, 'unknown'], { minLength: 1 }),
  n: fc.integer({ min: 1, max: 3 }),
  ago: fc.nat({ max: 5_000 }),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  acquire,
  acquire,
  fc.record({ do: fc.constant('release' as const), run }),
  fc.record({ do: fc.constant('renew' as const), worker }),
  fc.record({ do: fc.constant('lost' as const), worker }),
  fc.record({ do: fc.constant('reset' as const), limit: fc.constantFrom(...NAMES) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: 6_000 }) }),
)

interface Known {
  readonly want: SlotWant
  readonly worker: string
  /** In the order in which they were first asked for. */
  readonly seq: number
  /** Limits that were reset since it got in. */
  readonly excused: Set<string>
  until: number
}

/** What the book must be, kept the slow and obvious way. */
class Model {
  readonly holding = new Map<string, Known>()
  readonly waiting = new Map<string, Known>()
  readonly slots: Readonly<Record<string, number>>
  now = 0
  #seq = 0

  constructor(slots: Readonly<Record<string, number>>) {
    this.slots = slots
  }

  add(want: SlotWant, by: string): Known {
    return { want, worker: by, seq: this.#seq++, excused: new Set(), until: this.now + LEASE_MS }
  }

  demands({ limits, occupy = 1 }: SlotWant): [string, number][] {
    return limits.flatMap((name): [string, number][] => (name in this.slots ? [[name, occupy]] : []))
  }

  taken(name: string): number {
    return this.holdersOf(name).reduce((sum, { slots }) => sum + slots, 0)
  }

  holdersOf(name: string): { run: string; slots: number }[] {
    return [...this.holding.values()].flatMap(({ excused, want }) =>
      this.demands(want).flatMap(([each, slots]) =>
        each === name && !excused.has(name) ? [{ run: want.holder.run, slots }] : [],
      ),
    )
  }

  reset(name: string): void {
    for (const { excused } of this.holding.values()) excused.add(name)
  }

  /** Those who asked before this one and share a limit with it. */
  before(known: Known): Known[] {
    const names = this.demands(known.want).map(([name]) => name)
    return [...this.waiting.values()].filter(
      (other) =>
        other !== known &&
        (other.want.since < known.want.since ||
          (other.want.since === known.want.since && other.seq < known.seq)) &&
        this.demands(other.want).some(([name]) => names.includes(name)),
    )
  }

  fits({ want }: Known): boolean {
    return this.demands(want).every(([name, n]) => this.taken(name) + n <= (this.slots[name] ?? 0))
  }

  forget(which: (known: Known) => boolean, from: Map<string, Known>): void {
    for (const [key, known] of from) if (which(known)) from.delete(key)
  }
}

function play(slots: Readonly<Record<string, number>>, steps: readonly Step[]): void {
  const book = new SlotBook({ leaseMs: LEASE_MS, grantFrom: 0, draw: () => 0 })
  const limit = (name: string): Limit => ({
    name,
    slots: slots[name] ?? 0,
    strategy: 'enqueue',
    active: true,
  })
  for (const name of Object.keys(slots)) book.setLimit(limit(name), 0)
  const model = new Model(slots)

  /** Takes the grants over, each of which must have been right at its place in the row. */
  const grant = () => {
    for (const event of book.events()) {
      if (event.is !== 'granted') throw new Error('Nobody is cancelled with this strategy.')
      const known = model.waiting.get(event.holder.run)
      if (!known) throw new Error(`${event.holder.run} was granted what it did not wait for.`)
      expect(model.before(known).map(({ want }) => want.holder.run)).toEqual([])
      expect(model.fits(known)).toBe(true)
      model.waiting.delete(event.holder.run)
      model.holding.set(event.holder.run, { ...known, until: model.now + LEASE_MS })
    }
  }

  for (const each of steps) {
    switch (each.do) {
      case 'acquire': {
        const key = `run-${each.run}`
        const by = `worker-${each.run % 3}`
        const want = {
          holder: { run: key },
          limits: each.limits,
          occupy: each.n,
          since: model.now - each.ago,
        }
        const verdict = book.acquire(want, by, model.now)
        const known = model.holding.get(key) ?? model.waiting.get(key)
        if (known) {
          expect(verdict.is).toBe(model.holding.has(key) ? 'granted' : 'queued')
          known.until = model.now + LEASE_MS
          break
        }
        const added = model.add(want, by)
        const isHopeless = model.demands(want).some(([name, n]) => n > (slots[name] ?? 0))
        const blocked = model.before(added).length > 0
        const expected = isHopeless ? 'denied' : !blocked && model.fits(added) ? 'granted' : 'queued'
        expect(verdict.is).toBe(expected)
        if (expected === 'granted') model.holding.set(key, added)
        if (expected === 'queued') model.waiting.set(key, added)
        break
      }
      case 'release':
        model.holding.delete(`run-${each.run}`)
        model.waiting.delete(`run-${each.run}`)
        book.release([{ run: `run-${each.run}` }, { run: `run-${each.run}` }], model.now)
        break
      case 'renew': {
        const by = `worker-${each.worker}`
        const of = (from: Map<string, Known>) => [...from.values()].filter((known) => known.worker === by)
        const [holds, waits] = [of(model.holding), of(model.waiting)]
        for (const known of [...holds, ...waits]) known.until = model.now + LEASE_MS
        const wants = (known: Known[]) => known.map(({ want }) => want)
        expect(book.renew(by, wants(holds), wants(waits), model.now)).toEqual({
          lost: [],
          granted: [],
          denied: [],
        })
        break
      }
      case 'lost':
        // None of these is a task run: their wishes stay, their slots do not.
        model.forget((known) => known.worker === `worker-${each.worker}`, model.holding)
        book.workerLost(`worker-${each.worker}`, model.now)
        break
      case 'reset': {
        const holders = model.holdersOf(each.limit)
        expect(book.reset(each.limit, model.now)).toEqual({ freed: model.taken(each.limit), holders })
        model.reset(each.limit)
        break
      }
      case 'pass':
        model.now += each.ms
        model.forget((known) => known.until <= model.now, model.holding)
        model.forget((known) => known.until <= model.now, model.waiting)
        book.tick(model.now)
        break
      default:
        throw new Error('No such step.')
    }
    grant()
    expect([book.holders, book.waiters]).toEqual([model.holding.size, model.waiting.size])
    for (const name of Object.keys(slots)) {
      expect(book.taken(name, model.now)).toBe(model.taken(name))
      expect(model.taken(name)).toBeLessThanOrEqual(slots[name] ?? 0)
    }
    const first = [...model.waiting.values()].filter((known) => model.before(known).length === 0)
    for (const known of first) expect(model.fits(known)).toBe(false)
  }
}

describe('the book of slots, whatever is done in whatever order', () => {
  test('[prefect 78] [prefect 82] never grants beyond a limit, lets in first come first served and all or nothing, leaves nobody waiting whom it could let in, and frees what is reset', () => {
    const limits = fc.record({
      a: fc.integer({ min: 0, max: 3 }),
      b: fc.integer({ min: 1, max: 4 }),
      c: fc.constant(2),
    })
    fc.assert(fc.property(limits, fc.array(step, { maxLength: 120, size: 'max' }), play), { numRuns: 300 })
  })

  test('lets in at most what has decayed and what a limit holds, over any stretch of time', () => {
    const wish = fc.record({ ms: fc.nat({ max: 3_000 }), n: fc.integer({ min: 1, max: 3 }) })
    fc.assert(
      fc.property(
        fc.array(wish, { maxLength: 80, size: 'max' }),
        fc.integer({ min: 1, max: 40 }),
        (wishes, tenths) => {
          const decayPerSecond = tenths / 10
          const book = new SlotBook({ leaseMs: 1e9, grantFrom: 0, draw: () => 0 })
          book.setLimit({ name: 'api', slots: 3, strategy: 'enqueue', decayPerSecond, active: true }, 0)
          const granted: { at: number; n: number }[] = []
          const sizes = new Map<string, number>()
          let now = 0
          const take = () => {
            for (const { holder } of book.events()) granted.push({ at: now, n: sizes.get(holder.run) ?? 0 })
          }
          for (const [index, { ms, n }] of wishes.entries()) {
            for (let end = now + ms; now < end; ) {
              now = Math.min(end, now + Math.max(1, book.nextWake(now) ?? end))
              book.tick(now)
              take()
            }
            const name = `run-${index}`
            sizes.set(name, n)
            const want = { holder: { run: name }, limits: ['api'], since: now, occupy: n, rate: true }
            if (book.acquire(want, 'w', now).is === 'granted') granted.push({ at: now, n })
          }
          for (const [from, first] of granted.entries()) {
            let sum = 0
            for (const { at, n } of granted.slice(from)) {
              sum += n
              expect(sum).toBeLessThanOrEqual(3 + ((at - first.at) / 1000) * decayPerSecond + 1e-6)
            }
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})
