/**
 * Messages of a stream in order, without gap or duplicate, as fast as the taker takes them. Everything that reads
 * more than one message is built on it: following and reading the log, watching and listing keys, reading objects.
 *
 * It is an ephemeral pull consumer without acknowledgements. At least one pull is open whenever there is room, so the
 * server sends a new message at once; there is no polling. Each message that comes alone costs the server a quarter of
 * what it costs to store one; a feed that gathers takes one at once and what follows some milliseconds later, in one go.
 *
 * Invariants
 * (F1) What is buffered and what is asked for together never exceed `WINDOW` messages, and `MOST_BYTES` for each of the
 *      buffer and the two pulls that may be open. A taker that does not come stops the flow at the server.
 * (F2) Consumer sequences are dense. A gap, a lost connection, a vanished consumer or a silence makes a new consumer
 *      from the message after the last one buffered.
 * (F3) A new consumer is made only on the stream that the first one was made on, and only when that still holds what
 *      was read already; otherwise the feed ends with CB_E_CURSOR_LOST.
 */

import type { Msg } from '@nats-io/transport-node'
import {
  CallboardError,
  isCallboardError,
  isRetryable,
  messageOf,
  sleep,
  type Timer,
} from '../../core/index.ts'
import type { Api } from './api.ts'
import { cursorLost, identityOf } from './cursors.ts'
import { lossFailure } from './failures.ts'
import { isNobody, type Loss, type Sink } from './inbox.ts'
import type { Link } from './link.ts'
import type { Receiver } from './receivers.ts'
import { type Delivery, deliveryOf, HEADER, nanos, type PullRequest } from './wire.ts'

export interface FeedOptions {
  readonly stream: string
  /** Of the stream as it was when reading was decided on. */
  readonly identity: string
  /** Only messages of these subjects. */
  readonly filter?: string
  /** The first stream sequence wanted. */
  readonly from: number
  /** Without payloads. */
  readonly headersOnly?: boolean
  /** How soon the server says that it has nothing more. Default 5,000 ms. */
  readonly heartbeatMs?: number
  /** How long to gather after a message that came alone. Default 0: each message as it comes. */
  readonly gatherMs?: number
}

export interface FeedItem {
  readonly message: Msg
  readonly delivery: Delivery
}

interface Pull extends Sink {
  receiver: Receiver | undefined
  left: number
}

interface Flowing {
  readonly is: 'flowing'
  readonly consumer: string
  readonly pulls: Set<Pull>
  /** Of the consumer, of the last message buffered. */
  sequence: number
  /** A feed that gathers asks for all there is, then for the next one, and then for nothing for a while. */
  wants: 'all' | 'next' | 'nothing'
}

type Phase =
  | { readonly is: 'making' }
  | Flowing
  | { readonly is: 'ended'; readonly error: CallboardError | undefined }

const WINDOW = 512
const MOST_BYTES = 4 * 1024 ** 2
const MOST_PULLS = 2
const PULL_EXPIRES_MS = 30_000
const HEARTBEAT_MS = 5_000
const SILENT_AFTER_MS = 12_500
/** When the last message of a range is deleted while it is read, its end is known this much later. */
const RANGE_HEARTBEAT_MS = 1_000
const INACTIVE_AFTER_MS = 60_000
const MAKE_AGAIN_MS = 50
const MAKE_AGAIN_AT_MOST_MS = 2_000

let issued = 0

export class Feed {
  readonly #link: Link
  readonly #api: Api
  readonly #options: FeedOptions
  #phase: Phase = { is: 'making' }
  #next: number
  #items: FeedItem[] = []
  #bytes = 0
  #wake: (() => void) | undefined
  #quiet = false
  #heardAt = 0
  #watchdog: Timer | undefined
  #gathering: Timer | undefined

  private constructor(link: Link, api: Api, options: FeedOptions) {
    this.#link = link
    this.#api = api
    this.#options = options
    this.#next = options.from
  }

  /** Resolves with a feed whose consumer exists: from then on nothing is missed. */
  static async open(link: Link, api: Api, options: FeedOptions): Promise<Feed> {
    const feed = new Feed(link, api, options)
    await feed.#makeConsumer()
    return feed
  }

  /**
   * What has arrived; waits for something. An empty list says that the server has nothing more at the moment.
   *
   * @throws the coded error that ended the feed; CB_E_STOPPED after `close`
   */
  async take(): Promise<readonly FeedItem[]> {
    while (this.#items.length === 0) {
      if (this.#phase.is === 'ended') throw this.#phase.error ?? closed()
      if (this.#quiet) {
        this.#quiet = false
        return []
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const items = this.#items
    this.#items = []
    this.#bytes = 0
    this.#pull()
    return items
  }

  /** Idempotent. A `take` that waits rejects. */
  async close(): Promise<void> {
    const consumer = this.#phase.is === 'flowing' ? this.#phase.consumer : undefined
    this.#end(undefined)
    if (consumer !== undefined && this.#link.isUp) await this.#forget(consumer)
  }

  #end(error: CallboardError | undefined): void {
    if (this.#phase.is === 'ended') return
    this.#abandonPulls()
    this.#watchdog?.cancel()
    this.#gathering?.cancel()
    this.#phase = { is: 'ended', error }
    this.#wakeTaker()
  }

  async #makeConsumer(): Promise<void> {
    const { stream, filter, headersOnly } = this.#options
    const name = `f${(issued++).toString(36)}${Buffer.from(this.#link.deps.random.bytes(9)).toString('hex')}`
    await this.#api.createConsumer(stream, {
      name,
      ack_policy: 'none',
      replay_policy: 'instant',
      ...(this.#next > 1
        ? { deliver_policy: 'by_start_sequence', opt_start_seq: this.#next }
        : { deliver_policy: 'all' }),
      ...(filter === undefined ? {} : { filter_subject: filter }),
      ...(headersOnly ? { headers_only: true } : {}),
      max_waiting: 2 * MOST_PULLS,
      inactive_threshold: nanos(INACTIVE_AFTER_MS),
      mem_storage: true,
      num_replicas: 1,
    })
    if (this.#phase.is === 'ended') {
      await this.#forget(name)
      return
    }
    this.#phase = { is: 'flowing', consumer: name, pulls: new Set(), sequence: 0, wants: 'all' }
    this.#heardAt = this.#link.deps.clock.monotonic()
    this.#watch()
    this.#pull()
  }

  /** (F2) */
  #remake(reason: string): void {
    if (this.#phase.is !== 'flowing') return
    const { consumer } = this.#phase
    this.#abandonPulls()
    this.#gathering?.cancel()
    const making: Phase = { is: 'making' }
    this.#phase = making
    this.#link.deps.logger.debug(
      { stream: this.#options.stream, reason },
      'reading goes on with a new consumer',
    )
    void this.#keepMaking(making, consumer)
  }

  async #keepMaking(making: Phase, old: string): Promise<void> {
    const { clock } = this.#link.deps
    for (
      let pause = MAKE_AGAIN_MS;
      this.#phase === making;
      pause = Math.min(pause * 2, MAKE_AGAIN_AT_MOST_MS)
    ) {
      try {
        if (!(await this.#link.whenUp())) throw closed()
        await this.#assertSameStream()
        void this.#forget(old)
        await this.#makeConsumer()
      } catch (error) {
        if (isRetryable(error)) await sleep(clock, pause)
        else this.#end(isCallboardError(error) ? error : bug(error))
      }
    }
  }

  /** (F3) */
  async #assertSameStream(): Promise<void> {
    const { stream, identity } = this.#options
    const info = await this.#api.streamInfo(stream)
    if (!info) throw cursorLost(`the stream ${stream} is gone`)
    if (identityOf(info.created) !== identity) throw cursorLost(`the stream ${stream} was made anew`)
    if (info.state.last_seq < this.#next - 1)
      throw cursorLost(`the stream ${stream} ends at ${info.state.last_seq}, before ${this.#next - 1}`)
  }

  get #gatherMs(): number {
    return this.#options.gatherMs ?? 0
  }

  /** Asks for more when half of the window is free (F1). */
  #pull(): void {
    const phase = this.#phase
    const mostPulls = this.#gatherMs > 0 ? 1 : MOST_PULLS
    if (phase.is !== 'flowing' || phase.pulls.size >= mostPulls || this.#bytes >= MOST_BYTES) return
    let room = WINDOW - this.#items.length
    for (const pull of phase.pulls) room -= pull.left
    if (room < WINDOW / 2 || phase.wants === 'nothing') return
    const request = this.#requestFor(phase, room)
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#options.stream}.${phase.consumer}`
    const pull: Pull = {
      subject,
      receiver: undefined,
      left: request.batch,
      message: (message) => this.#receive(phase, pull, message),
      lost: (why) => this.#lost(phase, why),
    }
    pull.receiver = this.#link.pull(pull, JSON.stringify(request))
    this.#heardAt = this.#link.deps.clock.monotonic()
    if (pull.receiver) phase.pulls.add(pull)
    else this.#remake('there is no connection')
  }

  #requestFor({ wants }: Flowing, room: number): PullRequest {
    const gathers = this.#gatherMs > 0
    if (gathers && wants === 'all') return { batch: room, max_bytes: MOST_BYTES, no_wait: true }
    return {
      batch: gathers ? 1 : room,
      max_bytes: MOST_BYTES,
      expires: nanos(PULL_EXPIRES_MS),
      idle_heartbeat: nanos(this.#options.heartbeatMs ?? HEARTBEAT_MS),
    }
  }

  /** What came alone may be the first of many. */
  #gather(phase: Flowing): void {
    phase.wants = 'nothing'
    const gathered = () => {
      phase.wants = 'all'
      this.#pull()
    }
    this.#gathering = this.#link.deps.clock.setTimer(this.#gatherMs, gathered, { ref: false })
  }

  #receive(phase: Flowing, pull: Pull, message: Msg): void {
    if (this.#phase !== phase) return
    this.#heardAt = this.#link.deps.clock.monotonic()
    const delivery = deliveryOf(message.reply ?? '')
    if (!delivery) this.#receiveStatus(phase, pull, message)
    else if (delivery.consumerSequence === phase.sequence + 1)
      this.#accept(phase, pull, { message, delivery })
    else this.#remake('a message is missing')
  }

  #accept(phase: Flowing, pull: Pull, item: FeedItem): void {
    phase.sequence = item.delivery.consumerSequence
    this.#next = item.delivery.streamSequence + 1
    this.#items.push(item)
    this.#bytes += item.message.data.length
    this.#quiet = false
    pull.left--
    if (pull.left === 0) this.#finishPull(phase, pull)
    if (phase.wants === 'next') this.#gather(phase)
    this.#pull()
    this.#wakeTaker()
  }

  #receiveStatus(phase: Flowing, pull: Pull, message: Msg): void {
    const { code = 0, description = '' } = message.headers ?? {}
    const sent = Number(message.headers?.get(HEADER.lastConsumer) ?? 0)
    const pullIsOver = code === 404 || code === 408 || (code === 409 && /exceeds maxbytes/i.test(description))
    if (pullIsOver) {
      this.#finishPull(phase, pull)
      if (this.#gatherMs > 0 && code !== 409) phase.wants = 'next'
      this.#pull()
    } else if (code === 100 && sent <= phase.sequence) {
      this.#quiet = true
      this.#wakeTaker()
    } else if (code === 100) {
      this.#remake('a message is missing')
    } else {
      this.#remake(isNobody(message) ? 'the consumer is gone' : `${code} ${description}`)
    }
  }

  #lost(phase: Phase, why: Loss): void {
    if (this.#phase !== phase) return
    if (why === 'disconnected' || why === 'silence') this.#remake(why)
    else this.#end(lossFailure(why, `to deliver from the stream ${this.#options.stream}`))
  }

  #finishPull(phase: Flowing, pull: Pull): void {
    phase.pulls.delete(pull)
    pull.receiver?.close()
  }

  #abandonPulls(): void {
    if (this.#phase.is !== 'flowing') return
    for (const pull of this.#phase.pulls) this.#finishPull(this.#phase, pull)
  }

  #watch(): void {
    const { clock } = this.#link.deps
    this.#watchdog?.cancel()
    this.#watchdog = clock.setTimer(HEARTBEAT_MS, () => {
      if (this.#phase.is === 'ended') return
      const waits = this.#phase.is === 'flowing' && this.#phase.pulls.size > 0
      if (waits && clock.monotonic() - this.#heardAt > SILENT_AFTER_MS) this.#remake('the server is silent')
      this.#watch()
    })
  }

  #wakeTaker(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  /** It would go by itself after a while. */
  async #forget(consumer: string): Promise<void> {
    await this.#api.deleteConsumer(this.#options.stream, consumer).catch(() => {})
  }
}

/**
 * The messages of a stream from `from` to sequence `to`, in batches. What was deleted meanwhile is passed by, also the
 * last one. A consumer's count of what is pending is not trusted to say that the end is reached: it has been wrong.
 */
export async function* readRange(
  link: Link,
  api: Api,
  options: FeedOptions & { readonly to: number },
): AsyncGenerator<readonly FeedItem[], void, void> {
  if (options.from > options.to) return
  const feed = await Feed.open(link, api, { heartbeatMs: RANGE_HEARTBEAT_MS, ...options })
  try {
    for (;;) {
      const items = await feed.take()
      if (items.length === 0) return
      const within = items.filter((item) => item.delivery.streamSequence <= options.to)
      if (within.length > 0) yield within
      if ((items.at(-1)?.delivery.streamSequence ?? 0) >= options.to) return
    }
  } finally {
    await feed.close()
  }
}

function bug(cause: unknown): CallboardError {
  return new CallboardError('CB_E_BUG', `Reading failed in a way nobody foresaw: ${messageOf(cause)}`, {
    cause,
  })
}

function closed(): CallboardError {
  return new CallboardError('CB_E_STOPPED', 'Reading was stopped.')
}
