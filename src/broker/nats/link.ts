/**
 * The connection: made once, kept for ever, and never trusted.
 *
 * Invariants
 * (K1) The first connection fails fast with one coded error. After it the client never gives up reconnecting.
 * (K2) After a reconnect nobody is let through before the check has passed: is this the same broker, with the same log?
 * (K3) Whatever was under way when the connection broke is told so at once; nobody waits out a time limit for it.
 * (K4) Nothing is handed to the client while it is not connected: it would keep some of it and drop the rest.
 */

import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type Msg,
  type NatsConnection,
  nkeyAuthenticator,
  type ServerInfo,
} from '@nats-io/transport-node'
import { CallboardError, type Deps, messageOf, sleep } from '../../core/index.ts'
import type { BrokerStatus } from '../port.ts'
import { connectFailure, lossFailure, unavailable } from './failures.ts'
import { Inbox, type Sink } from './inbox.ts'
import { type Receiver, Receivers } from './receivers.ts'
import { type Answer, type AskOptions, isAnswered, Requests } from './requests.ts'
import type { NatsSettings } from './settings.ts'

type Phase =
  | { readonly is: 'new' }
  /** Connected, and only `start` or the check after a reconnect may ask. */
  | { readonly is: 'checking'; readonly nc: NatsConnection }
  | { readonly is: 'up'; readonly nc: NatsConnection }
  | { readonly is: 'down'; readonly nc: NatsConnection }
  | { readonly is: 'closed' }

export interface CallOptions {
  /** Part of `start` or of the check after a reconnect: does not wait until the check has passed. */
  readonly early?: boolean
  /** When to put the question again (`requests.ts`). Milliseconds, default 250. */
  readonly againMs?: number
}

const ASK_AGAIN_MS = 250
const RECONNECT_EVERY_MS = 500
const PING_EVERY_MS = 10_000
const PINGS_UNANSWERED = 2
const CHECK_AGAIN_MS = 50
const CHECK_AGAIN_AT_MOST_MS = 2_000

export class Link {
  readonly settings: NatsSettings
  readonly deps: Deps
  readonly callTimeoutMs: number
  readonly #inbox = new Inbox()
  readonly #receivers = new Receivers()
  readonly #requests: Requests
  readonly #watchers = new Set<(status: BrokerStatus) => void>()
  readonly #waiting = new Set<() => void>()
  readonly #endings = new Set<() => Promise<void>>()
  #phase: Phase = { is: 'new' }
  #status: BrokerStatus = 'starting'
  #check: () => Promise<void> = async () => {}

  constructor(settings: NatsSettings, deps: Deps, callTimeoutMs: number) {
    this.settings = settings
    this.deps = deps
    this.callTimeoutMs = callTimeoutMs
    this.#requests = new Requests(this.#inbox, deps.clock, deps.random)
  }

  get status(): BrokerStatus {
    return this.#status
  }

  onStatus(handler: (status: BrokerStatus) => void): () => void {
    this.#watchers.add(handler)
    return () => this.#watchers.delete(handler)
  }

  /** True once `start` has resolved and until `stop` begins. */
  get running(): boolean {
    return this.#status === 'connected' || this.#status === 'disconnected'
  }

  /** First line of every call of every part. @throws CB_E_STOPPED */
  assertRunning(): void {
    if (this.running) return
    const when = this.#status === 'stopped' ? 'after it was stopped' : 'before it was started'
    throw new CallboardError('CB_E_STOPPED', `The broker ${this.settings.url} was used ${when}.`)
  }

  /** Makes the first connection. @throws CB_E_BROKER_UNREACHABLE, CB_E_BROKER_AUTH */
  async connect(): Promise<ServerInfo> {
    try {
      const nc = await connect(connectionOptions(this.settings, this.callTimeoutMs))
      this.#phase = { is: 'checking', nc }
      this.#inbox.open(nc)
      void this.#watch(nc)
      if (!nc.info) throw unavailable('for its version', 'it said nothing')
      return nc.info
    } catch (error) {
      throw connectFailure(error, this.settings)
    }
  }

  /** The end of `start`. `check` runs after every reconnect; while it throws, it is tried again (K2). */
  opened(check: () => Promise<void>): void {
    this.#check = check
    if (this.#phase.is === 'checking') this.#phase = { is: 'up', nc: this.#phase.nc }
    this.#say(this.#phase.is === 'up' ? 'connected' : 'disconnected')
  }

  /** When what begins now has used up the caller's patience, `callTimeoutMs`, on the monotonic clock. */
  get deadline(): number {
    return this.deps.clock.monotonic() + this.callTimeoutMs
  }

  /** One question on one connection. Says `disconnected` at once when there is none. */
  ask(
    subject: string,
    payload: Uint8Array | string,
    timeoutMs: number,
    options?: AskOptions,
  ): Promise<Answer> {
    const phase = this.#phase
    if (phase.is === 'up' || phase.is === 'checking')
      return this.#requests.ask(phase.nc, subject, payload, timeoutMs, options)
    return Promise.resolve({ unanswered: phase.is === 'closed' ? 'stopped' : 'disconnected' })
  }

  /**
   * A question that may be asked twice: waits for the connection, and asks again when it broke or nobody answers.
   *
   * @throws CB_E_BROKER_UNAVAILABLE at `until` (monotonic), CB_E_BROKER_AUTH, CB_E_STOPPED
   */
  async call(
    subject: string,
    payload: string,
    what: string,
    until: number,
    { early = false, againMs = ASK_AGAIN_MS }: CallOptions = {},
  ): Promise<Msg> {
    const { clock } = this.deps
    for (;;) {
      if (!early && !(await this.whenUp(until))) throw this.#absence(what)
      const left = until - clock.monotonic()
      const answer = await this.ask(subject, payload, Math.max(1, left), { againMs })
      if (isAnswered(answer)) return answer
      if (answer.unanswered !== 'disconnected' || early || left <= 0)
        throw lossFailure(answer.unanswered, what)
    }
  }

  /** Hands a message over. `false` when there is no connection (K4). */
  publish(subject: string, payload: Uint8Array | string): boolean {
    if (this.#phase.is !== 'up') return false
    this.#phase.nc.publish(subject, payload)
    return true
  }

  /** Asks a consumer for messages; they come to the sink. Undefined when there is no connection. */
  pull(sink: Sink, request: string): Receiver | undefined {
    if (this.#phase.is !== 'up') return undefined
    const { nc } = this.#phase
    const receiver = this.#receivers.open(nc, sink)
    nc.publish(sink.subject, request, { reply: receiver.reply })
    return receiver
  }

  /** The connection, for the bus's own subscriptions. @throws CB_E_BROKER_UNAVAILABLE, CB_E_STOPPED */
  async connection(what: string): Promise<NatsConnection> {
    const up = await this.whenUp(this.deadline)
    if (!up || this.#phase.is !== 'up') throw this.#absence(what)
    return this.#phase.nc
  }

  get isUp(): boolean {
    return this.#phase.is === 'up'
  }

  /** Resolves `true` once connected and checked; `false` at `until` (monotonic) or when closed. */
  whenUp(until = Number.POSITIVE_INFINITY): Promise<boolean> {
    if (this.#phase.is === 'up') return Promise.resolve(true)
    if (this.#phase.is === 'closed') return Promise.resolve(false)
    const { clock } = this.deps
    return new Promise((resolve) => {
      const timer = Number.isFinite(until)
        ? clock.setTimer(until - clock.monotonic(), () => settle())
        : undefined
      const settle = () => {
        this.#waiting.delete(settle)
        timer?.cancel()
        resolve(this.#phase.is === 'up')
      }
      this.#waiting.add(settle)
    })
  }

  /** What has to end when the broker stops; returns what forgets it. */
  own(ending: () => Promise<void>): () => void {
    this.#endings.add(ending)
    return () => this.#endings.delete(ending)
  }

  /** Nothing new begins from now on. */
  refuse(): void {
    this.#say('stopped')
  }

  /** Ends what is owned. */
  async endOwned(): Promise<void> {
    await Promise.allSettled([...this.#endings].map((end) => end()))
  }

  async close(): Promise<void> {
    const phase = this.#phase
    if (phase.is === 'new' || phase.is === 'closed') return
    if (phase.is === 'up') await this.#flush(phase.nc)
    this.#end()
    await phase.nc.close()
  }

  #end(): void {
    this.#phase = { is: 'closed' }
    if (this.running) this.#say('stopped')
    this.#inbox.loseAll('stopped')
    this.#receivers.loseAll('stopped')
    this.#wake()
  }

  /** What was handed over leaves this machine, if the server still reads. */
  async #flush(nc: NatsConnection): Promise<void> {
    const late = new AbortController()
    const { clock } = this.deps
    await Promise.race([
      nc.flush().catch(() => {}),
      sleep(clock, this.callTimeoutMs, late.signal).catch(() => {}),
    ])
    late.abort()
  }

  async #watch(nc: NatsConnection): Promise<void> {
    for await (const event of nc.status()) {
      if (this.#phase.is === 'closed') return
      if (event.type === 'disconnect') this.#disconnected(nc)
      else if (event.type === 'reconnect') void this.#reconnected(nc)
      else if (event.type === 'error' && event.error instanceof errors.PermissionViolationError)
        this.#denied(event.error)
    }
    if (this.#phase.is === 'closed') return
    this.deps.logger.error(
      { servers: this.settings.servers },
      'the NATS client has closed the connection for good',
    )
    this.#end()
  }

  #disconnected(nc: NatsConnection): void {
    if (this.#phase.is === 'down') return
    this.#phase = { is: 'down', nc }
    if (this.running) {
      this.deps.logger.warn({ servers: this.settings.servers }, 'the connection to the NATS server was lost')
      this.#say('disconnected')
    }
    this.#inbox.renew()
    this.#receivers.loseAll('disconnected')
  }

  async #reconnected(nc: NatsConnection): Promise<void> {
    const checking: Phase = { is: 'checking', nc }
    this.#phase = checking
    const { clock, logger } = this.deps
    for (let pause = CHECK_AGAIN_MS; this.#phase === checking; ) {
      try {
        await this.#check()
        if (this.#phase !== checking) return
        this.#phase = { is: 'up', nc }
        if (this.#status === 'disconnected') {
          logger.info({ server: nc.getServer() }, 'connected to the NATS server again')
          this.#say('connected')
        }
        this.#wake()
        return
      } catch (error) {
        logger.debug({ reason: messageOf(error) }, 'the NATS server is back but not ready')
        await sleep(clock, pause, undefined, { ref: false })
        pause = Math.min(pause * 2, CHECK_AGAIN_AT_MOST_MS)
      }
    }
  }

  #denied(error: InstanceType<typeof errors.PermissionViolationError>): void {
    const { operation, subject } = error
    this.deps.logger.warn(
      { operation, subject },
      'the NATS server does not allow this; see docs/how-to/nats-permissions.md',
    )
    if (operation !== 'publish') return
    this.#inbox.deny(subject)
    this.#receivers.deny(subject)
  }

  #absence(what: string): CallboardError {
    if (this.#phase.is === 'closed' || this.#status === 'stopped') return lossFailure('stopped', what)
    return unavailable(what, 'there is no connection')
  }

  #wake(): void {
    for (const settle of [...this.#waiting]) settle()
  }

  #say(status: BrokerStatus): void {
    if (this.#status === status || this.#status === 'stopped') return
    this.#status = status
    for (const watcher of [...this.#watchers]) {
      try {
        watcher(status)
      } catch (error) {
        this.deps.logger.error({ reason: messageOf(error) }, 'a status handler threw')
      }
    }
  }
}

function connectionOptions(settings: NatsSettings, timeoutMs: number): ConnectionOptions {
  const { credentials, tls } = settings
  const options: ConnectionOptions = {
    servers: [...settings.servers],
    name: 'callboard',
    timeout: timeoutMs,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RECONNECT_EVERY_MS,
    reconnectJitter: RECONNECT_EVERY_MS,
    reconnectJitterTLS: RECONNECT_EVERY_MS,
    pingInterval: PING_EVERY_MS,
    maxPingOut: PINGS_UNANSWERED,
    noAsyncTraces: true,
  }
  if (tls) options.tls = tls
  switch (credentials.is) {
    case 'none':
      return options
    case 'password':
      return { ...options, user: credentials.user, pass: credentials.password }
    case 'token':
      return { ...options, token: credentials.token }
    case 'creds':
      return { ...options, authenticator: credsAuthenticator(new TextEncoder().encode(credentials.text)) }
    case 'nkey':
      return { ...options, authenticator: nkeyAuthenticator(new TextEncoder().encode(credentials.seed)) }
  }
}
