/** The hub, fed by hand: what a following may do that is seldom seen. */

import { describe, expect, test } from 'vitest'
import type { Cursor, Entry } from '../../../src/broker/index.ts'
import { CallboardError } from '../../../src/core/index.ts'
import { Hub } from '../../../src/gateway/live/hub.ts'
import { RunSubscription } from '../../../src/gateway/live/run-subscription.ts'
import type { SharedEvent } from '../../../src/gateway/live/shared-event.ts'
import { runSieve } from '../../../src/gateway/live/sieve.ts'
import type { LiveSources } from '../../../src/gateway/live/sources.ts'

/** Cursors here are `<log>.<number>`. */
const partsOf = (cursor: Cursor) => cursor.split('.')

function fed(typeOf: (rev: number) => 'FAILED' | 'RUNNING' = () => 'RUNNING') {
  let hand: (entries: readonly Entry[]) => void = () => {}
  let position = 'a.0' as Cursor
  const facts = {
    id: 'run',
    flow: 'weather',
    name: 'run',
    tags: [],
    queue: 'default',
    expectedStartTime: '2026-01-01T00:00:00Z',
  }
  const sources: LiveSources = {
    log: {
      compare(a, b) {
        const [[leftLog, left], [rightLog, right]] = [partsOf(a), partsOf(b)]
        if (leftLog !== rightLog)
          throw new CallboardError('CB_E_CURSOR_INVALID', 'They are of different logs.')
        return Number(left) - Number(right)
      },
      end: async () => position,
      follow: () => Promise.reject(new Error('Nobody follows here.')),
      last: async () => undefined,
      read: async function* () {},
    },
    feed: {
      get position() {
        return position
      },
      listen(listener) {
        hand = listener
        return () => {}
      },
    },
    runs: {
      facts: () => facts,
      isCaughtUp: true,
      head: () => undefined,
      hasState: () => false,
      picture: async () => undefined,
    },
    workers: { all: () => [], onChange: () => () => {} },
    eventsOf: ({ rev }) => [
      {
        kind: 'state',
        at: '2026-01-01T00:00:00Z',
        data: {
          state: { type: typeOf(rev), name: `${rev}`, timestamp: '2026-01-01T00:00:00Z', details: {} },
        },
      },
    ],
  }
  const hub = new Hub(sources)
  const feed = (log: string, from: number, to: number) => {
    const entries = Array.from({ length: to - from + 1 }, (_, index): Entry => {
      const rev = from + index
      return {
        subject: 'run',
        rev,
        at: 0,
        cursor: `${log}.${rev}` as Cursor,
        nonce: '',
        records: [],
        tombstone: false,
      }
    })
    position = entries.at(-1)?.cursor ?? position
    hand(entries)
  }
  return { hub, feed, sources }
}

class Ear {
  readonly heard: number[] = []
  readonly losses: unknown[] = []

  offer({ rev }: Entry, events: readonly SharedEvent[]): void {
    expect(events).toHaveLength(1)
    this.heard.push(rev)
  }

  lost(error: unknown): void {
    this.losses.push(error)
  }
}

describe('a hub', () => {
  test('offers nothing twice to those who follow many runs when the following begins anew', () => {
    const { hub, feed } = fed()
    const ear = new Ear()
    hub.attachSieve(
      runSieve({}, () => true, ''),
      ear,
    )
    feed('a', 1, 5)
    feed('a', 1, 3)
    feed('a', 3, 8)
    feed('a', 9, 9)
    expect(ear.heard).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('loses everybody, once and aloud, when the log is another one', () => {
    const { hub, feed } = fed()
    const [one, many] = [new Ear(), new Ear()]
    hub.attach('run', one)
    hub.attachSieve(
      runSieve({}, () => true, ''),
      many,
    )
    feed('a', 1, 5)
    feed('b', 1, 2)
    feed('b', 3, 3)
    for (const { losses } of [one, many])
      expect(losses).toEqual([expect.objectContaining({ code: 'CB_E_CURSOR_INVALID' })])
  })

  test('looks at an entry once, however many follow, and not at all for nobody', () => {
    const { hub, feed } = fed()
    feed('a', 1, 2)
    const ears = [new Ear(), new Ear(), new Ear()]
    const [first, ...others] = ears.map((ear) => hub.attach('run', ear))
    feed('a', 3, 3)
    expect(ears.map(({ heard }) => heard)).toEqual([[3], [3], [3]])
    expect(first?.rev).toBe(3)
    first?.leave()
    feed('a', 4, 4)
    for (const seat of others) seat.leave()
    feed('a', 5, 5)
    expect(ears.map(({ heard }) => heard)).toEqual([[3], [3, 4], [3, 4]])
  })
})

describe('a subscription to a run', () => {
  test('is not ended by an older end that is told again: the run was retried since', async () => {
    const { feed, hub, sources } = fed((rev) => (rev === 10 ? 'FAILED' : 'RUNNING'))
    const newest: Entry = {
      ...{ subject: 'run', rev: 20, at: 0, cursor: 'a.20' as Cursor, nonce: '' },
      ...{ records: [], tombstone: false },
    }
    const log = { ...sources.log, last: async () => newest }
    const said: string[] = []
    const subscription = new RunSubscription('run', {
      clock: { monotonic: () => 0 },
      limits: { behindForMs: 1 },
      sources: { ...sources, log },
      hub,
      wants: { kinds: undefined, level: undefined },
      voice: {
        begun: (cursor) => said.push(`begun ${cursor}`),
        event: (_, { cursor }) => said.push(`event ${cursor}`),
        gap: () => said.push('gap'),
        end: () => said.push('end'),
        broken: () => said.push('broken'),
        isReady: true,
        ready: async () => {},
        forget() {},
      },
    })
    await subscription.open('a.20')
    feed('a', 9, 11)
    feed('a', 12, 21)
    expect(said).toEqual(['begun a.20', 'event a.21'])
    subscription.close()
  })
})
