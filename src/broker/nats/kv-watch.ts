/**
 * Watching a bucket: one feed per bucket and process, whose state is kept here and passed on to everybody who watches.
 *
 * Invariants
 * (H1) `#live` holds the newest known state of every key, oldest revision first. A watcher is told all of it that is
 *      under its prefix, then every change, each with a value of its own.
 * (H2) Servers do not tell of an expiry. In a bucket with a time to live the oldest key expires first, so one timer looks
 *      at that one when it is due, and asks the server before it says so.
 * (H3) When the bucket was wiped or replaced the state is read anew, and what is not in it any more is told as gone.
 */

import {
  CallboardError,
  isCallboardError,
  isRetryable,
  messageOf,
  sleep,
  type Timer,
} from '../../core/index.ts'
import type { KvChange, KvWatch } from '../port.ts'
import { cursorLost, identityOf } from './cursors.ts'
import { Feed, type FeedItem } from './feed.ts'
import { type BucketHome, currentMessage, isMarker, parseValue } from './kv-home.ts'
import { HEADER } from './wire.ts'

/** How late an expiry may be told while the clocks of the server and of this machine agree. */
export const EXPIRY_LAG_MS = 1_000

const LOOK_AGAIN_MS = 50
const READ_AGAIN_MS = 500
const HEARTBEAT_MS = 2_000
/** Should the clocks disagree, the oldest key is still looked at this often in its time to live. */
const LOOKS_PER_TTL = 3

interface Live {
  readonly text: string
  readonly revision: number
  readonly at: number
}

interface Watcher {
  readonly prefix: string
  readonly handler: (change: KvChange) => void
  readonly caughtUp: PromiseWithResolvers<void>
  /** It has been told the state; from now on it is told changes. */
  joined: boolean
}

/** The watch of one bucket: made by the first who watches, ended with the last. */
export class BucketWatch {
  readonly #home: BucketHome
  #session: Session | undefined

  constructor(home: BucketHome) {
    this.#home = home
  }

  add(prefix: string, handler: (change: KvChange) => void): Promise<KvWatch> {
    const session =
      this.#session ??
      new Session(this.#home, () => {
        if (this.#session === session) this.#session = undefined
      })
    this.#session = session
    return session.add(prefix, handler)
  }
}

class Session {
  readonly #home: BucketHome
  readonly #onEnd: () => void
  readonly #live = new Map<string, Live>()
  readonly #watchers = new Set<Watcher>()
  readonly #disown: () => void
  #opening: Promise<void> | undefined
  #feed: Feed | undefined
  /** What was there before the bucket was replaced (H3). */
  #before: ReadonlySet<string> = new Set()
  #caughtUp = false
  #ended = false
  /** The server's clock minus ours, as far as changes have told. */
  #skewMs = 0
  #expiry: Timer | undefined

  constructor(home: BucketHome, onEnd: () => void) {
    this.#home = home
    this.#onEnd = onEnd
    this.#disown = home.link.own(() => this.#end())
  }

  async add(prefix: string, handler: (change: KvChange) => void): Promise<KvWatch> {
    const caughtUp = Promise.withResolvers<void>()
    caughtUp.promise.catch(() => {})
    const watcher: Watcher = { prefix: prefix === '' ? '' : `${prefix}.`, handler, caughtUp, joined: false }
    this.#watchers.add(watcher)
    try {
      this.#opening ??= this.#open().then((end) => void this.#run(end))
      await this.#opening
    } catch (error) {
      await this.#end()
      throw error
    }
    for (const [key, live] of this.#live) this.#tell(watcher, key, live)
    watcher.joined = true
    if (this.#caughtUp) caughtUp.resolve()
    return { caughtUp: caughtUp.promise, stop: () => this.#remove(watcher) }
  }

  async #remove(watcher: Watcher): Promise<void> {
    this.#watchers.delete(watcher)
    watcher.caughtUp.reject(
      new CallboardError('CB_E_STOPPED', 'Watching was stopped before it had caught up.'),
    )
    if (this.#watchers.size === 0) await this.#end()
  }

  async #end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#disown()
    this.#onEnd()
    this.#expiry?.cancel()
    for (const watcher of this.#watchers) await this.#remove(watcher)
    await this.#feed?.close()
  }

  /** Resolves with the sequence up to which there is something to read; 0 when there is nothing. */
  async #open(): Promise<number> {
    const { link, api, stream } = this.#home
    const info = await api.streamInfo(stream)
    if (!info) throw cursorLost(`the stream ${stream} is gone`)
    this.#feed = await Feed.open(link, api, {
      stream,
      identity: identityOf(info.created),
      from: 1,
      heartbeatMs: HEARTBEAT_MS,
    })
    return info.state.messages === 0 ? 0 : info.state.last_seq
  }

  async #run(firstEnd: number): Promise<void> {
    for (let end = firstEnd; !this.#ended; ) {
      try {
        await this.#follow(end)
      } catch (error) {
        if (this.#ended) return
        if (!isCallboardError(error, 'CB_E_CURSOR_LOST')) return this.#giveUp(error)
        end = await this.#startAgain()
      }
    }
  }

  async #follow(end: number): Promise<void> {
    if (end === 0) this.#reachEnd()
    while (!this.#ended && this.#feed) {
      const items = await this.#feed.take()
      for (const item of items) this.#apply(item)
      const last = items.at(-1)
      if (!last || last.delivery.streamSequence >= end) this.#reachEnd()
      this.#armExpiry()
    }
  }

  /** (H3) */
  async #startAgain(): Promise<number> {
    const { link, stream } = this.#home
    link.deps.logger.error({ stream }, 'a watched bucket was wiped or replaced at the NATS server')
    this.#before = new Set(this.#live.keys())
    this.#live.clear()
    this.#caughtUp = false
    await this.#feed?.close()
    while (!this.#ended) {
      try {
        return await this.#open()
      } catch (error) {
        if (!isRetryable(error) && !isCallboardError(error, 'CB_E_CURSOR_LOST')) this.#giveUp(error)
        await sleep(link.deps.clock, READ_AGAIN_MS, undefined, { ref: false })
      }
    }
    return 0
  }

  #giveUp(error: unknown): void {
    const { link, stream } = this.#home
    link.deps.logger.error({ stream, reason: messageOf(error) }, 'a bucket cannot be watched any more')
    for (const { caughtUp } of this.#watchers) caughtUp.reject(error)
    void this.#end()
  }

  #apply({ message, delivery }: FeedItem): void {
    const key = message.subject.slice(this.#home.root.length)
    const known = this.#live.delete(key)
    if (message.headers?.get(HEADER.kvOperation)) {
      if (known) this.#tellAll(key, undefined)
      return
    }
    const live = { text: message.string(), revision: delivery.streamSequence, at: delivery.at }
    this.#live.set(key, live)
    if (this.#caughtUp) this.#skewMs = delivery.at - this.#home.link.deps.clock.now()
    this.#tellAll(key, live)
  }

  #reachEnd(): void {
    if (this.#caughtUp) return
    this.#caughtUp = true
    for (const key of this.#before) if (!this.#live.has(key)) this.#tellAll(key, undefined)
    this.#before = new Set()
    for (const watcher of this.#watchers) if (watcher.joined) watcher.caughtUp.resolve()
  }

  #tellAll(key: string, live: Live | undefined): void {
    for (const watcher of [...this.#watchers]) if (watcher.joined) this.#tell(watcher, key, live)
  }

  #tell(watcher: Watcher, key: string, live: Live | undefined): void {
    if (!key.startsWith(watcher.prefix) || !this.#watchers.has(watcher)) return
    try {
      watcher.handler(live ? this.#put(key, live) : { kind: 'gone', key })
    } catch (error) {
      this.#home.link.deps.logger.error(
        { key, reason: messageOf(error) },
        'telling of a change of a key failed',
      )
    }
  }

  #put(key: string, { text, revision, at }: Live): KvChange {
    const value = parseValue(this.#home, this.#home.root + key, text)
    return { kind: 'put', entry: { key, value, revision, at } }
  }

  /** (H2) */
  #armExpiry(): void {
    const { ttlMs, link } = this.#home
    if (ttlMs === 0 || this.#expiry || this.#ended) return
    for (const [key, live] of this.#live) {
      const left = live.at + ttlMs - (link.deps.clock.now() + this.#skewMs)
      const delay = Math.min(Math.max(left, LOOK_AGAIN_MS), ttlMs / LOOKS_PER_TTL)
      this.#expiry = link.deps.clock.setTimer(delay, () => void this.#lookAt(key, live), { ref: false })
      return
    }
  }

  async #lookAt(key: string, live: Live): Promise<void> {
    try {
      const there = await currentMessage(this.#home, key, { certain: true })
      // A newer value, or a marker, comes by the feed.
      const expired = there === undefined || (isMarker(there) && there.seq < live.revision)
      if (expired && this.#live.get(key) === live && this.#live.delete(key)) this.#tellAll(key, undefined)
    } catch (error) {
      this.#home.link.deps.logger.debug(
        { key, reason: messageOf(error) },
        'looking for an expired key failed',
      )
    }
    this.#expiry = undefined
    this.#armExpiry()
  }
}
