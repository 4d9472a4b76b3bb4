/**
 * One live connection to a gateway, for as long as somebody needs it: opened, shown the token, kept alive, and opened anew
 * when it breaks.
 *
 * Invariants
 * (K1) There is one socket at most; what an older one still says is ignored.
 * (K2) `onUp` comes after the gateway's hello; frames are sent between `onUp` and `onDown` only.
 * (K3) While it is needed there is a socket, or a time at which there will be one; in a hidden page neither.
 * (K4) A refusal is told once, to all who need it, and is not tried again by itself.
 */

import type { ClientFrame, ServerFrame } from '../../api/index.ts'
import { GatewayError } from '../errors.ts'
import type { LiveSocket, Platform } from '../platform.ts'
import { backoffMs } from './backoff.ts'

export interface LinkListener {
  onUp(): void
  onFrame(frame: ServerFrame): void
  onDown(): void
  /** (K4) */
  onRefused(error: GatewayError): void
}

export interface LinkOptions {
  /** `ws://…/api/v1/live` */
  readonly url: string
  readonly token: () => Promise<string | undefined>
  readonly platform: Platform
}

type Phase =
  | { readonly is: 'idle' }
  | { readonly is: 'connecting'; readonly socket: LiveSocket; readonly giveUp: () => void }
  | { readonly is: 'up'; readonly socket: LiveSocket; readonly heart: Heart }
  | { readonly is: 'waiting'; readonly cancel: () => void }
  | { readonly is: 'hidden' }
  | { readonly is: 'closed' }

interface Heart {
  heard(): void
  stop(): void
}

const PROTOCOL = 'callboard.v1'
/** No hello within this time: the attempt counts as failed. */
const HELLO_WITHIN_MS = 10_000
/** A page that is hidden for longer than this lets its connection go. */
const HIDDEN_FOR_MS = 30_000

/** Close codes that say: not like this, and not again. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [4400, 'The gateway did not understand this client'],
  [4401, 'The gateway does not know this token'],
  [4403, 'The token does not allow this'],
  [4409, 'There are more subscriptions than the gateway allows on one connection'],
  [4413, 'A frame was larger than the gateway takes'],
])
const RESTARTING = 1012

export class Link {
  readonly #options: LinkOptions
  readonly #listener: LinkListener
  readonly #stopLooking: () => void
  #phase: Phase = { is: 'idle' }
  #isNeeded = false
  #failures = 0
  #hidesAt: (() => void) | undefined

  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options
    this.#listener = listener
    this.#stopLooking = options.platform.onVisibility(() => this.#looked())
  }

  /** Whether frames can be sent (K2). */
  get isUp(): boolean {
    return this.#phase.is === 'up'
  }

  need(): void {
    this.#isNeeded = true
    if (this.#phase.is !== 'idle') return
    if (this.#options.platform.isHidden()) this.#phase = { is: 'hidden' }
    else this.#connect()
  }

  /** Nobody needs it any more. */
  release(): void {
    this.#isNeeded = false
    if (this.#phase.is !== 'closed') this.#drop({ is: 'idle' })
    this.#failures = 0
  }

  /** (K2) What is said while there is no connection is lost: say it in `onUp`. */
  send(frame: ClientFrame): void {
    if (this.#phase.is === 'up') this.#phase.socket.send(JSON.stringify(frame))
  }

  close(): void {
    this.#stopLooking()
    this.#hidesAt?.()
    this.#drop({ is: 'closed' })
  }

  #connect(): void {
    const { url, platform } = this.#options
    const socket = platform.openSocket(url, PROTOCOL)
    const giveUp = platform.setTimer(HELLO_WITHIN_MS, () => this.#broke())
    this.#phase = { is: 'connecting', socket, giveUp }
    socket.onopen = () => void this.#showToken(socket)
    socket.onmessage = ({ data }) => this.#received(socket, data)
    socket.onclose = ({ code, reason }) => this.#closed(code, reason)
  }

  async #showToken(socket: LiveSocket): Promise<void> {
    try {
      const token = await this.#options.token()
      const isStillIt = this.#phase.is === 'connecting' && this.#phase.socket === socket // (K1)
      if (isStillIt && token !== undefined) socket.send(JSON.stringify({ op: 'auth', token }))
    } catch (cause) {
      this.#refused(new GatewayError('There is no token to show to the gateway.', { code: 'REFUSED', cause }))
    }
  }

  #received(socket: LiveSocket, data: unknown): void {
    const frame = readFrame(data)
    if (frame === undefined) return
    if (this.#phase.is === 'connecting') {
      if (frame.op !== 'hello') return
      this.#phase.giveUp()
      this.#phase = { is: 'up', socket, heart: this.#beat(frame.heartbeatMs) }
      this.#failures = 0
      this.#listener.onUp()
    } else if (this.#phase.is === 'up') {
      this.#phase.heart.heard()
      this.#listener.onFrame(frame)
    }
  }

  /** Browsers do not show the gateway's own pings, so silence is asked about, and taken for a break when it goes on. */
  #beat(everyMs: number): Heart {
    let silentFor = 0
    let cancel = () => {}
    const tick = () => {
      silentFor++
      if (silentFor > 2) return this.#broke()
      if (silentFor > 1) this.send({ op: 'ping', id: 0 })
      cancel = this.#options.platform.setTimer(everyMs, tick)
    }
    cancel = this.#options.platform.setTimer(everyMs, tick)
    return {
      heard: () => {
        silentFor = 0
      },
      stop: () => cancel(),
    }
  }

  #closed(code: number, reason: string): void {
    const refusal = REFUSALS.get(code)
    if (refusal === undefined) {
      const isMovingOn = code === RESTARTING && this.#failures === 0
      this.#broke(isMovingOn)
    } else {
      const detail = reason === '' ? '' : `: ${reason}`
      this.#refused(new GatewayError(`${refusal}${detail}.`, { code: 'REFUSED', status: code - 4000 }))
    }
  }

  #broke(atOnce = false): void {
    const delay = atOnce ? 0 : backoffMs(this.#failures, this.#options.platform.random)
    this.#failures++
    const cancel = this.#options.platform.setTimer(delay, () => this.#connect())
    this.#drop({ is: 'waiting', cancel }) // (K3)
  }

  /** (K4) */
  #refused(error: GatewayError): void {
    this.#drop({ is: 'idle' })
    this.#listener.onRefused(error)
  }

  /** Lets go of what the phase holds (K1). */
  #drop(next: Phase): void {
    const before = this.#phase
    this.#phase = next
    if (before.is === 'waiting') before.cancel()
    if (before.is !== 'connecting' && before.is !== 'up') return
    if (before.is === 'connecting') before.giveUp()
    else before.heart.stop()
    before.socket.onopen = null
    before.socket.onmessage = null
    before.socket.onclose = null
    before.socket.close(1000)
    if (before.is === 'up') this.#listener.onDown()
  }

  #looked(): void {
    const { platform } = this.#options
    this.#hidesAt?.()
    this.#hidesAt = undefined
    if (platform.isHidden())
      this.#hidesAt = platform.setTimer(HIDDEN_FOR_MS, () => this.#isNeeded && this.#drop({ is: 'hidden' }))
    else if (this.#phase.is === 'hidden') this.#connect()
  }
}

/** What is no frame is passed over: a newer gateway may say things that this client does not know. */
function readFrame(data: unknown): ServerFrame | undefined {
  if (typeof data !== 'string') return undefined
  try {
    const frame: unknown = JSON.parse(data)
    return isFrame(frame) ? frame : undefined
  } catch {
    return undefined
  }
}

/** The gateway is trusted to keep to its own protocol. */
function isFrame(value: unknown): value is ServerFrame {
  return typeof value === 'object' && value !== null && 'op' in value && typeof value.op === 'string'
}
