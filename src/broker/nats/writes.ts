/**
 * Every write to a stream goes through here.
 *
 * Invariants
 * (W1) At most `IN_FLIGHT` writes are under way on a connection; a bounded number waits, in order, with a bounded number
 *      of bytes; more is CB_E_BUSY.
 * (W2) A message id names one write for ever. Servers look for it before anything else, so a write whose answer was
 *      lost can be sent again: if the first one landed, the answer is its sequence and `duplicate`. Newer servers refuse
 *      an id that is on its way still: that is "not now", and never "outdated", for it may be our own.
 * (W3) `idle` resolves when no write is under way any more: that is what stopping waits for.
 */

import { type MsgHdrs, MsgHdrsImpl } from '@nats-io/transport-node'
import { assertNever, CallboardError, settlesWithin } from '../../core/index.ts'
import { lossFailure, nobodyAnswers, unavailable } from './failures.ts'
import { isNobody, type Loss } from './inbox.ts'
import type { Link } from './link.ts'
import { isPassing, Pauses } from './refusals.ts'
import { isAnswered } from './requests.ts'
import { API, type ApiError, HEADER, type PubAck } from './wire.ts'

export type Settled =
  | { readonly is: 'stored'; readonly seq: number; readonly duplicate: boolean }
  /** The expected sequence is not that of the newest message, or another write on the subject is under way. */
  | { readonly is: 'outdated' }

/** It may have been stored all the same. */
export type Unsettled =
  | { readonly is: 'lost'; readonly why: Loss | 'nobody' }
  | { readonly is: 'not now'; readonly reason: string }

export type Written = Settled | Unsettled

export interface Write {
  readonly subject: string
  readonly body: Uint8Array | string
  /** (W2) */
  readonly id: string
  /** The subject's newest message must be this one; 0: there must be none. */
  readonly expect?: number
  readonly headers?: Readonly<Record<string, string>>
}

const IN_FLIGHT = 256
const MOST_WAITING = 16_384
const MOST_WAITING_BYTES = 256 * 1024 ** 2
/** When a write that nobody answers is sent again. Later than a question: it has its payload with it. */
const SEND_AGAIN_MS = 1_000

export class Writes {
  readonly #link: Link
  readonly #waiting: (() => void)[] = []
  #underWay = 0
  #waitingBytes = 0
  #idle: (() => void) | undefined

  constructor(link: Link) {
    this.#link = link
  }

  /** Runs one write of about this many bytes when there is room for it (W1). @throws CB_E_BUSY */
  async run<T>(bytes: number, write: () => Promise<T>): Promise<T> {
    if (this.#underWay < IN_FLIGHT) this.#underWay++
    else await this.#turn(bytes)
    try {
      return await write()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else if (--this.#underWay === 0) this.#idle?.()
    }
  }

  /** (W3), or after `patienceMs`. */
  async idle(patienceMs: number): Promise<void> {
    if (this.#underWay === 0) return
    const finished = new Promise<void>((resolve) => {
      this.#idle = resolve
    })
    await settlesWithin(this.#link.deps.clock, patienceMs, finished)
  }

  /** One answer; (W2) lets it be sent again meanwhile. @throws CB_E_STORE_FULL, CB_E_PAYLOAD_TOO_LARGE, CB_E_BROKER_AUTH */
  async send(write: Write, timeoutMs: number): Promise<Written> {
    const options = { headers: headersOf(write), againMs: SEND_AGAIN_MS }
    const answer = await this.#link.ask(write.subject, write.body, timeoutMs, options)
    if (!isAnswered(answer)) {
      if (answer.unanswered === 'denied') throw lossFailure('denied', `to publish to ${write.subject}`)
      return { is: 'lost', why: answer.unanswered }
    }
    if (isNobody(answer)) return { is: 'lost', why: 'nobody' }
    const ack: PubAck = JSON.parse(answer.string())
    if (ack.error) return refusal(write, ack.error)
    return { is: 'stored', seq: ack.seq ?? 0, duplicate: ack.duplicate === true }
  }

  /**
   * Sends until there is an answer, within `callTimeoutMs`.
   *
   * @throws CB_E_BROKER_UNAVAILABLE when there is none, and what `send` throws
   */
  async settle(write: Write): Promise<Settled> {
    const { clock } = this.#link.deps
    const what = `to publish to ${write.subject}`
    const until = this.#link.deadline
    const pauses = new Pauses(this.#link.deps)
    for (;;) {
      if (!(await this.#link.whenUp(until))) throw unavailable(what, 'there is no connection')
      const written = await this.send(write, Math.max(1, until - clock.monotonic()))
      if (written.is === 'stored' || written.is === 'outdated') return written
      const isStopped = written.is === 'lost' && written.why === 'stopped'
      if (isStopped || !(await pauses.wait(until))) throw unsettled(written, what)
    }
  }

  async #turn(bytes: number): Promise<void> {
    const full = this.#waiting.length >= MOST_WAITING || this.#waitingBytes + bytes > MOST_WAITING_BYTES
    if (full)
      throw new CallboardError(
        'CB_E_BUSY',
        `${this.#waiting.length} writes with ${this.#waitingBytes} bytes wait for the NATS server already; this one was not taken. Try again in a moment.`,
      )
    this.#waitingBytes += bytes
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#waitingBytes -= bytes
  }
}

/** Headers that are written out already. The client's own are checked and put in order name by name, 6 µs a write. */
class WrittenHeaders extends MsgHdrsImpl {
  readonly #text: string

  constructor(text: string) {
    super()
    this.#text = text
  }

  override encode(): Uint8Array {
    return Buffer.from(this.#text)
  }
}

/** Names are ours, and the values of ids and sequences have nothing in them that would end a line. */
function headersOf({ id, expect, headers = {} }: Write): MsgHdrs {
  let text = `NATS/1.0\r\n${HEADER.messageId}: ${id}\r\n`
  if (expect !== undefined) text += `${HEADER.expectedLastSubjectSequence}: ${expect}\r\n`
  for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`
  return new WrittenHeaders(`${text}\r\n`)
}

function refusal(write: Write, error: ApiError): Written {
  switch (error.err_code) {
    case API.wrongLastSequence:
    case API.wrongLastSequenceInFlight:
      return { is: 'outdated' }
    case API.storeFailed:
    case API.insufficientResources:
    case API.storageExceeded:
    case API.resourceLimits:
      throw new CallboardError(
        'CB_E_STORE_FULL',
        `The NATS server has no room for a message to ${write.subject}: ${error.description}. Nothing was written. Raise the quota of its stream, or free space.`,
      )
    case API.messageTooLarge:
      throw new CallboardError(
        'CB_E_PAYLOAD_TOO_LARGE',
        `The NATS server refused a message to ${write.subject}: ${error.description}. Nothing was written.`,
      )
    default: {
      const reason = `refused: ${error.description} (${error.err_code})`
      if (isPassing(error)) return { is: 'not now', reason }
      throw unavailable(`to publish to ${write.subject}`, reason)
    }
  }
}

/** `what` is a phrase such as "to publish to cb.1.q.work". */
export function unsettled(written: Unsettled, what: string): CallboardError {
  switch (written.is) {
    case 'lost':
      return written.why === 'nobody' ? nobodyAnswers(what) : lossFailure(written.why, what)
    case 'not now':
      return unavailable(what, written.reason)
    default:
      return assertNever(written)
  }
}
