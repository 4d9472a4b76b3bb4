/**
 * Answers. One wildcard subscription receives them all; the last token of its subject says whose an answer is. This
 * replaces the client's own `request`, which waits out its whole time after a lost connection and costs twice as
 * much per call. What a consumer delivers comes under the subject it was stored with; that is for `receivers.ts`.
 *
 * Invariants
 * (X1) A sink hears `message` any number of times, or `lost` once, and nothing after `lost` or `remove`.
 * (X2) When the connection breaks every sink is lost at once and the subject changes: an answer to the old one, should
 *      it come after all, finds nobody.
 */

import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'

/** Why no answer will come. What was asked may have been done all the same. */
export type Loss = 'denied' | 'disconnected' | 'silence' | 'stopped'

export interface Sink {
  /** Where the question went: a refused publish is matched by it. */
  readonly subject: string
  message(message: Msg): void
  lost(why: Loss): void
}

export class Inbox {
  readonly #sinks = new Map<string, Sink>()
  #nc: NatsConnection | undefined
  #subscription: Subscription | undefined
  #prefix = ''
  #issued = 0

  open(nc: NatsConnection): void {
    this.#nc = nc
    this.#subscribe()
  }

  /** Registers a sink; answers to the subject returned reach it until it is removed. */
  add(sink: Sink): string {
    const reply = this.#prefix + (this.#issued++).toString(36)
    this.#sinks.set(reply, sink)
    return reply
  }

  remove(reply: string): void {
    this.#sinks.delete(reply)
  }

  /** The connection broke: (X2). */
  renew(): void {
    this.#subscription?.unsubscribe()
    this.#subscribe()
    this.loseAll('disconnected')
  }

  loseAll(why: Loss): void {
    const lost = [...this.#sinks.values()]
    this.#sinks.clear()
    for (const sink of lost) sink.lost(why)
  }

  /** The server refused a publish to this subject; it does not say which one. */
  deny(subject: string): void {
    for (const [reply, sink] of this.#sinks) {
      if (sink.subject !== subject) continue
      this.#sinks.delete(reply)
      sink.lost('denied')
    }
  }

  #subscribe(): void {
    if (!this.#nc) return
    this.#prefix = `${createInbox()}.`
    this.#subscription = this.#nc.subscribe(`${this.#prefix}*`, {
      callback: (error, message) => {
        if (error) this.loseAll('denied')
        else this.#sinks.get(message.subject)?.message(message)
      },
    })
  }
}

/** The answer says that nobody listens where the question went. */
export function isNobody(message: Msg): boolean {
  return message.data.length === 0 && message.headers?.code === 503
}
