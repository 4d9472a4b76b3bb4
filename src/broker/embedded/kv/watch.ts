/**
 * One watch of a bucket: the state first, then every change, then expiries as they come.
 *
 * Invariants
 * (X1) Per key the handler sees growing revisions; what waits to be told is one row per key, the newest. Whatever is
 *      read from the store is told in the same turn, after what had waited: nothing older can come after it.
 * (X2) An expiry is told only after the store was asked once more: a key that was written anew meanwhile lives on.
 * (X3) The handler is called in turns of the watcher's own clock only, and never after `stop`.
 */

import { CallboardError, type Timer } from '../../../core/index.ts'
import type { KvChange, KvEntry, KvRevision, KvWatch } from '../../port.ts'
import type { Seat } from '../seat.ts'
import type { KvFeed } from './feed.ts'
import { isLive, type KvRow, type KvTable, type LiveRow } from './table.ts'

export interface WatchOptions {
  readonly bucket: string
  readonly ttlMs: number
  readonly prefix: string
  readonly handler: (change: KvChange) => void
}

export interface WatchParts {
  readonly table: KvTable
  readonly feed: KvFeed
  /** The broker's time. */
  now(): number
}

interface Known {
  readonly revision: KvRevision
  readonly expiresAt: number
}

export function entryOf(row: LiveRow): KvEntry {
  return { key: row.key, value: JSON.parse(row.value), revision: row.revision, at: row.at }
}

export function startWatch(seat: Seat, { table, feed, now }: WatchParts, options: WatchOptions): KvWatch {
  const { bucket, ttlMs, prefix } = options
  const known = new Map<string, Known>()
  /** Changes not told yet, the newest per key (X1). */
  let news = new Map<string, KvRow>()
  let tellingSoon = false
  let looking = false
  let stopped = false
  let timer: Timer | undefined
  const caughtUp = Promise.withResolvers<void>()
  caughtUp.promise.catch(() => {})

  const watches = (key: string) => prefix === '' || key.startsWith(`${prefix}.`)

  function call(change: KvChange): void {
    try {
      options.handler(change)
    } catch (error) {
      seat.deps.logger.error({ error, bucket }, 'the handler of a watch threw; the watch goes on')
    }
  }

  function tell(row: KvRow): void {
    const before = known.get(row.key)
    if (before && before.revision >= row.revision) return
    known.delete(row.key)
    if (!isLive(row, ttlMs, now())) {
      call({ kind: 'gone', key: row.key })
      return
    }
    const expiresAt = ttlMs === 0 ? Number.POSITIVE_INFINITY : row.at + ttlMs
    known.set(row.key, { revision: row.revision, expiresAt })
    armFor(expiresAt)
    call({ kind: 'put', entry: entryOf(row) })
  }

  function tellNews(): void {
    tellingSoon = false
    const rows = news
    news = new Map()
    for (const row of rows.values()) {
      if (stopped) return
      tell(row)
    }
  }

  let armedFor = Number.POSITIVE_INFINITY
  function armFor(at: number): void {
    if (at >= armedFor) return
    timer?.cancel()
    armedFor = at
    timer = seat.deps.clock.setTimer(at - now(), onTimer, { ref: false })
  }

  function onTimer(): void {
    armedFor = Number.POSITIVE_INFINITY
    tellExpiries().catch(report)
  }

  async function tellExpiries(): Promise<void> {
    let next = Number.POSITIVE_INFINITY
    for (const [key, { expiresAt }] of known) {
      if (expiresAt <= now()) await tellWhatIs(key)
      next = Math.min(next, known.get(key)?.expiresAt ?? next)
    }
    if (!stopped && next < Number.POSITIVE_INFINITY) armFor(next)
  }

  /** (X2) */
  async function tellWhatIs(key: string): Promise<void> {
    await seat.read(() => {
      const row = table.get(bucket, key)
      if (stopped) return
      tellNews()
      if (isLive(row, ttlMs, now())) tell(row)
      else if (known.delete(key)) call({ kind: 'gone', key })
    })
  }

  /** Tells the state of everything under the prefix; afterwards nothing is known that is not there. */
  async function lookAtAll(): Promise<void> {
    const unseen = new Set(known.keys())
    let after: string | undefined
    do {
      await seat.turn()
      after = await seat.read(() => {
        const rows = table.page(bucket, prefix, after)
        tellNews()
        for (const row of rows) {
          if (stopped) return undefined
          unseen.delete(row.key)
          if (known.has(row.key) || isLive(row, ttlMs, now())) tell(row)
        }
        return rows.at(-1)?.key
      })
    } while (after !== undefined && !stopped)
    for (const key of unseen) await tellWhatIs(key)
  }

  function lookAgain(): void {
    if (looking) return
    looking = true
    lookAtAll()
      .catch(report)
      .finally(() => {
        looking = false
      })
  }

  function report(error: unknown): void {
    if (!stopped) seat.deps.logger.error({ error, bucket }, 'a watch could not read its bucket')
  }

  function end(): void {
    stopped = true
    timer?.cancel()
    unlisten()
    disown()
    caughtUp.reject(new CallboardError('CB_E_STOPPED', `The watch of bucket '${bucket}' was stopped.`))
  }

  const unlisten = feed.listen({
    bucket,
    changed(row) {
      if (!watches(row.key)) return
      news.set(row.key, row)
      if (tellingSoon) return
      tellingSoon = true
      seat.turn().then(tellNews)
    },
    lookAgain,
  })
  const disown = seat.own(end)
  lookAtAll().then(caughtUp.resolve, caughtUp.reject)
  return {
    caughtUp: caughtUp.promise,
    async stop() {
      if (!stopped) end()
    },
  }
}
