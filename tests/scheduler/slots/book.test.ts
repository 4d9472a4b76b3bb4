import { describe, expect, test } from 'vitest'
import type { SlotWant } from '../../../src/actors/index.ts'
import { SlotBook } from '../../../src/scheduler/slots/book.ts'
import type { Limit } from '../../../src/scheduler/slots/limit.ts'

const LEASE_MS = 30_000

function limit(name: string, slots: number, more: Partial<Limit> = {}): Limit {
  return { name, slots, strategy: 'enqueue', active: true, ...more }
}

function bookOf(...limits: Limit[]): SlotBook {
  const book = new SlotBook({ leaseMs: LEASE_MS, grantFrom: 0, draw: () => 0 })
  for (const each of limits) book.setLimit(each, 0)
  return book
}

function want(run: string, limits: string | string[], more: Partial<SlotWant> = {}): SlotWant {
  return { holder: { run }, limits: [limits].flat(), since: 0, ...more }
}

const grantsOf = (book: SlotBook) =>
  book.events().flatMap((event) => (event.is === 'granted' ? [event.holder.run] : []))

const cancelsOf = (book: SlotBook) =>
  book.events().flatMap((event) => (event.is === 'cancel' ? [event.holder.run] : []))

describe('a limit with room', () => {
  test('[prefect 77] lets the first in, keeps the second waiting until the first gives back, then lets it in', () => {
    const book = bookOf(limit('gpu', 1))
    expect(book.acquire(want('a', 'gpu'), 'w', 0)).toEqual({ is: 'granted' })
    expect(book.acquire(want('b', 'gpu'), 'w', 1)).toMatchObject({ is: 'queued' })
    expect(book.taken('gpu', 1)).toBe(1)
    book.release([{ run: 'a' }], 2)
    expect(grantsOf(book)).toEqual(['b'])
    expect(book.acquire(want('b', 'gpu'), 'w', 3)).toEqual({ is: 'granted' })
  })

  test('[prefect 78] never gives one run two slots, however often it asks', () => {
    const book = bookOf(limit('gpu', 2))
    for (let i = 0; i < 3; i++) book.acquire(want('a', 'gpu'), 'w', i)
    expect(book.taken('gpu', 3)).toBe(1)
    book.acquire(want('b', 'gpu'), 'w', 4)
    for (let i = 0; i < 3; i++) expect(book.acquire(want('c', 'gpu'), 'w', 5).is).toBe('queued')
    expect(book.waiters).toBe(1)
  })

  test('[prefect 78] with zero slots denies at once and says why', () => {
    const book = bookOf(limit('closed', 0))
    expect(book.acquire(want('a', 'closed'), 'w', 0)).toMatchObject({
      is: 'denied',
      limit: 'closed',
      code: 'CB_E_LIMIT_EXCEEDED',
    })
    expect(book.waiters).toBe(0)
  })

  test('[prefect 78] has its slot back when the wish is withdrawn', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu'), 'w', 0)
    book.acquire(want('b', 'gpu'), 'w', 0)
    book.release([{ run: 'b' }, { run: 'a' }], 1)
    expect(grantsOf(book)).toEqual([])
    expect(book.taken('gpu', 1)).toBe(0)
  })

  test('[prefect 89] [prefect 82] gives back once: a doubled release frees nothing more and never goes below zero', () => {
    const book = bookOf(limit('gpu', 2))
    book.acquire(want('a', 'gpu'), 'w', 0)
    book.acquire(want('b', 'gpu'), 'w', 0)
    for (let i = 0; i < 3; i++) book.release([{ run: 'a' }], 1)
    expect(book.taken('gpu', 1)).toBe(1)
    book.release([{ run: 'b' }, { run: 'b' }, { run: 'nobody' }], 1)
    expect(book.taken('gpu', 1)).toBe(0)
  })

  test('keeps what was asked for again when a release of the grant before comes late, or twice', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu', { rev: 3 }), 'w', 0)
    book.release([{ run: 'a', upTo: 3 }], 1)
    book.acquire(want('a', 'gpu', { rev: 7 }), 'w', 2)
    book.release([{ run: 'a', upTo: 3 }], 3)
    expect(book.taken('gpu', 3)).toBe(1)
    book.acquire(want('b', 'gpu', { rev: 2 }), 'w', 4)
    book.acquire(want('b', 'gpu', { rev: 5 }), 'w', 5)
    book.release([{ run: 'b', upTo: 2 }], 6)
    expect(book.waiters).toBe(1)
    book.release([{ run: 'a', upTo: 7 }], 7)
    expect(grantsOf(book)).toEqual(['b'])
    book.release([{ run: 'b', upTo: 4 }], 8)
    expect(book.taken('gpu', 8)).toBe(1)
  })

  test('stays with the run when the host before gives it back after the next one has asked', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu', { rev: 1 }), 'first', 0)
    book.acquire(want('a', 'gpu', { rev: 4 }), 'second', 1)
    book.release([{ run: 'a', upTo: 1 }], 2)
    expect(book.taken('gpu', 2)).toBe(1)
  })

  test('counts as many slots as are occupied', () => {
    const book = bookOf(limit('gpu', 5))
    expect(book.acquire(want('a', 'gpu', { occupy: 3 }), 'w', 0).is).toBe('granted')
    expect(book.acquire(want('b', 'gpu', { occupy: 3 }), 'w', 0).is).toBe('queued')
    book.release([{ run: 'a' }], 1)
    expect(grantsOf(book)).toEqual(['b'])
    expect(book.taken('gpu', 1)).toBe(3)
  })
})

describe('a limit that is reset', () => {
  test('has all its slots again, says who had them, and lets in who waits', () => {
    const book = bookOf(limit('gpu', 3))
    book.acquire(want('a', 'gpu', { occupy: 2 }), 'w', 0)
    book.acquire(want('b', 'gpu', { holder: { run: 'b', task: 't-0' } }), 'w', 0)
    for (const run of ['c', 'd']) book.acquire(want(run, 'gpu', { occupy: 2 }), 'w', 1)
    expect(book.reset('gpu', 2)).toEqual({
      freed: 3,
      holders: [
        { run: 'a', slots: 2 },
        { run: 'b', task: 't-0', slots: 1 },
      ],
    })
    expect(grantsOf(book)).toEqual(['c'])
    expect(book.taken('gpu', 2)).toBe(2)
    expect(book.reset('gpu', 3)).toEqual({ freed: 2, holders: [{ run: 'c', slots: 2 }] })
  })

  test('is not filled again by those who had it, whether they renew, ask again or give back', () => {
    const book = bookOf(limit('gpu', 1))
    const a = want('a', 'gpu')
    book.acquire(a, 'w', 0)
    book.reset('gpu', 1)
    expect(book.renew('w', [a], [], 2)).toEqual({ lost: [], granted: [], denied: [] })
    expect(book.acquire(a, 'other', 3)).toEqual({ is: 'granted' })
    expect(book.taken('gpu', 3)).toBe(0)
    expect(book.acquire(want('b', 'gpu'), 'w', 4)).toEqual({ is: 'granted' })
    book.release([{ run: 'a' }], 5)
    expect(book.taken('gpu', 5)).toBe(1)
    expect(book.acquire(a, 'w', 6).is).toBe('queued')
  })

  test('leaves what its holders have of other limits', () => {
    const book = bookOf(limit('gpu', 1), limit('db', 1))
    book.acquire(want('a', ['gpu', 'db']), 'w', 0)
    book.reset('gpu', 1)
    expect([book.taken('gpu', 1), book.taken('db', 1)]).toEqual([0, 1])
    book.workerLost('w', 2)
    expect([book.taken('gpu', 2), book.taken('db', 2)]).toEqual([0, 0])
  })

  test('begins anew with its rate', () => {
    const book = bookOf(limit('api', 3, { decayPerSecond: 1 }))
    for (const run of ['a', 'b', 'c']) book.acquire(want(run, 'api', { rate: true }), 'w', 0)
    expect(book.reset('api', 500)).toMatchObject({ freed: 3 })
    expect(book.taken('api', 500)).toBe(0)
  })

  test('is one that there is, and not before it is known who holds what', () => {
    const book = new SlotBook({ leaseMs: LEASE_MS, grantFrom: 1_000, draw: () => 0 })
    book.setLimit(limit('gpu', 1), 0)
    book.renew('w', [want('a', 'gpu')], [], 0)
    expect(book.reset('gpu', 999)).toBe('unsettled')
    expect(book.taken('gpu', 999)).toBe(1)
    expect(book.reset('gpu', 1_000)).toMatchObject({ freed: 1 })
    expect(book.reset('nobody', 1_000)).toBeUndefined()
  })
})

describe('several limits at once', () => {
  test('are taken all together or not at all', () => {
    const book = bookOf(limit('a', 1), limit('b', 1))
    book.acquire(want('first', 'b'), 'w', 0)
    expect(book.acquire(want('both', ['a', 'b']), 'w', 1).is).toBe('queued')
    expect(book.taken('a', 1)).toBe(0)
    book.release([{ run: 'first' }], 2)
    expect(grantsOf(book)).toEqual(['both'])
    expect([book.taken('a', 2), book.taken('b', 2)]).toEqual([1, 1])
  })

  test('are reserved for the first in line, so that a stream of small wishes cannot starve a large one', () => {
    const book = bookOf(limit('a', 2), limit('b', 1))
    book.acquire(want('x', 'a'), 'w', 0)
    expect(book.acquire(want('large', ['a', 'b'], { occupy: 1, since: 1 }), 'w', 1).is).toBe('granted')
    expect(book.acquire(want('next', ['a', 'b'], { since: 2 }), 'w', 2).is).toBe('queued')
    book.release([{ run: 'x' }], 3)
    for (let i = 0; i < 5; i++)
      expect(book.acquire(want(`small-${i}`, 'a', { since: 3 + i }), 'w', 3 + i).is).toBe('queued')
    book.release([{ run: 'large' }], 10)
    expect(grantsOf(book)).toEqual(['next', 'small-0'])
  })

  test('do not hold up somebody who wants none of them', () => {
    const book = bookOf(limit('a', 1), limit('b', 1))
    book.acquire(want('x', 'a'), 'w', 0)
    book.acquire(want('y', 'a'), 'w', 1)
    expect(book.acquire(want('z', 'b'), 'w', 2).is).toBe('granted')
  })
})

describe('the order', () => {
  test('is that of the first wish, also when wishes arrive late or again', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('holder', 'gpu'), 'w', 0)
    book.acquire(want('late', 'gpu', { since: 50 }), 'w', 1)
    book.acquire(want('early', 'gpu', { since: 10 }), 'w', 2)
    book.acquire(want('late', 'gpu', { since: 50 }), 'w', 3)
    book.release([{ run: 'holder' }], 4)
    book.release([{ run: 'early' }], 5)
    expect(grantsOf(book)).toEqual(['early', 'late'])
  })
})

describe('what a name means', () => {
  test('[prefect 81] an unknown name is granted and makes no limit', () => {
    const book = bookOf()
    expect(book.acquire(want('a', 'no-such'), 'w', 0)).toEqual({ is: 'granted' })
    expect(book.taken('no-such', 0)).toBeUndefined()
  })

  test('an unknown name is denied to a strict wish', () => {
    const verdict = bookOf().acquire(want('a', 'no-such', { strict: true }), 'w', 0)
    expect(verdict).toMatchObject({ is: 'denied', limit: 'no-such', code: 'CB_E_LIMIT_UNKNOWN' })
  })

  test('[prefect 81] an inactive limit is as good as none', () => {
    const book = bookOf(limit('gpu', 1, { active: false }))
    for (const run of ['a', 'b', 'c']) expect(book.acquire(want(run, 'gpu'), 'w', 0).is).toBe('granted')
  })

  test('[prefect 81] a wish larger than the limit is denied with a code, and takes nothing', () => {
    const book = bookOf(limit('gpu', 2), limit('cpu', 8))
    const verdict = book.acquire(want('a', ['cpu', 'gpu'], { occupy: 3 }), 'w', 0)
    expect(verdict).toMatchObject({ is: 'denied', limit: 'gpu', code: 'CB_E_LIMIT_EXCEEDED' })
    expect(book.taken('cpu', 0)).toBe(0)
  })
})

describe('strategies', () => {
  test('[prefect 79] enqueue lets a later try in once there is room', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu'), 'w', 0)
    expect(book.acquire(want('b', 'gpu'), 'w', 0).is).toBe('queued')
    book.release([{ run: 'a' }], 1)
    expect(book.acquire(want('b', 'gpu'), 'w', 1).is).toBe('granted')
  })

  test('[prefect 79] cancelNew denies when full, keeps nobody waiting, and serves a later one', () => {
    const book = bookOf(limit('gpu', 1, { strategy: 'cancelNew' }))
    book.acquire(want('a', 'gpu'), 'w', 0)
    const verdict = book.acquire(want('b', 'gpu'), 'w', 0)
    expect(verdict).toMatchObject({ is: 'denied', limit: 'gpu', reason: 'full' })
    expect(verdict).not.toHaveProperty('code')
    expect(book.waiters).toBe(0)
    book.release([{ run: 'a' }], 1)
    expect(book.acquire(want('c', 'gpu'), 'w', 1).is).toBe('granted')
  })

  test('cancelRunning asks the oldest holder to go, once for each who waits', () => {
    const book = bookOf(limit('gpu', 2, { strategy: 'cancelRunning' }))
    for (const run of ['old', 'mid']) book.acquire(want(run, 'gpu'), 'w', 0)
    book.acquire(want('new-1', 'gpu', { since: 1 }), 'w', 1)
    book.acquire(want('new-1', 'gpu', { since: 1 }), 'w', 2)
    expect(cancelsOf(book)).toEqual(['old'])
    book.acquire(want('new-2', 'gpu', { since: 2 }), 'w', 3)
    expect(cancelsOf(book)).toEqual(['mid'])
    book.release([{ run: 'old' }], 4)
    expect(grantsOf(book)).toEqual(['new-1'])
  })
})

describe('rates', () => {
  const rate = (run: string, more: Partial<SlotWant> = {}) => want(run, 'api', { rate: true, ...more })

  test('[prefect 81] a rate of a limit without decay is denied with a code', () => {
    const verdict = bookOf(limit('api', 5)).acquire(rate('a'), 'w', 0)
    expect(verdict).toMatchObject({ is: 'denied', limit: 'api', code: 'CB_E_LIMIT_NO_DECAY' })
  })

  test('[prefect 82] slots come back with time, by fractions too', () => {
    const book = bookOf(limit('api', 2, { decayPerSecond: 0.5 }))
    expect(book.acquire(rate('a'), 'w', 0).is).toBe('granted')
    expect(book.acquire(rate('b'), 'w', 0).is).toBe('granted')
    expect(book.taken('api', 1_000)).toBe(1.5)
    expect(book.acquire(rate('c'), 'w', 1_000)).toEqual({ is: 'queued', retryAfterMs: 1_000 })
    expect(book.nextWake(1_000)).toBe(1_000)
    book.tick(1_999)
    expect(grantsOf(book)).toEqual([])
    book.tick(2_000)
    expect(grantsOf(book)).toEqual(['c'])
  })

  test('[prefect 82] without decay nothing comes back with time', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu'), 'w', 0)
    expect(book.taken('gpu', LEASE_MS - 1)).toBe(1)
  })

  test('a share of a rate is not given back by a release', () => {
    const book = bookOf(limit('api', 1, { decayPerSecond: 1 }))
    book.acquire(rate('a'), 'w', 0)
    book.release([{ run: 'a' }], 0)
    expect(book.taken('api', 0)).toBe(1)
    expect(book.acquire(rate('b'), 'w', 0).is).toBe('queued')
  })

  test('[prefect 82] a slot held of a limit with decay sinks with time and is given back, but never below zero', () => {
    const book = bookOf(limit('api', 2, { decayPerSecond: 1 }))
    book.acquire(want('a', 'api', { occupy: 2 }), 'w', 0)
    expect(book.taken('api', 500)).toBe(1.5)
    book.release([{ run: 'a' }], 1_500)
    expect(book.taken('api', 1_500)).toBe(0)
  })

  test('a limit that loses its decay counts its holders anew', () => {
    const book = bookOf(limit('api', 2, { decayPerSecond: 1 }))
    book.acquire(want('a', 'api'), 'w', 0)
    book.acquire(rate('b'), 'w', 0)
    book.setLimit(limit('api', 2), 5_000)
    expect(book.taken('api', 5_000)).toBe(1)
    book.release([{ run: 'b' }, { run: 'a' }], 5_001)
    expect(book.taken('api', 5_001)).toBe(0)
  })
})

describe('when to ask again', () => {
  test('[prefect 81] is about the occupancy times those in the way: two seconds while nothing is known', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu'), 'w', 0)
    expect(book.acquire(want('b', 'gpu'), 'w', 0)).toEqual({ is: 'queued', retryAfterMs: 2_000 })
    expect(book.acquire(want('c', 'gpu'), 'w', 0)).toEqual({ is: 'queued', retryAfterMs: 4_000 })
  })

  test('[prefect 81] stays under a minute however long slots are held', () => {
    const book = new SlotBook({ leaseMs: 1e9, grantFrom: 0, draw: () => 0.999 })
    book.setLimit(limit('gpu', 1), 0)
    for (let i = 0; i < 10; i++) {
      book.acquire(want(`long-${i}`, 'gpu'), 'w', i * 3_600_000)
      book.release([{ run: `long-${i}` }], (i + 1) * 3_600_000)
    }
    const later = 11 * 3_600_000
    book.acquire(want('holder', 'gpu'), 'w', later)
    for (let i = 0; i < 20; i++) {
      const verdict = book.acquire(want(`w-${i}`, 'gpu', { since: i }), 'w', later)
      expect(verdict.is === 'queued' && verdict.retryAfterMs).toBeLessThan(60_000)
      expect(verdict.is === 'queued' && verdict.retryAfterMs).toBeGreaterThanOrEqual(30_000)
    }
  })

  test('follows the decay exactly, without a cap', () => {
    const book = bookOf(limit('api', 1, { decayPerSecond: 0.01 }))
    book.acquire(want('a', 'api', { rate: true }), 'w', 0)
    const verdict = book.acquire(want('b', 'api', { rate: true }), 'w', 0)
    expect(verdict).toEqual({ is: 'queued', retryAfterMs: 100_000 })
  })
})

describe('leases', () => {
  test('[prefect 80] what is not renewed is free for the next; what is renewed stays', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu'), 'w1', 0)
    book.acquire(want('b', 'gpu'), 'w2', 0)
    book.renew('w1', [want('a', 'gpu')], [], LEASE_MS - 1)
    book.renew('w2', [], [want('b', 'gpu')], LEASE_MS - 1)
    book.tick(LEASE_MS)
    expect(grantsOf(book)).toEqual([])
    book.renew('w2', [], [want('b', 'gpu')], 2 * LEASE_MS - 2)
    book.tick(2 * LEASE_MS - 1)
    expect(grantsOf(book)).toEqual(['b'])
  })

  test('[prefect 80] a holder that renews too late gets its slot back when it is free, else learns that it is lost', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu'), 'w1', 0)
    book.tick(LEASE_MS)
    expect(book.renew('w1', [want('a', 'gpu')], [], LEASE_MS + 1).lost).toEqual([])
    book.tick(2 * LEASE_MS + 1)
    book.acquire(want('b', 'gpu'), 'w2', 2 * LEASE_MS + 2)
    expect(book.renew('w1', [want('a', 'gpu')], [], 2 * LEASE_MS + 3).lost).toEqual([{ run: 'a' }])
    expect(book.taken('gpu', 2 * LEASE_MS + 3)).toBe(1)
    expect(book.waiters).toBe(0)
  })

  test('the slots of a dead worker are free at once, and its task runs wait no more, but its runs do', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu'), 'dead', 0)
    book.acquire({ ...want('t', 'gpu', { since: 1 }), holder: { run: 't', task: 'x-0' } }, 'dead', 1)
    book.acquire(want('r', 'gpu', { since: 2 }), 'dead', 2)
    book.workerLost('dead', 3)
    expect(grantsOf(book)).toEqual(['r'])
    expect(book.waiters).toBe(0)
  })

  test('a grant that another worker takes up belongs to that worker', () => {
    const book = bookOf(limit('gpu', 1))
    book.acquire(want('a', 'gpu'), 'first', 0)
    book.acquire(want('a', 'gpu'), 'second', 1)
    book.workerLost('first', 2)
    expect(book.taken('gpu', 2)).toBe(1)
    book.workerLost('second', 3)
    expect(book.taken('gpu', 3)).toBe(0)
  })
})

describe('a keeper that has just taken over', () => {
  const GRANT_FROM = 30_000

  function fresh(...limits: Limit[]): SlotBook {
    const book = new SlotBook({ leaseMs: LEASE_MS, grantFrom: GRANT_FROM, draw: () => 0 })
    for (const each of limits) book.setLimit(each, 0)
    return book
  }

  test('grants nothing new before its time, believes its holders, and then serves those who wait in order', () => {
    const book = fresh(limit('gpu', 2))
    expect(book.acquire(want('new', 'gpu', { since: 9 }), 'w', 1).is).toBe('queued')
    expect(book.renew('w1', [want('a', 'gpu')], [want('old', 'gpu', { since: 3 })], 2)).toEqual({
      lost: [],
      granted: [],
      denied: [],
    })
    book.tick(GRANT_FROM - 1)
    expect(grantsOf(book)).toEqual([])
    expect(book.nextWake(GRANT_FROM - 1)).toBe(1)
    book.tick(GRANT_FROM)
    expect(grantsOf(book)).toEqual(['old'])
    expect(book.taken('gpu', GRANT_FROM)).toBe(2)
  })

  test('believes holders beyond the limit and lets nobody in until it has sunk', () => {
    const book = fresh(limit('gpu', 1))
    book.renew('w', [want('a', 'gpu'), want('b', 'gpu')], [], 1)
    book.acquire(want('c', 'gpu'), 'w', 1)
    book.endGrace(2)
    expect(book.taken('gpu', 2)).toBe(2)
    book.release([{ run: 'a' }], 3)
    expect(grantsOf(book)).toEqual([])
    book.release([{ run: 'b' }], 4)
    expect(grantsOf(book)).toEqual(['c'])
  })

  test('can say neither yes nor no to somebody who may not wait', () => {
    const book = fresh(limit('gpu', 1, { strategy: 'cancelNew' }))
    expect(book.acquire(want('a', 'gpu'), 'w', 1)).toEqual({ is: 'unsettled' })
    book.endGrace(2)
    expect(book.acquire(want('a', 'gpu'), 'w', 3)).toEqual({ is: 'granted' })
  })

  test('takes a rate to be spent: it cannot know what was taken before', () => {
    const book = fresh(limit('api', 2, { decayPerSecond: 1 }))
    book.endGrace(500)
    expect(book.taken('api', 500)).toBe(1.5)
    expect(book.acquire(want('a', 'api', { rate: true }), 'w', 500).is).toBe('queued')
  })
})

describe('limits that change', () => {
  test('a larger limit lets the waiting in, a smaller one nobody until it has sunk', () => {
    const book = bookOf(limit('gpu', 1))
    for (const run of ['a', 'b', 'c']) book.acquire(want(run, 'gpu'), 'w', 0)
    book.setLimit(limit('gpu', 2), 1)
    expect(grantsOf(book)).toEqual(['b'])
    book.setLimit(limit('gpu', 1), 2)
    book.release([{ run: 'a' }], 3)
    expect(grantsOf(book)).toEqual([])
    book.release([{ run: 'b' }], 4)
    expect(grantsOf(book)).toEqual(['c'])
  })

  test('a limit that is deleted or made inactive lets everybody in; back again it still knows its holders', () => {
    const book = bookOf(limit('gpu', 1))
    for (const run of ['a', 'b']) book.acquire(want(run, 'gpu'), 'w', 0)
    book.dropLimit('gpu', 1)
    expect(grantsOf(book)).toEqual(['b'])
    book.setLimit(limit('gpu', 1), 2)
    expect(book.taken('gpu', 2)).toBe(1)
    expect(book.acquire(want('c', 'gpu'), 'w', 3).is).toBe('queued')
  })

  test('a waiter whom the smaller limit can never serve blocks nobody, and learns it when it asks again', () => {
    const book = bookOf(limit('gpu', 3))
    book.acquire(want('a', 'gpu', { occupy: 3 }), 'w', 0)
    book.acquire(want('large', 'gpu', { occupy: 3, since: 1 }), 'w', 1)
    book.acquire(want('small', 'gpu', { since: 2 }), 'w', 2)
    book.setLimit(limit('gpu', 2), 3)
    book.release([{ run: 'a' }], 4)
    expect(grantsOf(book)).toEqual(['small'])
    expect(book.renew('w', [], [want('large', 'gpu', { occupy: 3, since: 1 })], 5).denied).toMatchObject([
      { holder: { run: 'large' }, code: 'CB_E_LIMIT_EXCEEDED' },
    ])
  })
})
