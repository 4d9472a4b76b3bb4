/**
 * One subscription: what it is to, how far it has come, and who reads it.
 *
 * Invariants
 * (S1) The cursor is that of the newest thing given to the reader: where the next connection goes on.
 * (S2) A snapshot is given once at the beginning, and with every gap; the one that comes with going on is what the reader
 *      has already, or what the events after it are about to say.
 * (S3) At most `REST_AT` items wait: then it rests until they are read.
 * (S4) What the gateway cannot begin yet waits longer each time, until it has begun.
 */

import type {
  EventFrame,
  GapFrame,
  LiveKind,
  LogLevel,
  RunSnapshot,
  SubscribedFrame,
  SubscribeFrame,
  SubscribeTo,
} from '../../api/index.ts'
import type { GatewayError } from '../errors.ts'
import { backoffMs } from './backoff.ts'
import { Reader } from './reader.ts'

export interface SubscribeOptions {
  /** Default: all that there are. */
  readonly kinds?: readonly LiveKind[]
  /** `start`, `tail`, or the cursor of something that was given before. Default `tail`. */
  readonly after?: string
  /** Log lines as important as this, or more. Default: all. */
  readonly level?: LogLevel
  /**
   * Told when the gateway cannot begin yet, for instance because it is still reading the log, and is asked again by itself
   * after `ms` milliseconds. Leaving the loop ends that.
   */
  readonly onWait?: (why: GatewayError, ms: number) => void
}

/** What holds at a cursor; everything after it follows. */
export interface SnapshotItem {
  readonly kind: 'snapshot'
  readonly cursor: string
  /** Of a run; subscriptions to anything else begin without. */
  readonly snapshot: RunSnapshot | undefined
  /** What may have been meant, when the filter looks like a slip. */
  readonly hint?: string
}

/** What the gateway could not give; `snapshot` is what holds after it. */
export type GapItem = Pick<GapFrame, 'from' | 'to' | 'reason' | 'snapshot'> & { readonly kind: 'gap' }

type Unwrapped<Frame> = Frame extends EventFrame ? Omit<Frame, 'op' | 'sub'> : never

export type LiveEvent = Unwrapped<EventFrame>
export type LiveItem = SnapshotItem | GapItem | LiveEvent

const REST_AT = 5_000

export interface SubscriptionListener {
  /** It wants to be taken up again. */
  onWake(subscription: Subscription): void
  /** It gets more than is read. */
  onRest(subscription: Subscription): void
  onLeave(subscription: Subscription): void
}

export class Subscription {
  readonly reader: Reader<LiveItem>
  readonly #to: SubscribeTo
  readonly #options: SubscribeOptions
  readonly #listener: SubscriptionListener
  #cursor: string | undefined
  #isResting = false
  /** So often the gateway could not begin, since it last did. */
  #putOff = 0

  constructor(to: SubscribeTo, options: SubscribeOptions, listener: SubscriptionListener) {
    this.#to = to
    this.#options = options
    this.#listener = listener
    this.reader = new Reader({ onLeave: () => listener.onLeave(this), onDrained: () => this.#drained() })
  }

  get isResting(): boolean {
    return this.#isResting
  }

  /** (S1) */
  frame(id: number): SubscribeFrame {
    const { kinds, after, level } = this.#options
    const from = this.#cursor ?? after
    return {
      op: 'subscribe',
      id,
      to: this.#to,
      ...(kinds === undefined ? {} : { kinds: [...kinds] }),
      ...(from === undefined ? {} : { after: from }),
      ...(level === undefined ? {} : { level }),
    }
  }

  /** How long to wait before it is asked for again. (S4) */
  putOff(why: GatewayError, random: () => number): number {
    const ms = Math.max(why.retryAfterMs ?? 0, backoffMs(this.#putOff++, random))
    this.#options.onWait?.(why, ms)
    return ms
  }

  begun({ cursor, snapshot, hint }: SubscribedFrame): void {
    this.#putOff = 0
    if (this.#cursor !== undefined) return // (S2)
    this.#give({ kind: 'snapshot', cursor, snapshot, ...(hint === undefined ? {} : { hint }) }, cursor)
  }

  event(frame: EventFrame): void {
    const { op: _, sub: __, ...item } = frame
    this.#give(item as LiveEvent, frame.cursor)
  }

  gap({ from, to, reason, snapshot }: GapFrame): void {
    this.#give({ kind: 'gap', from, to, reason, ...(snapshot === undefined ? {} : { snapshot }) }, to)
  }

  #give(item: LiveItem, cursor: string): void {
    this.#cursor = cursor
    this.reader.push(item)
    if (this.#isResting || this.reader.waiting < REST_AT) return
    this.#isResting = true // (S3)
    this.#listener.onRest(this)
  }

  #drained(): void {
    if (!this.#isResting) return
    this.#isResting = false
    this.#listener.onWake(this)
  }
}
