/**
 * The gateway's one following of the log: first into the read model, then to everybody who listens.
 *
 * Invariants
 * (F1) Whoever listens hears of an entry after the read model has it, in the log's order, each once.
 * (F2) It goes on from where the read model is. When the broker does not know that place any more, or it never was, the
 *      read model is made again from the start.
 * (F3) Once begun it ends by `stop` only: whatever else ends a following is told of, and after a moment there is another.
 * (F4) What was there when following began is gathered into larger parts, because a transaction costs about as much as
 *      the runs it touches; what comes later is handed on at once. What is gathered is bounded, and lost with its following.
 * (F5) What was handed on is written and kept a moment later, together with what came meanwhile, unless somebody reads
 *      before: nobody who listens waits for that.
 * (F6) A following that was given up hands nothing on any more, so that the next one misses nothing.
 */

import type { Broker, Cursor, Entry, Following, Rev } from '../broker/index.ts'
import {
  CallboardError,
  type Deps,
  isCallboardError,
  messageOf,
  type Service,
  service,
  sleep,
  type Timer,
} from '../core/index.ts'
import type { ReadModel } from './read-model/index.ts'

export type FeedStatus =
  /** Not all that was in the log when it began has been read. */
  | { readonly is: 'catching-up' }
  | { readonly is: 'live' }
  | { readonly is: 'broken'; readonly reason: string }

/** `start` resolves once the first entries were handed on, or there are none; it throws what the broker throws. */
export interface Feed extends Service {
  /** The newest entry that was handed on, or where following began. */
  readonly position: Cursor
  readonly status: FeedStatus
  /** Hears of every entry from now on, in the log's order; returns what ends that. */
  listen(listener: (entries: readonly Entry[]) => void): () => void
  /** Resolves with `true` once that revision of the run was handed on, with `false` after `withinMs`. */
  reached(run: string, rev: Rev, withinMs: number): Promise<boolean>
}

interface Waiter {
  readonly rev: Rev
  come(isThere: boolean): void
}

/** Handed on together while there is much to read: so many entries, or what came in so many batches of the broker's. */
const GATHERED_ENTRIES = 2_048
const GATHERED_BATCHES = 24

/** (F5) Milliseconds. */
const KEPT_AFTER_MS = 100

/** Between two followings, at first and at most. Milliseconds. */
const AGAIN_AFTER_MS = 100
const LONGEST_PAUSE_MS = 5_000

export function createFeed(broker: Pick<Broker, 'log'>, model: ReadModel, deps: Deps): Feed {
  const listeners = new Set<(entries: readonly Entry[]) => void>()
  const waiters = new Map<string, Set<Waiter>>()
  const stopping = new AbortController()
  let position = model.cursor
  let status: FeedStatus = { is: 'catching-up' }
  let running: Promise<void> | undefined
  let keeping: Timer | undefined
  /** Ends the present following. */
  let giveUp: (error: unknown) => void = () => {}
  let gathered: (readonly Entry[])[] = []
  const begun = Promise.withResolvers<void>()

  function handle(entries: readonly Entry[]): void {
    if (status.is === 'live') {
      handOn(entries)
      return
    }
    gathered.push(entries) // (F4)
    const count = gathered.reduce((sum, { length }) => sum + length, 0)
    if (count >= GATHERED_ENTRIES || gathered.length >= GATHERED_BATCHES) handOnGathered()
  }

  function handOnGathered(): void {
    const entries = gathered.flat()
    gathered = []
    if (entries.length > 0) handOn(entries)
  }

  function handOn(entries: readonly Entry[]): void {
    model.take(entries)
    position = entries.at(-1)?.cursor ?? position
    for (const listener of listeners) tell(listener, entries) // (F1)
    if (waiters.size > 0) for (const { rev, subject } of entries) arrived(subject, rev)
    begun.resolve()
    if (status.is !== 'live') model.commit()
    else keeping ??= deps.clock.setTimer(KEPT_AFTER_MS, keep, { ref: false }) // (F5)
  }

  function keep(): void {
    keeping = undefined
    try {
      model.commit()
    } catch (error) {
      giveUp(error)
    }
  }

  function tell(listener: (entries: readonly Entry[]) => void, entries: readonly Entry[]): void {
    try {
      listener(entries)
    } catch (error) {
      deps.logger.error({ error }, 'a listener of the gateway could not take an entry')
    }
  }

  function arrived(run: string, rev: Rev): void {
    for (const waiter of [...(waiters.get(run) ?? [])]) if (waiter.rev <= rev) waiter.come(true)
  }

  async function follow(): Promise<void> {
    status = { is: 'catching-up' }
    gathered = []
    const from = model.cursor ?? 'start'
    const empty = await broker.log.end()
    const over = Promise.withResolvers<never>()
    over.promise.catch(() => {})
    let isGivenUp = false
    giveUp = (error) => {
      isGivenUp = true
      over.reject(error)
    }
    const following = await broker.log.follow({ partitions: 'all' }, from, (entries) => {
      if (!isGivenUp) handle(entries) // (F6)
    })
    position ??= empty // unless the first entries have said
    const stop = () => void following.stop()
    stopping.signal.addEventListener('abort', stop, { once: true })
    try {
      if (stopping.signal.aborted) stop()
      await Promise.race([Promise.all([following.ended, live(following)]), over.promise])
    } finally {
      stopping.signal.removeEventListener('abort', stop)
      await following.stop()
      keeping?.cancel()
      keeping = undefined
      model.commit()
    }
  }

  /** Resolves once it has caught up, or never will: why is said where it ends. */
  async function live({ caughtUp }: Following): Promise<void> {
    const isThere = await caughtUp.then(
      () => true,
      () => false,
    )
    if (!isThere) return
    handOnGathered()
    status = { is: 'live' }
    begun.resolve()
  }

  async function run(): Promise<void> {
    for (let pauseMs = AGAIN_AFTER_MS; !stopping.signal.aborted; pauseMs *= 2) {
      try {
        await follow()
        pauseMs = AGAIN_AFTER_MS
      } catch (error) {
        broken(error)
      }
      await sleep(deps.clock, Math.min(pauseMs, LONGEST_PAUSE_MS), stopping.signal).catch(() => {})
    }
  }

  /** (F2) (F3) */
  function broken(error: unknown): void {
    if (stopping.signal.aborted) return
    status = { is: 'broken', reason: messageOf(error) }
    if (isCallboardError(error, 'CB_E_CURSOR_LOST') || isCallboardError(error, 'CB_E_CURSOR_INVALID')) {
      deps.logger.warn({ error }, 'the log does not know where the read model is; it is made anew')
      model.reset()
      position = undefined
    } else if (position === undefined) {
      begun.reject(error)
      stopping.abort()
    } else deps.logger.error({ error }, 'the log cannot be followed just now; it is tried again')
  }

  const life = service('The feed of the gateway', {
    async start() {
      running = run()
      await begun.promise
    },
    async stop() {
      stopping.abort()
      await running
      for (const waiting of waiters.values()) for (const waiter of [...waiting]) waiter.come(false)
    },
  })

  return {
    ...life,
    get position() {
      if (position !== undefined) return position
      throw new CallboardError(
        'CB_E_STOPPED',
        'The feed of the gateway was asked for its place before it was started.',
      )
    },
    get status() {
      return status
    },
    listen(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    reached(run, rev, withinMs) {
      const known = model.newestRev(run)
      if (known !== undefined && known >= rev) return Promise.resolve(true)
      return new Promise((resolve) => {
        const waiting = waiters.get(run) ?? new Set()
        const waiter: Waiter = {
          rev,
          come(isThere) {
            timer.cancel()
            waiting.delete(waiter)
            if (waiting.size === 0) waiters.delete(run)
            resolve(isThere)
          },
        }
        const timer = deps.clock.setTimer(withinMs, () => waiter.come(false), { ref: false })
        waiters.set(run, waiting.add(waiter))
      })
    },
  }
}
