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

interface Repeat {
  readonly put: () => void
  at: number
  gapMs: number
}

class Question implements Sink {
  readonly subject: string
  readonly due: number
  reply = ''
  repeat: Repeat | undefined
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
      const question = new Question(subject, this.#clock.monotonic() + timeoutMs, (asked, answer) => {
        this.#inbox.remove(asked.reply)
        this.#open.delete(asked)
        resolve(answer)
      })
      question.reply = this.#inbox.add(question)
      this.#open.add(question)
      this.#sweeper ??= this.#sweepLater()
      const options = headers ? { reply: question.reply, headers } : { reply: question.reply }
      nc.publish(subject, payload, options)
      if (againMs === undefined) return
      const put = () => {
        if (!nc.isClosed()) nc.publish(subject, payload, options)
      }
      question.repeat = { put, at: this.#clock.monotonic() + this.#about(againMs), gapMs: againMs }
    })
  }

  #sweepLater(): Timer {
    return this.#clock.setTimer(SWEEP_EVERY_MS, () => {
      const now = this.#clock.monotonic()
      for (const question of this.#open) {
        if (question.due <= now) question.lost('silence')
        else if (question.repeat && question.repeat.at <= now) this.#putAgain(question.repeat, now)
      }
      this.#sweeper = this.#open.size > 0 ? this.#sweepLater() : undefined
    })
  }

  #putAgain(repeat: Repeat, now: number): void {
    repeat.put()
    repeat.gapMs = Math.max(repeat.gapMs, Math.min(2 * repeat.gapMs, MOST_BETWEEN_MS))
    repeat.at = now + this.#about(repeat.gapMs)
  }

  /** Everybody who lost the same leader would ask at the same moment. */
  #about(ms: number): number {
    return ms * (0.75 + 0.5 * this.#random.next())
  }
}
