/**
 * Everything live over one connection: subscriptions that outlive it, and requests that are answered once.
 *
 * Invariants
 * (V1) A subscription goes on after the last event it was given, on whatever connection: nothing twice, nothing left out.
 *      What the gateway can no longer give it says as a gap, with what holds now.
 * (V2) A request carries a key: it is asked again on the next connection when its answer was lost, and done once.
 * (V3) A reader that does not keep up lets its subscription rest, and takes it up again once it has read what waits.
 * (V4) A subscription that the gateway cannot begin yet is asked for again, until it begins or nobody reads it any more.
 * (V5) The connection is there while a subscription or a request is, and no longer.
 */

import type {
  ClientFrame,
  ReplyFrame,
  ServerFrame,
  SignalBody,
  StartRun,
  SubscribedFrame,
  SubscribeTo,
} from '../../api/index.ts'
import { GatewayError } from '../errors.ts'
import { newKey, type Platform } from '../platform.ts'
import { Link, type LinkOptions } from './link.ts'
import type { Reader } from './reader.ts'
import { type LiveItem, type SubscribeOptions, Subscription } from './subscription.ts'

/** What the gateway did. */
export type Reply = Extract<ReplyFrame, { ok: true }>

interface Request {
  readonly frame: (id: number) => ClientFrame
  readonly done: (reply: Reply) => void
  readonly failed: (error: unknown) => void
}

export class Live {
  readonly #link: Link
  readonly #platform: Platform
  readonly #subscriptions = new Set<Subscription>()
  readonly #requests = new Set<Request>()
  /** Of this connection: by the id they were asked under, and by the number the gateway gave them. */
  readonly #asked = new Map<number, Subscription | Request>()
  readonly #running = new Map<number, Subscription>()
  /** When they are asked for again (V4): what calls that off. */
  readonly #putOff = new Map<Subscription, () => void>()
  #lastId = 0
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#platform = options.platform
    this.#link = new Link(options, {
      onUp: () => this.#askAll(),
      onFrame: (frame) => this.#received(frame),
      onDown: () => this.#forget(),
      onRefused: (error) => this.#failAll(error),
    })
  }

  /** What there is, then what comes, until it ends or the loop is left. */
  subscribe(to: SubscribeTo, options: SubscribeOptions = {}): Reader<LiveItem> {
    const subscription = new Subscription(to, options, {
      onLeave: (left) => this.#leave(left),
      onRest: (resting) => this.#unsubscribe(resting),
      onWake: (woken) => this.#askFor(woken),
    })
    if (this.#isClosed) subscription.reader.fail(closed())
    else {
      this.#subscriptions.add(subscription)
      this.#link.need()
      this.#askFor(subscription)
    }
    return subscription.reader
  }

  /**
   * Tells a run something and gives what became of it.
   *
   * @throws GatewayError when the run does not take it, or the connection is refused
   */
  signal(run: string, signal: string, body: SignalBody = {}): Promise<Reply> {
    const key = body.key ?? newKey(this.#platform)
    return this.#request((id) => ({ op: 'signal', id, run, signal, ...body, key })) // (V2)
  }

  /**
   * Starts a run and gives its id.
   *
   * @throws GatewayError
   */
  start(run: StartRun): Promise<Reply> {
    const key = run.idempotencyKey ?? newKey(this.#platform)
    return this.#request((id) => ({ op: 'start', id, ...run, key })) // (V2)
  }

  close(): void {
    this.#isClosed = true
    this.#failAll(closed())
    this.#link.close()
  }

  #request(frame: Request['frame']): Promise<Reply> {
    if (this.#isClosed) return Promise.reject(closed())
    return new Promise((done, failed) => {
      const request = { frame, done, failed }
      this.#requests.add(request)
      this.#link.need()
      this.#ask(request)
    })
  }

  #askAll(): void {
    for (const subscription of this.#subscriptions) this.#askFor(subscription)
    for (const request of this.#requests) this.#ask(request)
  }

  #askFor(subscription: Subscription): void {
    if (!this.#link.isUp || subscription.isResting || !this.#subscriptions.has(subscription)) return
    const id = ++this.#lastId
    this.#asked.set(id, subscription)
    this.#link.send(subscription.frame(id))
  }

  #ask(request: Request): void {
    if (!this.#link.isUp) return
    const id = ++this.#lastId
    this.#asked.set(id, request)
    this.#link.send(request.frame(id))
  }

  #received(frame: ServerFrame): void {
    switch (frame.op) {
      case 'subscribed':
        this.#subscribed(frame)
        break
      case 'event':
        this.#running.get(frame.sub)?.event(frame)
        break
      case 'gap':
        this.#running.get(frame.sub)?.gap(frame)
        break
      case 'end': {
        const subscription = this.#running.get(frame.sub)
        this.#running.delete(frame.sub)
        subscription?.reader.end()
        if (subscription !== undefined) this.#over(subscription)
        break
      }
      case 'reply':
        this.#answered(frame)
    }
  }

  #subscribed(frame: SubscribedFrame): void {
    const { id, sub } = frame
    const subscription = this.#asked.get(id)
    this.#asked.delete(id)
    if (!(subscription instanceof Subscription)) return
    if (this.#subscriptions.has(subscription)) {
      this.#running.set(sub, subscription)
      subscription.begun(frame)
    } else this.#link.send({ op: 'unsubscribe', id: ++this.#lastId, sub }) // It was left meanwhile.
  }

  #answered(reply: ReplyFrame): void {
    const asker = this.#asked.get(reply.id)
    this.#asked.delete(reply.id)
    if (asker instanceof Subscription) {
      if (!reply.ok) this.#notBegun(asker, errorOf(reply))
    } else if (asker !== undefined) {
      if (reply.ok) asker.done(reply)
      else asker.failed(errorOf(reply))
      this.#requests.delete(asker)
      this.#releaseIfUnused()
    }
  }

  #notBegun(subscription: Subscription, error: GatewayError): void {
    if (!this.#subscriptions.has(subscription)) return // It was left meanwhile.
    if (!error.isRetryable) {
      subscription.reader.fail(error)
      this.#over(subscription)
      return
    }
    const ms = subscription.putOff(error, this.#platform.random) // (V4)
    const again = () => {
      this.#putOff.delete(subscription)
      this.#askFor(subscription)
    }
    this.#putOff.set(subscription, this.#platform.setTimer(ms, again))
  }

  #leave(subscription: Subscription): void {
    if (!this.#subscriptions.has(subscription)) return
    this.#unsubscribe(subscription)
    this.#over(subscription)
  }

  #unsubscribe(subscription: Subscription): void {
    for (const [sub, running] of this.#running) {
      if (running !== subscription) continue
      this.#running.delete(sub)
      this.#link.send({ op: 'unsubscribe', id: ++this.#lastId, sub })
    }
  }

  #over(subscription: Subscription): void {
    this.#subscriptions.delete(subscription)
    this.#putOff.get(subscription)?.()
    this.#putOff.delete(subscription)
    this.#releaseIfUnused()
  }

  /** (V5) */
  #releaseIfUnused(): void {
    if (this.#subscriptions.size === 0 && this.#requests.size === 0) this.#link.release()
  }

  #forget(): void {
    this.#asked.clear()
    this.#running.clear()
    this.#askNoMore()
  }

  /** The next connection asks for everything anyway. */
  #askNoMore(): void {
    for (const callOff of this.#putOff.values()) callOff()
    this.#putOff.clear()
  }

  #failAll(error: GatewayError): void {
    for (const { reader } of this.#subscriptions) reader.fail(error)
    for (const { failed } of this.#requests) failed(error)
    this.#subscriptions.clear()
    this.#requests.clear()
    this.#askNoMore()
    this.#link.release()
  }
}

function errorOf({ error }: Extract<ReplyFrame, { ok: false }>): GatewayError {
  const { message, ...facts } = error
  return new GatewayError(message, facts)
}

function closed(): GatewayError {
  return new GatewayError('This client was closed.', { code: 'CLOSED' })
}
