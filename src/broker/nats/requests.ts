/**
 * Questions with a time limit, over the inbox. Hot: an append is one question, so a call costs one small object, and one
 * timer looks after all that are open, a tenth of a second at a time.
 */

import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import type { Clock, Timer } from '../../core/index.ts'
import type { Inbox, Loss, Sink } from './inbox.ts'

export interface Unanswered {
  readonly unanswered: Loss
}

export type Answer = Msg | Unanswered

export function isAnswered(answer: Answer): answer is Msg {
  return !('unanswered' in answer)
}

const SWEEP_EVERY_MS = 100

class Question implements Sink {
  readonly subject: string
  readonly due: number
  reply = ''
  readonly #settle: (question: Question, answer: Answer) => void

  constructor(subject: string, due: number, settle: (question: Question, answer: Answer) => void) {
    this.subject = subject
    this.due = due
    this.#settle = settle
  }

  message(message: Msg): void {
    this.#settle(this, message)
  }

  lost(why: Loss): void {
    this.#settle(this, { unanswered: why })
  }
}

export class Requests {
  readonly #inbox: Inbox
  readonly #clock: Clock
  readonly #open = new Set<Question>()
  #sweeper: Timer | undefined

  constructor(inbox: Inbox, clock: Clock) {
    this.#inbox = inbox
    this.#clock = clock
  }

  ask(
    nc: NatsConnection,
    subject: string,
    payload: Uint8Array | string,
    timeoutMs: number,
    headers?: MsgHdrs,
  ): Promise<Answer> {
    return new Promise((resolve) => {
      const question = new Question(subject, this.#clock.monotonic() + timeoutMs, (asked, answer) => {
        this.#inbox.remove(asked.reply)
        this.#open.delete(asked)
        resolve(answer)
      })
      question.reply = this.#inbox.add(question)
      this.#open.add(question)
      this.#sweeper ??= this.#sweepLater()
      nc.publish(subject, payload, headers ? { reply: question.reply, headers } : { reply: question.reply })
    })
  }

  #sweepLater(): Timer {
    return this.#clock.setTimer(SWEEP_EVERY_MS, () => {
      const now = this.#clock.monotonic()
      for (const question of this.#open) if (question.due <= now) question.lost('silence')
      this.#sweeper = this.#open.size > 0 ? this.#sweepLater() : undefined
    })
  }
}
