/**
 * What waits for one connection. A client that reads as fast as things happen never has anything here for long; one that
 * does not gets the newest of what can be overtaken, and in the end loses whole subscriptions, aloud.
 *
 * Invariants
 * (O1) The events that wait, here and behind the exit, stay within the limits. Answers and snapshots always have room:
 *      a client asks for those one by one.
 * (O2) What was put in leaves in that order. A state is overtaken only by a later one of the same thing, which says so.
 * (O3) A lane whose events were taken out hears of it once, and has nothing waiting afterwards; it gets them elsewhere, or
 *      says itself what is missing.
 * (O4) An exit that takes nothing slows nobody else: nothing here waits for it.
 * (O5) Much at once is not slowness: no client can read within a moment what happened in a moment. Until the exit has had
 *      a while, more may wait, and nobody is said to be slow.
 */

import type { Clock } from '../../core/index.ts'
import { overtake, type Waiting } from './overtaking.ts'
import type { SharedEvent } from './shared-event.ts'

/** The way out to the client: a socket, a response. */
export interface Exit {
  /** Bytes handed over that have not left this process. */
  readonly bufferedBytes: number
  /** `sent` is called once, when the bytes have left or never will. */
  write(bytes: Buffer, sent: () => void): void
}

/** Whose events they are: a subscription. */
export interface Lane {
  /** The event with this cursor was handed to the exit. */
  left(cursor: string): void
  /** Its events that waited are gone: more came at once than has room. (O3) (O5) */
  overrun(): void
  /** Its events that waited are gone: the client does not keep up. (O3) */
  dropped(): void
}

export interface OutboxLimits {
  readonly bufferBytes: number
  readonly bufferFrames: number
  readonly highWaterBytes: number
  /** How long the exit may take nothing before the client counts as slow. (O5) */
  readonly slowAfterMs: number
}

/** So much more may wait for that long. (O5) */
const AT_ONCE = 4

export class Outbox {
  readonly #exit: Exit
  readonly #limits: OutboxLimits
  readonly #clock: Pick<Clock, 'monotonic'>
  #items: Waiting[] = []
  #next = 0
  /** Of events: those that wait here, and those that the exit has not let go. (O1) */
  #events = 0
  #eventBytes = 0
  /** Since when something waits. */
  #waitsSince: number | undefined
  #isClosed = false
  #whenReady: (() => void)[] = []

  constructor(exit: Exit, limits: OutboxLimits, clock: Pick<Clock, 'monotonic'>) {
    this.#exit = exit
    this.#limits = limits
    this.#clock = clock
  }

  /** Whether the exit takes more at once. */
  get isFlowing(): boolean {
    return this.#waiting === 0 && this.#exit.bufferedBytes < this.#limits.highWaterBytes
  }

  /** An answer: it always has room. */
  say(bytes: Buffer): void {
    this.#put({ is: 'answer', bytes })
  }

  /** An event of a lane; `write` makes its frame. */
  tell(lane: Lane, event: SharedEvent, write: (event: SharedEvent) => Buffer): void {
    this.#put({ is: 'event', bytes: write(event), lane, event, write })
    if (this.#isOver(1)) this.#makeRoom()
  }

  /** Resolves once the exit takes more at once, or never will. */
  ready(): Promise<void> {
    if (this.isFlowing || this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => this.#whenReady.push(resolve))
  }

  /** Forgets what waits of a lane. */
  forget(lane: Lane): void {
    this.#filter((item) => item.is === 'answer' || item.lane !== lane)
  }

  /** The lane is at its end and could not get its events again: what waits of it is not taken out any more. */
  keep(lane: Lane): void {
    for (let index = this.#next; index < this.#items.length; index++) {
      const item = this.#items[index]
      if (item?.is !== 'event' || item.lane !== lane) continue
      this.#count(item, -1)
      this.#items[index] = { is: 'answer', bytes: item.bytes }
    }
  }

  /** The exit is gone. */
  close(): void {
    this.#isClosed = true
    this.#filter(() => false)
    this.#tellReady()
  }

  get #waiting(): number {
    return this.#items.length - this.#next
  }

  #put(item: Waiting): void {
    if (this.#isClosed) return
    this.#count(item, 1)
    if (this.isFlowing) this.#hand(item)
    else {
      this.#waitsSince ??= this.#clock.monotonic()
      this.#items.push(item)
    }
  }

  #hand(item: Waiting): void {
    if (item.is === 'event') item.lane.left(item.event.cursor)
    this.#exit.write(item.bytes, () => {
      this.#count(item, -1)
      this.#pump()
    })
  }

  #count({ bytes, is }: Waiting, sign: 1 | -1): void {
    if (is === 'answer') return
    this.#events += sign
    this.#eventBytes += sign * bytes.length
  }

  #pump(): void {
    while (this.#waiting > 0 && this.#exit.bufferedBytes < this.#limits.highWaterBytes) {
      const item = this.#items[this.#next++]
      if (item === undefined) break
      this.#hand(item)
    }
    if (this.#next === this.#items.length) {
      this.#items = []
      this.#next = 0
      this.#waitsSince = undefined
    }
    if (this.isFlowing) this.#tellReady()
  }

  #tellReady(): void {
    for (const resolve of this.#whenReady.splice(0)) resolve()
  }

  #isOver(share: number): boolean {
    const { bufferBytes, bufferFrames } = this.#limits
    return this.#eventBytes > bufferBytes * share || this.#events > bufferFrames * share
  }

  /** (O1) Down to half, so that it is not done again for every event. */
  #makeRoom(): void {
    const waited = this.#clock.monotonic() - (this.#waitsSince ?? this.#clock.monotonic())
    const isSlow = waited >= this.#limits.slowAfterMs
    if (!isSlow && !this.#isOver(AT_ONCE)) return // (O5)
    if (isSlow) this.#overtake()
    while (this.#isOver(0.5)) {
      const lane = this.#widest()
      if (lane === undefined) return
      this.forget(lane)
      if (isSlow) lane.dropped()
      else lane.overrun()
    }
  }

  /** (O2) */
  #overtake(): void {
    const waiting = this.#items.slice(this.#next)
    for (const item of waiting) this.#count(item, -1)
    this.#items = overtake(waiting)
    this.#next = 0
    for (const item of this.#items) this.#count(item, 1)
  }

  #widest(): Lane | undefined {
    const bytes = new Map<Lane, number>()
    for (let index = this.#next; index < this.#items.length; index++) {
      const item = this.#items[index]
      if (item?.is !== 'event') continue
      bytes.set(item.lane, (bytes.get(item.lane) ?? 0) + item.bytes.length)
    }
    let widest: Lane | undefined
    for (const [lane, width] of bytes) {
      if (widest === undefined || width > (bytes.get(widest) ?? 0)) widest = lane
    }
    return widest
  }

  #filter(wanted: (item: Waiting) => boolean): void {
    const kept: Waiting[] = []
    for (const item of this.#items.slice(this.#next)) {
      if (wanted(item)) kept.push(item)
      else this.#count(item, -1)
    }
    this.#items = kept
    this.#next = 0
  }
}
