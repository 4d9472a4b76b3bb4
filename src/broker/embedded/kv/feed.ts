/**
 * Changes of all buckets, watched once for all watchers of this process: own commits are told as they are, those
 * of other processes are read once.
 *
 * Invariants
 * (N1) A listener hears of every change after it began to listen, or is told to look at everything again.
 * (N2) Deletions can be read for a limited time (K2). Who has not looked for half of it does not rely on them.
 */

import type { Participant } from '../store/index.ts'
import { KEEP_GONE_MS, type KvRow, type KvTable } from './table.ts'

export interface KvListener {
  readonly bucket: string
  changed(row: KvRow): void
  /** Changes may have been missed. */
  lookAgain(): void
}

export interface KvFeed extends Participant {
  /** Called inside the transaction for each row it writes. */
  gather(row: KvRow): void
  /** Another process has committed. */
  poll(): void
  listen(listener: KvListener): () => void
}

export function kvFeed(table: KvTable, now: () => number): KvFeed {
  const listeners = new Set<KvListener>()
  let told = 0
  let lookedAt = 0
  let gathered: KvRow[] = []

  function tell(rows: readonly KvRow[]): void {
    for (const row of rows) {
      told = row.revision
      for (const listener of listeners) if (listener.bucket === row.bucket) listener.changed(row)
    }
  }

  function lookAgain(): void {
    told = table.newest()
    for (const listener of listeners) listener.lookAgain()
  }

  function poll(): void {
    if (listeners.size === 0) return
    try {
      const longAgo = now() - lookedAt > KEEP_GONE_MS / 2
      lookedAt = now()
      if (longAgo) lookAgain()
      for (let rows = table.changes(told); rows.length > 0; rows = table.changes(told)) tell(rows)
    } catch {
      // Locked just now: the watchers look for themselves, with patience.
      for (const listener of listeners) listener.lookAgain()
    }
  }

  return {
    gather: (row) => void gathered.push(row),
    committed() {
      const [first] = gathered
      if (!first) return false
      const rows = gathered
      gathered = []
      if (listeners.size === 0) return true
      if (first.revision === told + 1) tell(rows)
      else poll()
      return true
    },
    rolledBack() {
      gathered = []
    },
    poll,
    listen(listener) {
      if (listeners.size === 0) {
        told = table.newest()
        lookedAt = now()
      }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
