/**
 * One client's subscription to one run. Whatever the client had, it gets what came after: from the run's log until it is
 * where the hub is, then from the hub.
 *
 * Invariants
 * (R1) Events leave in the log's order, each once: an entry is taken only on top of the one before it, whoever brings it.
 * (R2) It is live only when nothing of the run lies between what it took and what the hub handed on.
 * (R3) When more comes than its client takes, it reads the log at the client's pace. When that takes too long, or the
 *      client takes nothing, it is told what it misses as a gap, with what holds after it.
 * (R4) It ends once the run is terminal and everything that is in its log was taken.
 */

import type { RunSnapshot } from '../../api/index.ts'
import type { Entry, Rev } from '../../broker/index.ts'
import { CallboardError } from '../../core/index.ts'
import { placeOf } from './cursors.ts'
import { findPlace } from './find-place.ts'
import { type RunListener, type RunSeat, shared } from './hub.ts'
import type { Lane } from './outbox.ts'
import type { SharedEvent } from './shared-event.ts'
import type { RunPicture } from './sources.ts'
import type { Phase, SubscriptionOptions } from './subscription.ts'

const NOWHERE = { rev: 0, seen: 0 }

export class RunSubscription implements Lane, RunListener {
  readonly #run: string
  readonly #options: SubscriptionOptions
  readonly #seat: RunSeat
  #phase: Phase = { is: 'opening' }
  /** The newest entry that was taken. */
  #rev: Rev = 0
  /** Events of the entry after it that the client has. */
  #seen = 0
  /** What is in the log for sure, from when it was last asked. */
  #newest: Rev = 0
  #isTerminal = false
  /** When it fell behind what the hub offers; undefined when it is not. */
  #behindSince: number | undefined
  /** Everything up to here was taken. */
  #at = 'start'
  /** The client has everything that it wants up to here. */
  #left = 'start'

  constructor(run: string, options: SubscriptionOptions) {
    this.#run = run
    this.#options = options
    this.#seat = options.hub.attach(run, this)
  }

  /**
   * Begins after `after`: a cursor, `start`, or `tail`, which is what holds now and then what comes.
   *
   * @throws CB_E_RUN_MISSING, CB_E_CURSOR_INVALID, CB_E_BUSY, and what the broker throws; it is over then
   */
  async open(after: string): Promise<void> {
    const { sources, voice } = this.#options
    try {
      const newest = await sources.log.last(this.#run)
      if (newest === undefined || newest.tombstone) throw missing(this.#run)
      this.#newest = newest.rev
      const snapshot = await this.#begin(after, newest)
      if (this.#isOver) return
      voice.begun(this.#left, snapshot)
    } catch (error) {
      this.close()
      throw error
    }
    this.#catchUp()
  }

  offer(entry: Entry, events: readonly SharedEvent[]): void {
    if (this.#phase.is !== 'live') return
    if (entry.rev > this.#rev + 1) {
      this.#newest = entry.rev
      this.#catchUp() // (R1)
    } else {
      this.#take(entry, events)
      this.#endIfOver()
    }
  }

  left(cursor: string): void {
    this.#left = cursor
  }

  /** (R3) */
  overrun(): void {
    if (this.#isOver) return
    this.#behindSince ??= this.#options.clock.monotonic()
    this.#wait((phase) => this.#goBack(phase))
  }

  /** (R3) */
  dropped(): void {
    if (!this.#isOver) this.#wait((phase) => this.#skip(phase))
  }

  lost(error: unknown): void {
    if (this.#isOver) return
    this.close()
    this.#options.voice.broken(error)
  }

  close(): void {
    if (this.#isOver) return
    this.#phase = { is: 'over' }
    this.#seat.leave()
    this.#options.voice.forget(this)
  }

  get #isOver(): boolean {
    return this.#phase.is === 'over'
  }

  async #begin(after: string, newest: Entry): Promise<RunSnapshot | undefined> {
    if (after === 'start') return undefined
    if (after !== 'tail') {
      const { rev, seen } = await findPlace(this.#options.sources.log, newest, placeOf(after))
      this.#rev = rev
      this.#seen = seen
      this.#at = after
      this.#left = after
      return undefined
    }
    return this.#goTo(await this.#picture(newest.rev))
  }

  #goTo({ snapshot, rev, cursor }: RunPicture): RunSnapshot {
    this.#rev = rev
    this.#seen = 0
    this.#at = cursor
    this.#left = cursor
    this.#isTerminal = isTerminal(snapshot.run.state)
    return snapshot
  }

  async #picture(atLeast: Rev): Promise<RunPicture> {
    const picture = await this.#options.sources.runs.picture(this.#run, atLeast)
    if (picture !== undefined) return picture
    throw new CallboardError(
      'CB_E_BUSY',
      `This gateway has not read the log up to revision ${atLeast} of run ${this.#run} yet. Try again in a moment, or subscribe after a cursor or "start".`,
    )
  }

  #catchUp(): void {
    const phase: Phase = { is: 'catching' }
    this.#phase = phase
    this.#guard(this.#readOn(phase))
  }

  async #readOn(phase: Phase): Promise<void> {
    const { sources, voice } = this.#options
    while (this.#rev < Math.max(this.#newest, this.#seat.rev)) {
      const before = this.#rev
      for await (const entry of sources.log.read(this.#run, { from: before + 1 })) {
        if (!voice.isReady) await voice.ready()
        if (this.#phase !== phase) return
        if (this.#isLate) return this.dropped()
        if (entry.tombstone && entry.rev > this.#rev + 1) return this.#archived(entry)
        this.#take(entry, shared(sources, entry))
        if (this.#phase !== phase) return
      }
      if (this.#phase !== phase) return
      if (this.#rev === before) throw missing(this.#run)
    }
    if (this.#phase !== phase) return
    this.#phase = { is: 'live' } // (R2)
    this.#behindSince = undefined
    this.#look()
    this.#endIfOver()
  }

  /** Whether the run is terminal is known from its events; somebody who goes on at its end gets none. */
  #look(): void {
    const head = this.#options.sources.runs.head(this.#run)
    if (head?.rev === this.#rev) this.#isTerminal = isTerminal(head.state)
  }

  /** (R1) */
  #take(entry: Entry, events: readonly SharedEvent[]): void {
    if (entry.rev === this.#rev) this.#look() // now the read model is here too
    if (entry.rev <= this.#rev) return
    for (const { event } of events)
      if (event.kind === 'state') this.#isTerminal = isTerminal(event.data.state)
    const { voice, wants } = this.#options
    const seen = this.#seen
    this.#rev = entry.rev
    this.#seen = 0
    this.#at = entry.cursor
    for (let index = seen; index < events.length; index++) {
      const event = events[index]
      if (event?.isWanted(wants)) voice.event(this, event)
      if (this.#phase.is === 'behind') return
    }
  }

  get #isLate(): boolean {
    const { clock, limits } = this.#options
    return this.#behindSince !== undefined && clock.monotonic() - this.#behindSince > limits.behindForMs
  }

  #wait(then: (phase: Phase) => Promise<void>): void {
    const phase: Phase = { is: 'behind' }
    this.#phase = phase
    this.#guard(this.#options.voice.ready().then(() => (this.#phase === phase ? then(phase) : undefined)))
  }

  /** To what the client has. */
  async #goBack(phase: Phase): Promise<void> {
    const { log } = this.#options.sources
    const newest = await log.last(this.#run)
    if (newest === undefined) throw missing(this.#run)
    const place = this.#left === 'start' ? NOWHERE : await findPlace(log, newest, placeOf(this.#left))
    if (this.#phase !== phase) return
    this.#newest = newest.rev
    this.#rev = place.rev
    this.#seen = place.seen
    this.#catchUp()
  }

  /** To what holds now. */
  async #skip(phase: Phase): Promise<void> {
    const from = this.#left
    const picture = await this.#picture(Math.max(this.#rev, this.#seat.rev))
    if (this.#phase !== phase) return
    const snapshot = this.#goTo(picture)
    this.#behindSince = undefined
    this.#options.voice.gap({ from, to: picture.cursor, reason: 'slow-client' }, snapshot)
    this.#catchUp()
  }

  /** What lies between is gone for good. */
  #archived(entry: Entry): void {
    const { voice } = this.#options
    voice.gap({ from: this.#left, to: entry.cursor, reason: 'retention' })
    this.#finish(entry.cursor)
  }

  /** (R4) */
  #endIfOver(): void {
    if (this.#phase.is !== 'live' || !this.#isTerminal || this.#rev < this.#seat.rev) return
    this.#finish(this.#at)
  }

  #finish(cursor: string): void {
    const { voice } = this.#options
    this.#phase = { is: 'over' }
    this.#seat.leave()
    voice.end(this, cursor)
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.lost(error))
  }
}

function isTerminal({ type }: { readonly type: string }): boolean {
  return type === 'COMPLETED' || type === 'FAILED' || type === 'CRASHED' || type === 'CANCELLED'
}

function missing(run: string): CallboardError {
  return new CallboardError('CB_E_RUN_MISSING', `There is no run ${run}, or it is archived. Check the id.`)
}
