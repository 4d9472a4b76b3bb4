/**
 * Subscriptions of their own for what consumers deliver: such messages come under the subject they were stored with, so
 * that only the subscription tells which pull they answer.
 *
 * Invariants
 * (R1) As for the inbox, a sink hears messages, or `lost` once, and nothing after `lost` or `close`.
 * (R2) A receiver does not outlive its connection: after a reconnect the server finds nobody there, and what it still had
 *      waiting for it stays with the server.
 * (R3) `drain` takes a pull back without losing what is on its way: the sink goes on hearing until the server has
 *      confirmed that it sends no more.
 */

import { createInbox, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import type { Loss, Sink } from './inbox.ts'

export interface Receiver {
  /** The reply subject to give with a pull. */
  readonly reply: string
  close(): void
  drain(): Promise<void>
}

export class Receivers {
  readonly #open = new Map<Subscription, Sink>()

  open(nc: NatsConnection, sink: Sink): Receiver {
    const reply = createInbox()
    const subscription = nc.subscribe(reply, {
      callback: (error, message) => {
        if (error) this.#lose(subscription, 'denied')
        else sink.message(message)
      },
    })
    this.#open.set(subscription, sink)
    return {
      reply,
      close: () => this.#close(subscription),
      drain: async () => {
        if (this.#open.has(subscription)) await subscription.drain().catch(() => {})
        this.#open.delete(subscription)
      },
    }
  }

  loseAll(why: Loss): void {
    for (const subscription of [...this.#open.keys()]) this.#lose(subscription, why)
  }

  deny(subject: string): void {
    for (const [subscription, sink] of [...this.#open])
      if (sink.subject === subject) this.#lose(subscription, 'denied')
  }

  #lose(subscription: Subscription, why: Loss): void {
    const sink = this.#open.get(subscription)
    this.#close(subscription)
    sink?.lost(why)
  }

  #close(subscription: Subscription): void {
    if (this.#open.delete(subscription) && !subscription.isClosed()) subscription.unsubscribe()
  }
}
