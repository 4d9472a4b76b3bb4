/** The port's `Log` for one broker object. */

import { type ErrorCode, isCallboardError, mintId } from '../../../core/index.ts'
import { checkRecords, checkToken } from '../../checks.ts'
import type { AppendOptions, AppendOutcome, Cursor, Entry, Log, Rev } from '../../port.ts'
import type { Seat } from '../seat.ts'
import { parseCursor, seqIn } from './cursor.ts'
import { startFollower } from './follower.ts'
import type { Batch, LogRow, LogTable } from './table.ts'
import type { LogTail } from './tail.ts'

/** Refusals that leave no doubt. */
const NOTHING_WRITTEN: ReadonlySet<ErrorCode> = new Set(['CB_E_BUSY', 'CB_E_STOPPED', 'CB_E_STORE_FULL'])

export interface LogParts {
  readonly store: { readonly id: string; readonly where: string }
  readonly table: LogTable
  readonly tail: LogTail
  /** The broker's time: see `Place`. */
  now(): number
}

export function embeddedLog(seat: Seat, { store, table, tail, now }: LogParts): Log {
  /** Judges and inserts; the tail learns of the row (inside the transaction). */
  const take = (insert: LogTable['append'], batch: Omit<Batch, 'at'>): AppendOutcome => {
    const result = insert({ ...batch, at: now() })
    if ('outcome' in result) return result.outcome
    const { row } = result
    tail.gather(row)
    return { outcome: 'appended', rev: row.rev, cursor: table.cursorOf(row.seq) }
  }

  const checked = (
    subject: string,
    records: readonly string[],
    options: AppendOptions,
  ): Omit<Batch, 'at'> => {
    checkToken('subject', subject)
    if (options.nonce !== undefined) checkToken('nonce', options.nonce)
    const body = checkRecords(subject, records)
    const nonce = options.nonce ?? mintId(seat.deps)
    return { subject, expect: options.expect, nonce, body }
  }

  /** What is neither refused nor done is unknown: the caller reads back (P4). */
  const settle = async <T>(
    bytes: number,
    work: () => T,
  ): Promise<T | { outcome: 'unknown'; cause: unknown }> => {
    try {
      return await seat.write(work, { bytes, patienceMs: seat.settleMs })
    } catch (cause) {
      if (isCallboardError(cause) && NOTHING_WRITTEN.has(cause.code)) throw cause
      return { outcome: 'unknown', cause }
    }
  }

  const startOf = (from: 'start' | 'tail' | Cursor, newest: number): number => {
    if (from === 'start') return 0
    return from === 'tail' ? newest : seqIn(store, newest, from)
  }

  async function* entriesFrom(subject: string, from: Rev): AsyncGenerator<Entry, void, void> {
    checkToken('subject', subject)
    const upTo = (await seat.read(() => table.newestRev(subject))) ?? 0
    let next = from
    while (next <= upTo) {
      const rows: readonly LogRow[] = await seat.read(() => table.pageOfSubject(subject, next))
      for (const row of rows) yield table.entryOf(row)
      const lastRow = rows.at(-1)
      if (!lastRow) return
      next = lastRow.rev + 1
      // A long log is read page by page from memory: others get their turn in between.
      await seat.turn()
    }
  }

  return {
    async append(subject, records, options) {
      const batch = checked(subject, records, options)
      return settle(batch.body.length, () => take(table.append, batch))
    },
    async last(subject) {
      checkToken('subject', subject)
      const row = await seat.read(() => table.last(subject))
      return row && table.entryOf(row)
    },
    read: (subject, options) => entriesFrom(subject, Math.max(1, options?.from ?? 1)),
    async follow(filter, from, handler, { gatherMs = 0 } = {}) {
      const target = await seat.read(() => table.end())
      const after = startOf(from, target)
      return startFollower(seat, table, tail, { filter, after, target, handler, gatherMs })
    },
    end: async () => table.cursorOf(await seat.read(() => table.end())),
    compare(a, b) {
      return parseCursor(a).seq - parseCursor(b).seq
    },
    async archive(subject, records, options) {
      const batch = checked(subject, records, options)
      let nothingOlder = true
      const buried = await settle(batch.body.length, () => {
        const outcome = take(table.bury, batch)
        nothingOlder = outcome.outcome !== 'appended' || table.deleteOlder(subject)
        return outcome
      })
      // A long log is deleted in several transactions; to readers it is gone with the first.
      while (!nothingOlder) nothingOlder = await seat.write(() => table.deleteOlder(subject), { bytes: 0 })
      return buried
    },
  }
}
