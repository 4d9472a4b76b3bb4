/**
 * One client's subscription to the events of many runs. From a cursor it goes through the log by itself until it is
 * where the hub is, then takes what the hub offers.
 *
 * Invariants
 * (S1) Events leave in the log's order, each once: what the client has, or was given from the log, is passed by when the
 *      hub offers it.
 * (S2) It is live only when nothing lies between what it took and what the hub handed on.
 * (S3) When more comes than its client takes, it goes through the log again at the client's pace. When that takes too
 *      long, or the client takes nothing, it is told what it misses as a gap.
 */

import type { Cursor, Entry } from '../../broker/index.ts'
import { type Place, placeOf } from './cursors.ts'
import { entryAt } from './find-place.ts'
import { type SieveListener, shared } from './hub.ts'
import { factsIn, KnownRuns } from './known-runs.ts'
import type { Lane } from './outbox.ts'
import type { SharedEvent } from './shared-event.ts'
import type { Sieve } from './sieve.ts'
import type { RunFacts } from './sources.ts'
import type { Phase, SubscriptionOptions } from './subscription.ts'

export class SieveSubscription implements Lane, SieveListener {
  readonly #sieve: Sieve
  readonly #options: SubscriptionOptions
  #phase: Phase = { is: 'opening' }
  #leave = () => {}
  /** Everything up to here was taken. */
  #at: Cursor
  /** The hub may be behind when it is joined: what it offers up to here is passed by. */
  #passBy: Cursor | undefined
  /** When it fell behind what the hub offers; undefined when it is not. */
  #behindSince: number | undefined
  #hasBegun = false
  #left: string

  constructor(sieve: Sieve, options: SubscriptionOptions) {
    this.#sieve = sieve
    this.#options = options
    this.#at = options.hub.position
    this.#left = this.#at
  }

  /**
   * Begins after `after`: a cursor, `start`, or `tail`.
   *
   * @throws CB_E_CURSOR_INVALID, CB_E_CURSOR_LOST, and what the broker throws; it is over then
   */
  async open(after: string): Promise<void> {
    try {
      await this.#catchUp(after === 'tail' ? await this.#options.sources.log.end() : after)
    } catch (error) {
      this.close()
      throw error
    }
  }

  offer(entry: Entry, events: readonly SharedEvent[]): void {
    if (this.#phase.is !== 'live') return
    if (this.#passBy !== undefined) {
      if (this.#options.sources.log.compare(entry.cursor, this.#passBy) <= 0) return // (S1)
      this.#passBy = undefined
    }
    this.#at = entry.cursor
    this.#give(events)
  }

  left(cursor: string): void {
    this.#left = cursor
  }

  /** (S3) */
  overrun(): void {
    if (this.#phase.is === 'over') return
    this.#behindSince ??= this.#options.clock.monotonic()
    this.#wait(() => this.#catchUp(this.#left))
  }

  /** (S3) */
  dropped(): void {
    if (this.#phase.is !== 'over') this.#wait(async () => this.#skip())
  }

  lost(error: unknown): void {
    if (this.#phase.is === 'over') return
    this.close()
    this.#options.voice.broken(error)
  }

  close(): void {
    if (this.#phase.is === 'over') return
    this.#phase = { is: 'over' }
    this.#leave()
    this.#options.voice.forget(this)
  }

  #give(events: readonly SharedEvent[]): void {
    const { voice, wants } = this.#options
    for (const event of events) {
      if (event.isWanted(wants)) voice.event(this, event)
      if (this.#phase.is === 'behind') return
    }
  }

  async #catchUp(after: string): Promise<void> {
    const { hub, sources, voice } = this.#options
    const phase: Phase = { is: 'catching' }
    this.#phase = phase
    this.#left = after
    const place = after === 'start' ? undefined : placeOf(after)
    if (place !== undefined) this.#at = place.entry
    const isThere = () => place !== undefined && sources.log.compare(this.#at, hub.position) >= 0
    const known = new KnownRuns(sources.runs)
    const rest = await this.#restOf(place, known)
    if (this.#phase !== phase) return
    // What can be refused is refused before the client hears that it has begun.
    const begin = isThere() ? undefined : await this.#follow(phase, place?.entry ?? 'start', known)
    if (this.#phase !== phase) return
    if (!this.#hasBegun) voice.begun(after)
    this.#hasBegun = true
    this.#give(rest)
    if (this.#phase !== phase) return
    if (begin === undefined) this.#join()
    else begin()
  }

  /** Goes through the log from there until it is where the hub is; with what is returned, it begins. */
  async #follow(phase: Phase, from: Cursor | 'start', known: KnownRuns): Promise<() => void> {
    const { hub, sources, voice } = this.#options
    const begun = Promise.withResolvers<void>()
    const following = await sources.log.follow({ partitions: 'all' }, from, async (entries) => {
      await begun.promise
      for (const entry of entries) {
        if (!voice.isReady) await voice.ready()
        if (this.#phase !== phase) return
        if (this.#isLate) return this.dropped()
        const passed = await this.#sift(entry, known)
        if (this.#phase !== phase) return
        this.#give(passed)
        if (this.#phase !== phase) return
        this.#at = entry.cursor
      }
      if (sources.log.compare(this.#at, hub.position) >= 0) this.#join()
    })
    following.ended.catch((error: unknown) => this.#phase === phase && this.lost(error))
    const leave = () => {
      begun.resolve()
      void following.stop()
    }
    if (this.#phase === phase) this.#leave = leave
    else leave()
    return begun.resolve
  }

  /** (S2) From here on the hub has all that comes. */
  #join(): void {
    this.#leave()
    this.#passBy = this.#at
    this.#behindSince = undefined
    this.#phase = { is: 'live' }
    this.#leave = this.#options.hub.attachSieve(this.#sieve, this)
  }

  /** What the client has not seen of the entry it is inside of. */
  async #restOf(place: Place | undefined, known: KnownRuns): Promise<readonly SharedEvent[]> {
    if (place?.inside === undefined) return []
    const { run, rev, seen } = place.inside
    const entry = await entryAt(this.#options.sources.log, run, rev)
    return entry?.cursor === place.entry ? this.#sift(entry, known, seen) : []
  }

  async #sift(entry: Entry, known: KnownRuns, seen = 0): Promise<readonly SharedEvent[]> {
    const events = shared(this.#options.sources, entry)
    const run = entry.subject
    const { facts, before } = known.see(run, events)
    const passed = this.#sieve.pass(events, { facts: facts ?? (await this.#factsOf(run, known)), before })
    return seen === 0 ? passed : passed.filter((event) => events.indexOf(event) >= seen)
  }

  /** From its first entry, where this gateway has not come to yet; an archived run has none. */
  async #factsOf(run: string, known: KnownRuns): Promise<RunFacts | undefined> {
    const { sources } = this.#options
    const first = await entryAt(sources.log, run, 1)
    const facts = first && factsIn(shared(sources, first))
    if (facts !== undefined) known.learn(run, facts)
    return facts
  }

  get #isLate(): boolean {
    const { clock, limits } = this.#options
    return this.#behindSince !== undefined && clock.monotonic() - this.#behindSince > limits.behindForMs
  }

  #wait(then: () => Promise<void>): void {
    const phase: Phase = { is: 'behind' }
    this.#phase = phase
    this.#leave()
    this.#leave = () => {}
    this.#options.voice
      .ready()
      .then(() => (this.#phase === phase ? then() : undefined))
      .catch((error: unknown) => this.lost(error))
  }

  #skip(): void {
    const { hub, voice } = this.#options
    const from = this.#left
    this.#at = hub.position
    this.#left = this.#at
    voice.gap({ from, to: this.#at, reason: 'slow-client' })
    this.#join()
  }
}
