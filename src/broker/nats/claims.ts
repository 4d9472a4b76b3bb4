/**
 * Claiming from several queues at once, with priorities, from a server that knows only single pulls.
 *
 * A lane is one queue at one priority: one consumer. A claim first sweeps its lanes in order, with pulls that answer
 * at once. When all are empty it leaves one pull open at each; the server answers the moment something comes.
 *
 * Invariants
 * (Q1) At most one pull is open per lane and process, for one item. Whoever waits longest gets what comes.
 * (Q2) An item that comes when nobody waits is given back at once. Open pulls are taken back when a claim is aborted,
 *      before it resolves; when nobody has claimed for `LINGER_MS`; and when the broker stops.
 * (Q3) A lane with an open pull is empty as far as anybody knows, and is not swept. Nor is one whose last item came just
 *      now, when all others are empty: whoever takes items as they come then waits for the next one at once.
 * (Q5) An open pull is heard of every `HEARTBEAT_MS`. When it is not, whoever looked after the consumer is gone, and with
 *      it the pull: another one takes its place.
 */

import type { Msg } from '@nats-io/transport-node'
import {
  type CallboardError,
  isCallboardError,
  isRetryable,
  messageOf,
  sleep,
  type Timer,
} from '../../core/index.ts'
import type { Claimed, Priority } from '../port.ts'
import { lossFailure, unavailable } from './failures.ts'
import { type Held, hold } from './held.ts'
import type { Loss, Sink } from './inbox.ts'
import type { Link } from './link.ts'
import type { Receiver } from './receivers.ts'
import { deliveryOf, nanos, type PullRequest } from './wire.ts'

export interface Lane {
  readonly queue: string
  readonly priority: Priority
  readonly consumer: string
  /** Makes sure that the consumer exists. */
  readonly ensure: () => Promise<void>
  /** In force while the consumer is believed to exist. */
  ready: Promise<void> | undefined
  /** (Q1) */
  open: Pull | undefined
  /** When the server last said that there was nothing more, on the monotonic clock. */
  emptyAt: number
  readonly waiters: Set<Waiter>
}

interface Waiter {
  readonly lanes: readonly Lane[]
  readonly max: number
  readonly got: { readonly lane: Lane; readonly item: Held }[]
  aborted: boolean
  /** Why it will never be served. */
  failure: CallboardError | undefined
  readonly wake: () => void
}

interface Pull extends Sink {
  receiver: Receiver | undefined
  left: number
  /** When the server must have said something of it. */
  due: number
}

const OPEN_MS = 30_000
const HEARTBEAT_MS = 5_000
/** A pull that was not heard of for so long is forgotten at the server: two heartbeats, and half of one for the way. */
const FORGOTTEN_AFTER_MS = 12_500
const LOOK_EVERY_MS = 2_500
/** A sweep that the server does not answer becomes the lane's open pull. */
const SWEEP_MS = 1_000
const LINGER_MS = 100
/** So long a lane that had nothing more counts as empty: a turn or two of the event loop. */
const FRESH_MS = 5
const PAUSE_MS = 100
/** The status of a heartbeat. (Q5) */
const HEARTBEAT = 100
/** Nothing there; its time is over. Any other status says that something is wrong with the consumer. */
const ENDS: ReadonlySet<number> = new Set([404, 408])

export class Claims {
  readonly #link: Link
  readonly #stream: string
  readonly #claimTimeoutMs: number
  readonly #lanes = new Map<string, Lane>()
  readonly #waiters = new Set<Waiter>()
  /** Given back from here and not seen again, by stream sequence: the server counts them as held. */
  readonly #released = new Map<number, { readonly queue: string; readonly at: number }>()
  #takingBack: Promise<void> = Promise.resolve()
  #lingering: Timer | undefined
  #watching: Timer | undefined

  constructor(link: Link, stream: string, claimTimeoutMs: number) {
    this.#link = link
    this.#stream = stream
    this.#claimTimeoutMs = claimTimeoutMs
    link.own(() => this.#stop())
  }

  lane(queue: string, priority: Priority, consumer: string, ensure: () => Promise<void>): Lane {
    const known = this.#lanes.get(consumer)
    if (known) return known
    const waiters = new Set<Waiter>()
    const nothing = { ready: undefined, open: undefined, emptyAt: Number.NEGATIVE_INFINITY, waiters }
    const lane: Lane = { queue, priority, consumer, ensure, ...nothing }
    this.#lanes.set(consumer, lane)
    return lane
  }

  async claim(lanes: readonly Lane[], max: number, signal: AbortSignal): Promise<readonly Claimed[]> {
    const woken = Promise.withResolvers<void>()
    const waiter: Waiter = { lanes, max, got: [], aborted: false, failure: undefined, wake: woken.resolve }
    const abort = () => this.#abort(waiter)
    signal.addEventListener('abort', abort, { once: true })
    this.#enter(waiter)
    try {
      const ready = Promise.all(lanes.map((lane) => this.#ready(lane, () => isWaiting(waiter))))
      await Promise.race([ready, woken.promise])
      await this.#sweepInOrder(waiter)
      if (isWaiting(waiter)) {
        for (const lane of lanes) if (!lane.open) this.#leaveOpen(lane)
        await woken.promise
        await this.#topUp(waiter)
      }
      if (!waiter.aborted && !waiter.failure) return inOrder(waiter)
      await this.#giveBack(waiter)
      if (waiter.failure) throw waiter.failure
      return []
    } finally {
      signal.removeEventListener('abort', abort)
      this.#leave(waiter)
    }
  }

  /** How many items of a queue were given back here and are, as far as we know, not claimed again. */
  releasedHere(queue: string): number {
    this.#forgetOldReleases()
    let count = 0
    for (const released of this.#released.values()) if (released.queue === queue) count++
    return count
  }

  #noteRelease(sequence: number, queue: string): void {
    this.#forgetOldReleases()
    this.#released.set(sequence, { queue, at: this.#link.deps.clock.monotonic() })
  }

  /** They stand in the order of their time. */
  #forgetOldReleases(): void {
    const oldest = this.#link.deps.clock.monotonic() - this.#claimTimeoutMs
    for (const [sequence, { at }] of this.#released) {
      if (at > oldest) return
      this.#released.delete(sequence)
    }
  }

  /** The lane's consumer exists when this resolves. Waits out an outage as long as somebody wants it. */
  async #ready(lane: Lane, wanted: () => boolean): Promise<void> {
    while (wanted() && (await this.#link.whenUp())) {
      try {
        lane.ready ??= lane.ensure()
        await lane.ready
        return
      } catch (error) {
        lane.ready = undefined
        if (!isRetryable(error)) throw error
        await sleep(this.#link.deps.clock, PAUSE_MS)
      }
    }
  }

  async #sweepInOrder(waiter: Waiter): Promise<void> {
    const freshAt = this.#link.deps.clock.monotonic() - FRESH_MS
    if (waiter.lanes.every((lane) => lane.open !== undefined || lane.emptyAt >= freshAt)) return // (Q3)
    for (const lane of waiter.lanes) {
      if (!isWaiting(waiter)) return
      if (!lane.open) await this.#sweep(lane, waiter) // (Q3)
    }
  }

  /** Something came by an open pull; there may be more of it. */
  async #topUp(waiter: Waiter): Promise<void> {
    const [first] = waiter.got
    if (!first || waiter.aborted || waiter.got.length >= waiter.max || first.lane.open) return
    if (first.item.pending > 0) await this.#sweep(first.lane, waiter)
  }

  /** Takes what is there for this waiter, up to what it lacks. Resolves when the server has said that it was all. */
  #sweep(lane: Lane, waiter: Waiter): Promise<void> {
    if (!this.#link.isUp) return Promise.resolve()
    const swept = Promise.withResolvers<void>()
    const late = this.#link.deps.clock.setTimer(SWEEP_MS, () => {
      lane.open ??= pull
      swept.resolve()
    })
    const request = { batch: waiter.max - waiter.got.length, no_wait: true }
    const pull = this.#pull(lane, request, waiter, () => {
      late.cancel()
      swept.resolve()
    })
    return swept.promise
  }

  #leaveOpen(lane: Lane): void {
    const request = { batch: 1, expires: nanos(OPEN_MS), idle_heartbeat: nanos(HEARTBEAT_MS) }
    if (this.#link.isUp && lane.ready) lane.open = this.#pull(lane, request, undefined, () => {})
    else void this.#reopen(lane)
  }

  /** A lane has no pull while somebody waits there. */
  async #reopen(lane: Lane): Promise<void> {
    const wanted = () => isWanted(lane) && !lane.open
    try {
      await sleep(this.#link.deps.clock, PAUSE_MS)
      await this.#ready(lane, wanted)
      if (wanted() && this.#link.isUp && lane.ready) this.#leaveOpen(lane)
    } catch (error) {
      fail(lane, isCallboardError(error) ? error : unavailable('for a queue', messageOf(error), error))
    }
  }

  #pull(lane: Lane, request: PullRequest, preferred: Waiter | undefined, ended: () => void): Pull {
    const { clock } = this.#link.deps
    const end = () => {
      pull.receiver?.close()
      ended()
      if (lane.open !== pull) return
      lane.open = undefined
      if (isWanted(lane)) this.#leaveOpen(lane)
    }
    const pull: Pull = {
      subject: `$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${lane.consumer}`,
      receiver: undefined,
      left: request.batch,
      due: clock.monotonic() + FORGOTTEN_AFTER_MS,
      message: (message) => {
        pull.due = clock.monotonic() + FORGOTTEN_AFTER_MS
        if (message.headers?.code === HEARTBEAT) return
        const delivered = this.#receive(lane, message, preferred)
        if (delivered) pull.left--
        else if (!ENDS.has(message.headers?.code ?? 0)) lane.ready = undefined
        if (!delivered || pull.left === 0) end()
      },
      lost: (why: Loss) => {
        if (why === 'denied') fail(lane, lossFailure('denied', `to claim from the queue ${lane.queue}`))
        end()
      },
    }
    pull.receiver = this.#link.pull(pull, JSON.stringify(request))
    return pull
  }

  /** `false` when the message is not an item but says how the pull ended. */
  #receive(lane: Lane, message: Msg, preferred: Waiter | undefined): boolean {
    const delivery = deliveryOf(message.reply ?? '')
    if (!delivery) return false
    this.#released.delete(delivery.streamSequence)
    lane.emptyAt = delivery.pending === 0 ? this.#link.deps.clock.monotonic() : Number.NEGATIVE_INFINITY
    const onRelease = () => this.#noteRelease(delivery.streamSequence, lane.queue)
    const item = hold(this.#link, lane, message, delivery, this.#claimTimeoutMs, onRelease)
    if (item) this.#offer(lane, item, preferred)
    return true
  }

  #offer(lane: Lane, item: Held, preferred: Waiter | undefined): void {
    const inLine =
      preferred && this.#waiters.has(preferred) ? [preferred, ...lane.waiters] : [...lane.waiters]
    const waiter = inLine.find(
      (candidate) => !candidate.aborted && !candidate.failure && candidate.got.length < candidate.max,
    )
    if (waiter) {
      waiter.got.push({ lane, item })
      waiter.wake()
    } else {
      void item.claimed.release() // (Q2)
    }
  }

  #enter(waiter: Waiter): void {
    this.#lingering?.cancel()
    this.#waiters.add(waiter)
    for (const lane of waiter.lanes) lane.waiters.add(waiter)
    this.#watching ??= this.#watch()
  }

  #leave(waiter: Waiter): void {
    this.#waiters.delete(waiter)
    for (const lane of waiter.lanes) lane.waiters.delete(waiter)
    this.#lingering?.cancel()
    if (this.#waiters.size > 0) return
    const { clock } = this.#link.deps
    this.#lingering = clock.setTimer(LINGER_MS, () => void this.#takeBackPulls(), { ref: false })
  }

  #abort(waiter: Waiter): void {
    waiter.aborted = true
    waiter.wake()
  }

  /** (Q2) */
  async #giveBack(waiter: Waiter): Promise<void> {
    this.#leave(waiter)
    await Promise.all(waiter.got.map(({ item }) => item.claimed.release()))
    await this.#takeBackPulls()
  }

  /** Takes back open pulls that nobody waits for. What still arrives is given back. */
  async #takeBackPulls(): Promise<void> {
    for (const lane of this.#lanes.values()) {
      if (!lane.open || isWanted(lane)) continue
      const taken = lane.open.receiver?.drain()
      this.#takingBack = Promise.all([this.#takingBack, taken]).then(() => {})
      lane.open = undefined
    }
    await this.#takingBack
  }

  #watch(): Timer {
    const { clock } = this.#link.deps
    return clock.setTimer(LOOK_EVERY_MS, () => {
      for (const lane of this.#lanes.values())
        if (lane.open && lane.open.due <= clock.monotonic()) lane.open.lost('silence')
      this.#watching = this.#waiters.size > 0 ? this.#watch() : undefined
    })
  }

  async #stop(): Promise<void> {
    for (const waiter of [...this.#waiters]) this.#abort(waiter)
    for (const lane of this.#lanes.values()) lane.waiters.clear()
    await this.#takeBackPulls()
    this.#lingering?.cancel()
    this.#watching?.cancel()
  }
}

function isWaiting(waiter: Waiter): boolean {
  return !waiter.aborted && !waiter.failure && waiter.got.length === 0
}

function isWanted(lane: Lane): boolean {
  for (const waiter of lane.waiters) if (isWaiting(waiter)) return true
  return false
}

function fail(lane: Lane, failure: CallboardError): void {
  for (const waiter of lane.waiters) {
    waiter.failure = failure
    waiter.wake()
  }
}

function inOrder({ got, lanes }: Waiter): readonly Claimed[] {
  const order = new Map(lanes.map((lane, index) => [lane, index]))
  const indexOf = (lane: Lane) => order.get(lane) ?? 0
  return got
    .toSorted((a, b) => indexOf(a.lane) - indexOf(b.lane) || a.item.sequence - b.item.sequence)
    .map(({ item }) => item.claimed)
}
