/**
 * One following of the log for all partitions held, and for a while a second one that brings new partitions up to
 * the first.
 *
 * Invariants
 * (W1) A partition is handed every entry after its cursor, in order, once: what the shared following repeats is
 *      passed by.
 * (W2) New partitions catch up on their own, from the oldest of their cursors, while those already followed go on;
 *      then one following from where both are takes the place of the two.
 * (W3) Joining and leaving are done one after another. What joins or leaves meanwhile is gathered into the next.
 * (W4) Who leaves and joins again takes a new seat: a following that was begun for the old one hands it nothing, and does
 *      not move its cursor.
 */

import type { Cursor, Entry, Following, Log } from '../broker/index.ts'
import { CallboardError, type Deps, isCallboardError, PARTITIONS, partitionOf, sleep } from '../core/index.ts'

/** One partition that wants to be followed. */
export interface Follower {
  readonly partition: number
  /** Everything up to here has been handled; undefined for nothing yet. */
  readonly cursor: Cursor | undefined
  /** Entries of this partition, in order. Until `caughtUp` was called they may be old. */
  handle(entries: readonly Entry[]): Promise<void>
  /** No entry of this partition up to here was left out. `passed`: entries since the last call; Infinity: not counted. */
  reached(cursor: Cursor, passed: number): void
  /** Everything that was in the log when it joined has been handled. */
  caughtUp(): void
  /** The log is not the one its cursor is of: begin anew, from nothing. */
  restart(): void
}

const PAUSE_MS = 500
/** A member takes many partitions at a time, and they are ready to join one soon after the other. */
const GATHER_JOINS_MS = 5
/**
 * Whoever writes that something is to be done does it as well, so that nobody waits for a scheduler that hears of it some
 * milliseconds later. Hearing of each entry by itself costs each step of a run a fifth more.
 */
const GATHER_MS = 10
/**
 * Who follows some partitions only does not see how much of the log is between their entries. So whoever has most of them
 * follows all, and picks his own.
 */
const MOST = PARTITIONS / 2
const NOT_COUNTED = Number.POSITIVE_INFINITY

/** From joining to leaving (W4). */
interface Seat {
  readonly follower: Follower
}

export class SharedFollowing {
  readonly #log: Log
  readonly #deps: Deps
  readonly #stop = new AbortController()
  /** Those whom the main following serves. */
  readonly #followed = new Map<number, Seat>()
  /** Those who have joined and are not caught up. */
  readonly #joining = new Map<number, Seat>()
  #main: Following | undefined
  #catching: Following | undefined
  #work: Promise<void> = Promise.resolve()
  #isWorking = false
  #changed = false
  #failure: { readonly error: unknown } | undefined

  constructor(log: Log, deps: Deps) {
    this.#log = log
    this.#deps = deps
  }

  join(follower: Follower): void {
    this.#followed.delete(follower.partition)
    this.#joining.set(follower.partition, { follower })
    this.#change()
  }

  /** The follower is called no more; a `handle` under way goes on. */
  leave(partition: number): void {
    if (this.#joining.delete(partition) || this.#followed.delete(partition)) this.#change()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new CallboardError('CB_E_STOPPED', 'The scheduler was stopped.'))
    this.#followed.clear()
    this.#joining.clear()
    await this.#catching?.stop()
    await this.#work
    await this.#main?.stop()
  }

  /** (W3) */
  #change(): void {
    this.#changed = true
    if (!this.#isWorking) this.#work = this.#rearrange()
  }

  async #rearrange(): Promise<void> {
    this.#isWorking = true
    await Promise.resolve() // those who join in the same turn join together
    while (this.#changed && !this.#stop.signal.aborted) {
      try {
        if (this.#failure) await this.#pauseAfter(this.#failure.error)
        if (this.#joining.size > 0) await this.#pause(GATHER_JOINS_MS)
        this.#changed = false
        await this.#catchUp([...this.#joining.values()])
        await this.#restartMain()
      } catch (error) {
        this.#failed(error)
      }
    }
    this.#isWorking = false
  }

  /** (W2) */
  async #catchUp(seats: readonly Seat[]): Promise<void> {
    if (seats.length === 0) return
    const end = await this.#log.end()
    const seesAll = this.#hasMost
    const following = await this.#follow(seats, seesAll)
    this.#catching = following
    try {
      await following.caughtUp
    } finally {
      await following.stop()
      this.#catching = undefined
    }
    for (const seat of seats) {
      const { follower } = seat
      if (this.#joining.get(follower.partition) !== seat) continue
      this.#joining.delete(follower.partition)
      this.#followed.set(follower.partition, seat)
      this.#reached([seat], end, seesAll ? 0 : NOT_COUNTED)
      follower.caughtUp()
    }
  }

  async #restartMain(): Promise<void> {
    await this.#main?.stop()
    this.#main = undefined
    if (this.#followed.size === 0 || this.#stop.signal.aborted) return
    const following = await this.#follow([...this.#followed.values()], this.#hasMost)
    this.#main = following
    following.ended.then(
      () => {},
      (error) => {
        if (this.#main === following) this.#failed(error)
      },
    )
  }

  get #hasMost(): boolean {
    return this.#followed.size + this.#joining.size > MOST
  }

  #follow(seats: readonly Seat[], seesAll: boolean): Promise<Following> {
    const byPartition = new Map(seats.map((seat) => [seat.follower.partition, seat]))
    const from = this.#oldest(seats)
    const partitions = seesAll ? 'all' : new Set(byPartition.keys())
    let before: Cursor | undefined
    const handler = async (entries: readonly Entry[]) => {
      await this.#hand(byPartition, entries, seesAll ? entries.length : NOT_COUNTED, before)
      before = entries.at(-1)?.cursor
    }
    return this.#log.follow({ partitions }, from ?? 'start', handler, { gatherMs: GATHER_MS })
  }

  /** Undefined when one of them has none. */
  #oldest(seats: readonly Seat[]): Cursor | undefined {
    let oldest = seats[0]?.follower.cursor
    for (const { cursor } of seats.map(({ follower }) => follower)) {
      if (cursor === undefined || oldest === undefined) return undefined
      if (this.#log.compare(cursor, oldest) < 0) oldest = cursor
    }
    return oldest
  }

  /**
   * Hot. `before` is where the batch before this one ended: who stands there has seen none of these. Comparing positions is
   * work, and hardly ever needed beyond that.
   */
  async #hand(
    seats: ReadonlyMap<number, Seat>,
    entries: readonly Entry[],
    passed: number,
    before: Cursor | undefined,
  ): Promise<void> {
    const shares = new Map<Follower, Entry[]>()
    for (const entry of entries) {
      const seat = seats.get(partitionOf(entry.subject))
      if (!seat || !this.#isServed(seat)) continue
      const { follower } = seat
      const { cursor } = follower
      const mayHaveSeen = cursor !== undefined && cursor !== before
      if (mayHaveSeen && this.#log.compare(entry.cursor, cursor) <= 0) continue // (W1)
      const share = shares.get(follower)
      if (share) share.push(entry)
      else shares.set(follower, [entry])
    }
    await handOut(shares)
    const last = entries.at(-1)?.cursor
    if (last !== undefined) this.#reached(seats.values(), last, passed, before)
  }

  /** Followers mostly stand at the same position: each one is compared once. */
  #reached(seats: Iterable<Seat>, cursor: Cursor, passed: number, before?: Cursor): void {
    let compared = before
    let isBehind = true
    for (const seat of seats) {
      const { follower } = seat
      const { cursor: known } = follower
      if (known !== undefined && known !== compared) {
        compared = known
        isBehind = known === before || (known !== cursor && this.#log.compare(known, cursor) < 0)
      }
      if ((known === undefined || isBehind) && this.#isServed(seat)) follower.reached(cursor, passed)
    }
  }

  /** (W4) */
  #isServed(seat: Seat): boolean {
    const { partition } = seat.follower
    return this.#followed.get(partition) === seat || this.#joining.get(partition) === seat
  }

  #failed(error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.#failure = { error }
    this.#change()
  }

  /** A following ended that should not have: it is begun again, from the cursors, after a pause. */
  async #pauseAfter(error: unknown): Promise<void> {
    this.#failure = undefined
    if (isCallboardError(error, 'CB_E_CURSOR_LOST') || isCallboardError(error, 'CB_E_CURSOR_INVALID')) {
      this.#deps.logger.error(
        { error },
        'the log is not the one that was followed; it is read from its start',
      )
      for (const { follower } of [...this.#followed.values(), ...this.#joining.values()]) {
        follower.restart()
        this.join(follower)
      }
    } else
      this.#deps.logger.warn({ error }, 'following the log was interrupted; it goes on from where it was')
    await this.#pause(PAUSE_MS)
  }

  /** Cut short by the stop. */
  #pause(ms: number): Promise<void> {
    return sleep(this.#deps.clock, ms, this.#stop.signal, { ref: false }).catch(() => {})
  }
}

/** Waits for all of them, also when one fails. */
async function handOut(shares: ReadonlyMap<Follower, readonly Entry[]>): Promise<void> {
  if (shares.size === 1) {
    for (const [follower, share] of shares) await follower.handle(share)
    return
  }
  const handled = await Promise.allSettled([...shares].map(([follower, share]) => follower.handle(share)))
  for (const each of handled) if (each.status === 'rejected') throw each.reason
}
