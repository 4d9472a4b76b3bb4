/**
 * Questions with a time limit, over the inbox. Hot: an append is one question, so a call costs one small object, and one
 * timer looks after all that are open, a tenth of a second at a time.
 *
 * In a cluster a question can be lost without a word: only the leader of what it is about answers, and while leadership
 * moves, or a stream is just being made, no server thinks that it is the one. So what may be asked twice is put again
 * while nobody answers, under the same reply subject: the first answer counts, whichever of them it belongs to.
 */

import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import type { Clock, Random, Timer } from '../../core/index.ts'
import type { Inbox, Loss, Sink } from './inbox.ts'

export interface Unanswered {
  readonly unanswered: Loss
}

export type Answer = Msg | Unanswered

export function isAnswered(answer: Answer): answer is Msg {
  return !('unanswered' in answer)
}

export interface AskOptions {
  readonly headers?: MsgHdrs
  /**
   * Put the question again when nobody has answered for about this long, and then at growing intervals. Only for what
   * may be done twice. Milliseconds; default: never.
   */
  readonly againMs?: number
}

const SWEEP_EVERY_MS = 100
const MOST_BETWEEN_MS = 1_000

class Question implements Sink {
  readonly subject: string
  readonly due: number
  reply = ''
  /** When it is put again if nobody has answered, and how long after that once more. */
  againAt = Number.POSITIVE_INFINITY
  gapMs = 0
  readonly #nc: NatsConnection
  readonly #payload: Uint8Array | string
  readonly #headers: MsgHdrs | undefined
  readonly #settle: (question: Question, answer: Answer) => void

  constructor(
    nc: NatsConnection,
    subject: string,
    payload: Uint8Array | string,
    headers: MsgHdrs | undefined,
    due: number,
    settle: (question: Question, answer: Answer) => void,
  ) {
    this.#nc = nc
    this.subject = subject
    this.#payload = payload
    this.#headers = headers
    this.due = due
    this.#settle = settle
  }

  put(): void {
    const { reply } = this
    const headers = this.#headers
    this.#nc.publish(this.subject, this.#payload, headers ? { reply, headers } : { reply })
  }

  putAgain(): void {
    if (!this.#nc.isClosed()) this.put()
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
  readonly #random: Random
  readonly #open = new Set<Question>()
  #sweeper: Timer | undefined

  constructor(inbox: Inbox, clock: Clock, random: Random) {
    this.#inbox = inbox
    this.#clock = clock
    this.#random = random
  }

  ask(
    nc: NatsConnection,
    subject: string,
    payload: Uint8Array | string,
    timeoutMs: number,
    { headers, againMs }: AskOptions = {},
  ): Promise<Answer> {
    return new Promise((resolve) => {
      const now = this.#clock.monotonic()
      const question = new Question(nc, subject, payload, headers, now + timeoutMs, (asked, answer) => {
        this.#inbox.remove(asked.reply)
        this.#open.delete(asked)
        resolve(answer)
      })
      if (againMs !== undefined) {
        question.againAt = now + againMs
        question.gapMs = againMs
      }
      question.reply = this.#inbox.add(question)
      this.#open.add(question)
      this.#sweeper ??= this.#sweepLater()
      question.put()
    })
  }

  #sweepLater(): Timer {
    return this.#clock.setTimer(SWEEP_EVERY_MS, () => {
      const now = this.#clock.monotonic()
      for (const question of this.#open) {
        if (question.due <= now) question.lost('silence')
        else if (question.againAt <= now) this.#putAgain(question, now)
      }
      this.#sweeper = this.#open.size > 0 ? this.#sweepLater() : undefined
    })
  }

  /** After pauses that are a little off: everybody who lost the same leader would ask at the same moment. */
  #putAgain(question: Question, now: number): void {
    question.putAgain()
    question.gapMs = Math.max(question.gapMs, Math.min(2 * question.gapMs, MOST_BETWEEN_MS))
    question.againAt = now + question.gapMs * (0.75 + 0.5 * this.#random.next())
  }
}
