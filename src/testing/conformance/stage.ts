/**
 * What a case stands on: connections to its place, waits that can explain themselves, and an end that cleans
 * up whatever happened.
 */

import assert from 'node:assert/strict'
import type {
  AppendOutcome,
  Broker,
  BrokerOptions,
  Cursor,
  Entry,
  FollowFilter,
  Following,
} from '../../broker/index.ts'
import { type JsonValue, mintId, sleep, systemClock, systemDeps, systemRandom } from '../../core/index.ts'
import type { Place } from './suite.ts'

/** Things that arrive, and a way to wait until enough of them have. */
export interface Gathering<T> {
  readonly items: readonly T[]
  add(...items: readonly T[]): void
  /** Resolves once `enough` says so about what has arrived. */
  until(enough: (items: readonly T[]) => boolean, what: string): Promise<void>
  count(n: number): Promise<void>
}

/** A following whose entries are gathered. */
export interface Tail extends Gathering<Entry> {
  readonly following: Following
}

export interface Stage {
  readonly place: Place
  /** A connection that is not started. It is stopped when the case ends. */
  open(options?: BrokerOptions): Broker
  connect(options?: BrokerOptions): Promise<Broker>
  /** A connection to another place: a broker that has nothing to do with this one. */
  elsewhere(): Promise<Broker>
  /** Awaits `promise`; when the case's time is up, `what` names what never came. */
  within<T>(promise: Promise<T>, what: string): Promise<T>
  /** Asks again and again until the answer is neither `undefined` nor `false`. */
  eventually<T>(probe: () => Promise<T | undefined | false>, what: string): Promise<T>
  gather<T>(what: string): Gathering<T>
  tail(
    broker: Broker,
    from: 'start' | 'tail' | Cursor,
    partitions?: FollowFilter['partitions'],
  ): Promise<Tail>
  /** A subject nobody has used; with `partition`, one of that partition. */
  subject(partition?: number): string
  /** Is called when the case ends, however it ends. */
  onEnd(cleanUp: () => Promise<void>): void
  /** Rejects with what was being waited for when `run` does not end in time. */
  limit(run: Promise<void>): Promise<void>
  close(): Promise<void>
}

const PROBE_EVERY_MS = 5

export async function openStage(makePlace: () => Promise<Place>, patienceMs: number): Promise<Stage> {
  const place = await makePlace()
  const places = [place]
  const connections: Broker[] = []
  const cleanUps: (() => Promise<void>)[] = []
  const awaited = new Set<string>()
  const over = new AbortController()

  const stage: Stage = {
    place,
    open(options) {
      const broker = place.open(options)
      connections.push(broker)
      return broker
    },
    async connect(options) {
      const broker = stage.open(options)
      await stage.within(broker.start(), 'a connection to start')
      return broker
    },
    async elsewhere() {
      const other = await makePlace()
      places.push(other)
      const broker = other.open()
      connections.push(broker)
      await stage.within(broker.start(), 'a connection to another place to start')
      return broker
    },
    async within(promise, what) {
      awaited.add(what)
      try {
        return await promise
      } finally {
        awaited.delete(what)
      }
    },
    eventually: (probe, what) =>
      stage.within(
        (async () => {
          for (;;) {
            const answer = await probe()
            if (answer !== undefined && answer !== false) return answer
            await sleep(systemClock, PROBE_EVERY_MS, over.signal)
          }
        })(),
        what,
      ),
    gather<T>(what: string) {
      const items: T[] = []
      const waiting = new Set<() => void>()
      const gathering: Gathering<T> = {
        items,
        add(...more) {
          items.push(...more)
          for (const look of [...waiting]) look()
        },
        until: (enough, reason) =>
          stage.within(
            new Promise<void>((resolve) => {
              const look = () => {
                if (!enough(items)) return
                waiting.delete(look)
                resolve()
              }
              waiting.add(look)
              look()
            }),
            reason,
          ),
        count: (n) => gathering.until((all) => all.length >= n, `${n} ${what}`),
      }
      return gathering
    },
    async tail(broker, from, partitions = 'all') {
      const gathering = stage.gather<Entry>('entries')
      const following = await broker.log.follow({ partitions }, from, (batch) => gathering.add(...batch))
      return { ...gathering, following }
    },
    subject: (partition) => mintId(systemDeps(), partition),
    onEnd: (cleanUp) => void cleanUps.push(cleanUp),
    async limit(run) {
      const timer = systemClock.setTimer(patienceMs, () => {
        const missing = awaited.size === 0 ? 'a call that never settled' : [...awaited].join('; ')
        over.abort(
          new assert.AssertionError({ message: `After ${patienceMs} ms still waiting for ${missing}.` }),
        )
      })
      const late = new Promise<never>((_, reject) => {
        over.signal.addEventListener('abort', () => reject(over.signal.reason), { once: true })
      })
      try {
        await Promise.race([run, late])
      } finally {
        timer.cancel()
        over.abort()
      }
    },
    async close() {
      await Promise.all(cleanUps.map((cleanUp) => cleanUp()))
      await Promise.all(connections.map((broker) => broker.stop()))
      await Promise.all(places.map((each) => each.close()))
    },
  }
  return stage
}

/** Appends what must be appended; answers the outcome, narrowed. */
export async function mustAppend(
  broker: Broker,
  subject: string,
  expect: number,
  records: readonly JsonValue[] = [{ rev: expect + 1 }],
  nonce?: string,
): Promise<Extract<AppendOutcome, { outcome: 'appended' }>> {
  const texts = records.map((record) => JSON.stringify(record))
  const outcome = await broker.log.append(
    subject,
    texts,
    nonce === undefined ? { expect } : { expect, nonce },
  )
  if (outcome.outcome !== 'appended')
    assert.fail(`an append on ${expect} should land: ${JSON.stringify(outcome)}`)
  return outcome
}

/** Appends `count` entries of one record each on top of `from`. */
export async function fill(broker: Broker, subject: string, count: number, from = 0): Promise<void> {
  for (let rev = from; rev < from + count; rev++) await mustAppend(broker, subject, rev)
}

/** Everything a subject has, from `from` on. */
export function readAll(broker: Broker, subject: string, from?: number): Promise<Entry[]> {
  return Array.fromAsync(broker.log.read(subject, from === undefined ? {} : { from }))
}

/** Asserts that `entries` are the revisions `first`, `first + 1`, … of one subject. */
export function assertDense(entries: readonly Entry[], first = 1): void {
  assert.deepEqual(
    entries.map((entry) => entry.rev),
    entries.map((_, index) => first + index),
  )
}

/** Asserts that a call rejects with this code, and with an error of ours. */
export async function assertRefused(run: () => Promise<unknown>, code: string, what?: string): Promise<void> {
  await assert.rejects(run, (error: unknown) => {
    const found = error instanceof Error && 'code' in error ? error.code : error
    assert.equal(found, code, `${what ?? 'the call'} should be refused with ${code}, but: ${String(error)}`)
    return true
  })
}

/** A whole number below `n`. */
export const below = (n: number): number => Math.floor(systemRandom.next() * n)
