/**
 * One client's socket, as the protocol has it: who it is, what it is subscribed to, what it asks.
 *
 * Invariants
 * (C1) Nothing is answered before the client is known; the first thing that it hears is `hello`.
 * (C2) Every frame with an id that could be read gets one answer; one that could not ends the connection, with the reason.
 * (C3) What goes wrong with a frame is told in its answer: no frame ends anything but its own connection.
 * (C4) It ends itself when it is closed, when what let it in runs out, and when it is silent for two heartbeats.
 */

import type { ClientFrame, ServerFrame, SignalFrame, StartFrame, SubscribeFrame } from '../../api/index.ts'
import { assertNever, type Deps, isCallboardError, type Timer } from '../../core/index.ts'
import type { Keeper, Principal } from '../access/index.ts'
import type { Asker, Commands } from '../commands.ts'
import { invalidAt } from '../http/index.ts'
import { CLOSE, type Closing } from './closing.ts'
import type { Hub } from './hub.ts'
import type { LiveLimits } from './limits.ts'
import { type Exit, Outbox } from './outbox.ts'
import { parseFrame } from './parse-frame.ts'
import { Rate } from './rate.ts'
import { replyError, replyTo } from './replies.ts'
import type { SharedEvent } from './shared-event.ts'
import type { LiveSources } from './sources.ts'
import { hintFor, openSubscription, type Subscription } from './subscribe.ts'
import type { Voice } from './voice.ts'

/** The socket itself. */
export interface Wire extends Exit {
  close(code: number, reason: string): void
  /** At once, without a word. */
  cut(): void
  ping(): void
}

export interface ConnectionOptions {
  readonly deps: Deps
  readonly limits: LiveLimits
  readonly sources: LiveSources
  readonly commands: Pick<Commands, 'signal' | 'start'>
  readonly hub: Hub
  readonly keeper: Keeper
  /** Of this software. */
  readonly version: string
  readonly wire: Wire
  /** Where the client is. */
  readonly address: string
}

type Phase =
  | { readonly is: 'unknown'; readonly patience: Timer }
  | { readonly is: 'open'; readonly principal: Principal; readonly forget: () => void }
  | { readonly is: 'closed' }

type Asking = Exclude<ClientFrame, { op: 'auth' }>

export class Connection {
  readonly #options: ConnectionOptions
  readonly #outbox: Outbox
  readonly #rate: Rate
  readonly #subscriptions = new Map<number, Subscription>()
  #phase: Phase
  #lastSub = 0
  #unanswered = 0

  /** Without a principal, the client has to say who it is. */
  constructor(options: ConnectionOptions, principal: Principal | undefined) {
    const { deps, limits, wire } = options
    this.#options = options
    this.#outbox = new Outbox(wire, limits, deps.clock)
    this.#rate = new Rate(deps.clock, { burst: limits.burst, perSecond: limits.framesPerSecond })
    const late = () => this.close('NO_AUTH')
    this.#phase = { is: 'unknown', patience: deps.clock.setTimer(limits.authWithinMs, late, { ref: false }) }
    if (principal !== undefined) this.#admit(principal)
  }

  /** A text came. */
  async received(text: string): Promise<void> {
    if (this.#phase.is === 'closed') return
    if (!this.#rate.take()) return this.close('TOO_FAST')
    const parsed = parseFrame(text)
    if (parsed.is === 'noise') return this.close('NO_FRAME', parsed.why)
    if (parsed.is === 'faulty') {
      if (this.#phase.is === 'unknown') return this.close('NO_FRAME')
      return this.#refuse(parsed.id, invalidAt('frame', parsed.faults))
    }
    const { frame } = parsed
    if (frame.op === 'auth') return this.#authenticate(frame.token)
    if (this.#phase.is !== 'open') return this.close('NOT_KNOWN', 'the first frame is "auth"') // (C1)
    await this.#answer(frame, this.#phase.principal)
  }

  /** The client showed that it is there. */
  heard(): void {
    this.#unanswered = 0
  }

  /** Asks whether it is. (C4) */
  beat(): void {
    if (this.#unanswered >= 2) this.#options.wire.cut()
    else this.#options.wire.ping()
    this.#unanswered++
  }

  close(why: Closing, detail?: string): void {
    if (this.#phase.is === 'closed') return
    const { code, reason } = CLOSE[why]
    this.gone()
    this.#options.wire.close(code, detail ?? reason)
  }

  /** The socket is no more. */
  gone(): void {
    if (this.#phase.is === 'unknown') this.#phase.patience.cancel()
    if (this.#phase.is === 'open') this.#phase.forget()
    this.#phase = { is: 'closed' }
    for (const subscription of this.#subscriptions.values()) subscription.close()
    this.#subscriptions.clear()
    this.#outbox.close()
  }

  async #authenticate(token: string): Promise<void> {
    const principal = await this.#options.keeper.admit(token)
    if (this.#phase.is === 'closed') return
    if (principal === undefined) return this.close('NOT_KNOWN')
    this.#admit(principal)
  }

  #admit(principal: Principal): void {
    const { keeper, limits, version } = this.#options
    const before = this.#phase
    if (before.is === 'closed') return
    if (before.is === 'unknown') before.patience.cancel()
    else before.forget()
    this.#phase = {
      is: 'open',
      principal,
      forget: keeper.whenOver(principal, () => this.close('NOT_KNOWN', 'the token has run out')),
    }
    if (before.is === 'unknown') this.#say({ op: 'hello', version, heartbeatMs: limits.heartbeatMs }) // (C1)
  }

  async #answer(frame: Asking, principal: Principal): Promise<void> {
    try {
      await this.#do(frame, principal)
    } catch (error) {
      this.#refuse(frame.id, error) // (C3)
    }
  }

  async #do(frame: Asking, principal: Principal): Promise<void> {
    const { address } = this.#options
    const asker: Asker = { principal, channel: 'socket', address }
    switch (frame.op) {
      case 'ping':
        return this.#say({ op: 'pong', id: frame.id })
      case 'subscribe':
        return this.#subscribe(frame, principal)
      case 'unsubscribe':
        this.#subscriptions.get(frame.sub)?.close()
        this.#subscriptions.delete(frame.sub)
        return this.#say({ op: 'reply', id: frame.id, ok: true })
      case 'signal':
        return this.#signal(frame, asker)
      case 'start':
        return this.#start(frame, asker)
      default:
        assertNever(frame)
    }
  }

  async #signal(frame: SignalFrame, asker: Asker): Promise<void> {
    const { op: _, id, run, signal, ...body } = frame
    this.#say(replyTo(id, await this.#options.commands.signal(run, signal, body, asker)))
  }

  async #start(frame: StartFrame, asker: Asker): Promise<void> {
    const { op: _, id, key, ...body } = frame
    const keyed = key === undefined ? body : { idempotencyKey: key, ...body }
    const { run, existing } = await this.#options.commands.start(keyed, asker)
    this.#say({ op: 'reply', id, ok: true, run, existing })
  }

  async #subscribe(frame: SubscribeFrame, principal: Principal): Promise<void> {
    const { limits } = this.#options
    if (this.#subscriptions.size >= limits.subscriptions) return this.close('TOO_MANY')
    const sub = ++this.#lastSub
    const voice = this.#voice(frame, sub)
    const { subscription, opened } = openSubscription(frame, principal, { ...this.#options, voice })
    this.#subscriptions.set(sub, subscription)
    try {
      await opened
    } catch (error) {
      this.#subscriptions.delete(sub)
      throw error
    }
  }

  #voice({ id, to }: SubscribeFrame, sub: number): Voice {
    const { runs } = this.#options.sources
    const outbox = this.#outbox
    const write = (event: SharedEvent) => event.forSocket(sub)
    return {
      begun: (cursor, snapshot) => {
        const pictured = snapshot === undefined ? {} : { snapshot }
        this.#say({ op: 'subscribed', id, sub, cursor, ...pictured, ...hintFor(to, runs) })
      },
      event: (lane, event) => outbox.tell(lane, event, write),
      gap: (gap, snapshot) =>
        this.#say({ op: 'gap', sub, ...gap, ...(snapshot === undefined ? {} : { snapshot }) }),
      end: (lane, cursor) => {
        outbox.keep(lane)
        this.#subscriptions.delete(sub)
        this.#say({ op: 'end', sub, cursor })
      },
      broken: (error) => {
        this.#options.deps.logger.warn(
          { error, sub },
          'a subscription broke; its client is told to come again',
        )
        this.close('BROKEN')
      },
      get isReady() {
        return outbox.isFlowing
      },
      ready: () => outbox.ready(),
      forget: (lane) => outbox.forget(lane),
    }
  }

  #say(frame: ServerFrame): void {
    this.#outbox.say(Buffer.from(JSON.stringify(frame)))
  }

  #refuse(id: number, error: unknown): void {
    if (!isCallboardError(error))
      this.#options.deps.logger.error({ error }, 'a frame of a client met an error that nobody thought of')
    this.#say({ op: 'reply', id, ok: false, error: replyError(error) })
  }
}
