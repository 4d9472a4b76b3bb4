/**
 * The desk where all claimers of this process wait. Nobody asks again and again: items that become ready here are
 * handed out in the transaction that makes them ready, others on the word of another process or of the timer of
 * the claim that expires next.
 *
 * Invariants
 * (D1) Claimers are served in the order in which they came; each takes what it asked for, then the next.
 * (D2) An item is handed out in the transaction that claims it: no two claimers, here or elsewhere, hold it at once.
 * (D3) While anybody waits, a timer is armed for the first claim to expire, or for an earlier time.
 */

import type { Deps, Timer } from '../../../core/index.ts'
import type { Committer, Participant } from '../store/index.ts'
import type { ItemRow, QueueTable } from './table.ts'

export interface Claimer {
  readonly queues: readonly string[]
  readonly max: number
  readonly claimTimeoutMs: number
  /** Called once, after the commit; the desk has forgotten the claimer by then. */
  serve(items: readonly ItemRow[]): void
}

export interface Desk extends Participant {
  /** Waits in line until it is served; returns what ends the waiting. */
  wait(claimer: Claimer): () => void
  /** Called inside the transaction that makes an item of this queue ready. */
  ready(queue: string): void
  /** Another process has committed. */
  poll(): void
  stop(): void
}

/** How soon to try again when claiming failed, for want of room or for a lock that stayed. */
const TRY_AGAIN_MS = 1_000
const SERVE_PATIENCE_MS = 5_000

export interface DeskParts {
  readonly table: QueueTable
  readonly deps: Deps
  /** The broker's time. */
  now(): number
  committer(): Committer
}

export function claimDesk({ table, deps, now, committer }: DeskParts): Desk {
  const waiting = new Set<Claimer>()
  /** Queues in which this transaction made something ready. */
  const readied = new Set<string>()
  let served: { readonly claimer: Claimer; readonly items: readonly ItemRow[] }[] = []
  /** Look at every queue, and at claims that have expired. */
  let serveAll = false
  let expiredSome = false
  let asked = false
  let timer: { readonly at: number; readonly handle: Timer } | undefined

  /** Serves, within the open transaction, everybody for whom there may be something (D1, D2). */
  function serve(): void {
    const at = now()
    if (serveAll) expiredSome = table.expire(at)
    const empty = new Set<string>()
    for (const claimer of waiting) {
      if (!serveAll && !claimer.queues.some((queue) => readied.has(queue))) continue
      const until = at + claimer.claimTimeoutMs
      const items: ItemRow[] = []
      for (const queue of claimer.queues) {
        const room = claimer.max - items.length
        if (room === 0 || empty.has(queue)) continue
        const taken = table.take(queue, room, until)
        items.push(...taken)
        if (taken.length < room) empty.add(queue)
      }
      if (items.length === 0) continue
      served.push({ claimer, items })
      armFor(until)
    }
  }

  function forgetTransaction(): void {
    readied.clear()
    served = []
    serveAll = false
    expiredSome = false
  }

  /** A transaction whose only purpose is to serve. */
  function askForService(): void {
    if (asked) return
    asked = true
    const options = { durable: false, bytes: 0, patienceMs: SERVE_PATIENCE_MS }
    const failed = (error: unknown) => {
      asked = false
      deps.logger.warn({ error }, 'claiming from the queues failed; trying again in a moment')
      armFor(now() + TRY_AGAIN_MS)
    }
    committer()
      .write(() => {
        serveAll = true
      }, options)
      .then(() => {
        asked = false
      }, failed)
  }

  function armFor(at: number): void {
    if (timer && timer.at <= at) return
    timer?.handle.cancel()
    const handle = deps.clock.setTimer(at - now(), onTimer, { ref: false })
    timer = { at, handle }
  }

  function onTimer(): void {
    timer = undefined
    poll()
  }

  function poll(): void {
    if (waiting.size === 0) return
    try {
      if (table.hasAny(new Set([...waiting].flatMap((claimer) => claimer.queues)), now())) askForService()
      const expiry = table.nextExpiry()
      if (expiry !== undefined) armFor(expiry)
    } catch {
      // Locked just now: the committer has the patience to wait for it.
      askForService()
    }
  }

  return {
    wait(claimer) {
      waiting.add(claimer)
      poll()
      return () => void waiting.delete(claimer)
    },
    ready: (queue) => void readied.add(queue),
    poll,
    committing() {
      if (waiting.size > 0 && (serveAll || readied.size > 0)) serve()
    },
    committed() {
      const somethingReady = readied.size > 0 || expiredSome
      const handOver = served
      forgetTransaction()
      for (const { claimer, items } of handOver) {
        waiting.delete(claimer)
        claimer.serve(items)
      }
      return somethingReady
    },
    rolledBack: forgetTransaction,
    stop() {
      timer?.handle.cancel()
      timer = undefined
      waiting.clear()
    },
  }
}
