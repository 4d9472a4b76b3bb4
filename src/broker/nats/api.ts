/**
 * JetStream's API: one method per call that this driver makes, in its documented JSON over request and reply. Every
 * answer is either what was asked for or a coded error; `undefined` stands for "is not there" where that is an answer.
 *
 * Invariants
 * (J1) Everything here may be asked twice with the effect of once, so silence and "not now" are asked again until
 *      `callTimeoutMs` is over: in a cluster both are said for seconds while a leader is elected.
 * (J2) A stream is described or made before anything else is asked of it. When it is "not found" later, a server of the
 *      cluster has merely not heard of it yet, or has it half made: that is "not now" too.
 * (J3) Making a stream is asked again later than the rest. A server that has not yet made what was asked for first takes
 *      the second request for a new one, and dates the stream anew; that date is the log's identity.
 */

import { type Msg, MsgHdrsImpl } from '@nats-io/transport-node'
import { CallboardError } from '../../core/index.ts'
import { nobodyAnswers, unavailable } from './failures.ts'
import { isNobody } from './inbox.ts'
import type { CallOptions, Link } from './link.ts'
import { isPassing, lacksRoom, Pauses } from './refusals.ts'
import {
  API,
  type ApiError,
  type ConsumerConfig,
  type ConsumerInfo,
  HEADER,
  type Reply,
  type StoredMessage,
  type StreamConfig,
  type StreamInfo,
} from './wire.ts'

/** A message as a stream holds it. */
export interface Stored {
  readonly seq: number
  readonly subject: string
  /** Milliseconds since the epoch, by the server's clock. */
  readonly at: number
  readonly text: string
  header(name: string): string
  /** The payload, for what is not text. */
  readonly data: Uint8Array
}

/** An answer of the API that is an error which nothing here gives a better name. */
export class JetStreamError extends CallboardError {
  readonly apiCode: number
  readonly lacksRoom: boolean

  constructor(what: string, error: ApiError) {
    super(
      'CB_E_BROKER_UNAVAILABLE',
      `The NATS server was asked ${what}, but refused: ${error.description} (${error.err_code}).`,
      { details: { apiCode: error.err_code } },
    )
    this.apiCode = error.err_code
    this.lacksRoom = lacksRoom(error)
  }
}

/** What an answer says, or why it says nothing yet. */
type Reading<T> =
  | { readonly is: 'answer'; readonly value: T }
  | { readonly is: 'not now'; readonly failure: CallboardError }

/** (J3) */
const CREATE_AGAIN_MS = 1_000
const NOTHING_TO_DELETE: ReadonlySet<number> = new Set([
  API.deleteFailed,
  API.messageNotFound,
  API.sequenceNotFound,
])

export class Api {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  /** Part of `start`. @throws CB_E_JETSTREAM_OFF, CB_E_BROKER_AUTH, CB_E_BROKER_UNAVAILABLE */
  async assertJetStream(): Promise<void> {
    const what = 'whether JetStream is on'
    await this.#ask('$JS.API.INFO', '', what, { early: true }, (message) => {
      if (isNobody(message)) throw jetStreamOff('nobody answers for it')
      return readReply(replyIn(message), what)
    })
  }

  streamInfo(stream: string, options?: CallOptions): Promise<StreamInfo | undefined> {
    const what = `to describe the stream ${stream}`
    return this.#find(`STREAM.INFO.${stream}`, '', what, [API.streamNotFound], options)
  }

  /** Of a stream that is there, for it was made just now. (J2) */
  madeStreamInfo(stream: string, options?: CallOptions): Promise<StreamInfo> {
    return this.#call(`STREAM.INFO.${stream}`, '', `to describe the stream ${stream}`, options)
  }

  /** Messages of a stream by subject, as far as there are any. */
  async subjectCounts(stream: string, filter: string): Promise<Readonly<Record<string, number>>> {
    const info: { state: { subjects?: Record<string, number> } } = await this.#call(
      `STREAM.INFO.${stream}`,
      JSON.stringify({ subjects_filter: filter }),
      `to count messages in the stream ${stream}`,
    )
    return info.state.subjects ?? {}
  }

  createStream(config: StreamConfig, options?: CallOptions): Promise<StreamInfo> {
    const what = `to create the stream ${config.name}`
    const patiently = { ...options, againMs: CREATE_AGAIN_MS }
    return this.#call(`STREAM.CREATE.${config.name}`, JSON.stringify(config), what, patiently)
  }

  updateStream(config: StreamConfig, options?: CallOptions): Promise<StreamInfo> {
    const what = `to change the stream ${config.name}`
    return this.#call(`STREAM.UPDATE.${config.name}`, JSON.stringify(config), what, options)
  }

  /** The name and the filter stand in the subject too, so that permissions can name them. */
  createConsumer(stream: string, config: ConsumerConfig): Promise<ConsumerInfo> {
    const name = config.durable_name ?? config.name
    const filter = config.filter_subject === undefined ? '' : `.${config.filter_subject}`
    return this.#call(
      `CONSUMER.CREATE.${stream}.${name}${filter}`,
      JSON.stringify({ stream_name: stream, config }),
      `to create the consumer ${name} of ${stream}`,
    )
  }

  consumerInfo(stream: string, consumer: string): Promise<ConsumerInfo | undefined> {
    const what = `to describe the consumer ${consumer} of ${stream}`
    return this.#find(`CONSUMER.INFO.${stream}.${consumer}`, '', what, [API.consumerNotFound])
  }

  async deleteConsumer(stream: string, consumer: string): Promise<void> {
    const what = `to delete the consumer ${consumer} of ${stream}`
    const gone = [API.consumerNotFound, API.streamNotFound]
    await this.#find(`CONSUMER.DELETE.${stream}.${consumer}`, '', what, gone)
  }

  /** `false` when there is no such message (any more). Its bytes are not overwritten: that is slow and nobody asked. */
  async deleteMessage(stream: string, seq: number): Promise<boolean> {
    const body = JSON.stringify({ seq, no_erase: true })
    const what = `to delete message ${seq} of ${stream}`
    try {
      await this.#call(`STREAM.MSG.DELETE.${stream}`, body, what)
      return true
    } catch (error) {
      if (error instanceof JetStreamError && NOTHING_TO_DELETE.has(error.apiCode)) return false
      throw error
    }
  }

  /** The newest message of a subject, by the quickest way: any replica may answer. */
  async lastMessage(stream: string, subject: string): Promise<Stored | undefined> {
    return this.#direct(`$JS.API.DIRECT.GET.${stream}.${subject}`, '', `to read ${subject}`)
  }

  /** A message by its sequence, by the quickest way. */
  async messageAt(stream: string, seq: number): Promise<Stored | undefined> {
    return this.#direct(
      `$JS.API.DIRECT.GET.${stream}`,
      JSON.stringify({ seq }),
      `to read message ${seq} of ${stream}`,
    )
  }

  /** The newest message of a subject, from the stream's leader: never older than what was acknowledged. */
  async lastMessageOfLeader(stream: string, subject: string): Promise<Stored | undefined> {
    const body = JSON.stringify({ last_by_subj: subject })
    const found: StoredMessage | undefined = await this.#find(
      `STREAM.MSG.GET.${stream}`,
      body,
      `to read ${subject}`,
      [API.messageNotFound],
    )
    return found && storedOfApi(found)
  }

  #direct(subject: string, body: string, what: string): Promise<Stored | undefined> {
    return this.#ask(subject, body, what, {}, (message) => {
      if (isNobody(message)) return { is: 'not now', failure: nobodyAnswers(what) }
      const status = message.headers?.code ?? 0
      if (status === 404) return { is: 'answer', value: undefined }
      if (status !== 0) throw unavailable(what, `it answered ${message.headers?.status}`)
      return { is: 'answer', value: storedOfDirect(message) }
    })
  }

  /** What there must be. */
  #call<T>(operation: string, body: string, what: string, options: CallOptions = {}): Promise<T> {
    return this.#ask(`$JS.API.${operation}`, body, what, options, (message) =>
      isNobody(message)
        ? { is: 'not now', failure: nobodyAnswers(what) }
        : readReply(replyIn<T>(message), what),
    )
  }

  /** What there may be: with one of the errors `missing` it is not there. */
  #find<T>(
    operation: string,
    body: string,
    what: string,
    missing: readonly number[],
    options: CallOptions = {},
  ): Promise<T | undefined> {
    return this.#ask<T | undefined>(`$JS.API.${operation}`, body, what, options, (message) => {
      if (isNobody(message)) return { is: 'not now', failure: nobodyAnswers(what) }
      const reply = replyIn<T>(message)
      const isMissing = isFailure(reply) && missing.includes(reply.error.err_code)
      return isMissing ? { is: 'answer', value: undefined } : readReply(reply, what)
    })
  }

  /** (J1) @throws what `read` throws; its last "not now" when there is no time left */
  async #ask<T>(
    subject: string,
    body: string,
    what: string,
    options: CallOptions,
    read: (message: Msg) => Reading<T>,
  ): Promise<T> {
    const until = this.#link.deadline
    const pauses = new Pauses(this.#link.deps)
    for (;;) {
      const reading = read(await this.#link.call(subject, body, what, until, options))
      if (reading.is === 'answer') return reading.value
      if (!(await pauses.wait(until))) throw reading.failure
    }
  }
}

function replyIn<T>(message: Msg): Reply<T> {
  return JSON.parse(message.string())
}

function readReply<T>(reply: Reply<T>, what: string): Reading<T> {
  if (!isFailure(reply)) return { is: 'answer', value: reply }
  const { err_code, description } = reply.error
  if (err_code === API.notEnabled || err_code === API.notEnabledForAccount) throw jetStreamOff(description)
  // (J2)
  if (!isPassing(reply.error) && err_code !== API.streamNotFound) throw new JetStreamError(what, reply.error)
  return { is: 'not now', failure: unavailable(what, `it answered "${description}" (${err_code})`) }
}

function jetStreamOff(reason: string): CallboardError {
  return new CallboardError(
    'CB_E_JETSTREAM_OFF',
    `JetStream is off at this NATS server or for this account (${reason}). Start nats-server with -js, or enable JetStream for the account.`,
  )
}

function isFailure<T>(reply: Reply<T>): reply is { readonly error: ApiError } {
  return typeof reply === 'object' && reply !== null && 'error' in reply
}

function storedOfDirect(message: Msg): Stored {
  const header = (name: string) => message.headers?.get(name) ?? ''
  return {
    seq: Number(header(HEADER.sequence)),
    subject: header(HEADER.subject),
    at: Date.parse(header(HEADER.timeStamp)),
    header,
    data: message.data,
    get text() {
      return message.string()
    },
  }
}

function storedOfApi({ message }: StoredMessage): Stored {
  const data = Buffer.from(message.data ?? '', 'base64')
  const headers = message.hdrs ? MsgHdrsImpl.decode(Buffer.from(message.hdrs, 'base64')) : undefined
  return {
    seq: message.seq,
    subject: message.subject,
    at: Date.parse(message.time),
    header: (name) => headers?.get(name) ?? '',
    data,
    text: data.toString(),
  }
}
