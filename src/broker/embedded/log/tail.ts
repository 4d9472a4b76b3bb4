/**
 * The end of the log, watched once for all followers of this process. What this process commits is kept for a while as
 * it is, and what another process commits is read once; a follower that keeps up never reads.
 *
 * Invariants
 * (E1) The window holds every entry after `since` and up to `told`, while it is known. What it could not keep whole, or
 *      nobody was there to want, makes it unknown: followers then read for themselves.
 * (E2) A parked listener has seen everything up to `told`; each commit after that reaches it exactly once.
 * (E3) Nobody is parked on stale knowledge. Who stands at `told` has seen what there is; while that is unknown, parking
 *      names the moment at which the listener looked, and is refused when anything was committed since.
 */

import type { Participant } from '../store/index.ts'
import type { LogRow, LogTable, Page } from './table.ts'

export interface TailListener {
  readonly position: number
  /** Something was committed. Without a page the listener has to look for itself. Returns whether it stays parked. */
  tell(page: Page | undefined): boolean
}

/** A moment in the life of the tail: see `LogTail.moment`. */
export type Moment = number

export interface LogTail extends Participant {
  /** Called inside the transaction for each row it inserts. */
  gather(row: LogRow): void
  /** Another process has committed. */
  poll(): void
  /** What comes after this position, if it is in the window; of all partitions. */
  page(after: number): Page | undefined
  /** Ask before looking; hand it to `attend` or `park`. */
  moment(): Moment
  /** Somebody has looked up to here and comes back: what is committed from now on is kept, unless it has begun already. */
  attend(position: number, lookedAt: Moment): void
  /** `false` when there is more than the listener has seen: look again first (E3). */
  park(listener: TailListener, lookedAt: Moment): boolean
  unpark(listener: TailListener): void
}

/** What the window keeps at most: a follower that is further behind reads pages. */
const WINDOW_ROWS = 2_048
const WINDOW_BYTES = 1024 * 1024

export function logTail(table: LogTable): LogTail {
  const parked = new Set<TailListener>()
  const readAll = table.reader({ partitions: 'all' })
  /** (E1) */
  let known = false
  let since = 0
  let told = 0
  let window: LogRow[] = []
  let bytes = 0
  let moment = 0
  let gathered: LogRow[] = []

  function begin(position: number): void {
    known = true
    since = position
    told = position
    window = []
    bytes = 0
  }

  function attend(position: number, lookedAt: Moment): void {
    if (!known && lookedAt === moment) begin(position)
  }

  function forget(): void {
    known = false
    window = []
    for (const listener of [...parked]) if (!listener.tell(undefined)) parked.delete(listener)
  }

  function tellAll(page: Page): void {
    told = page.upTo
    for (const row of page.rows) {
      window.push(row)
      bytes += row.body.length
    }
    if (window.length > WINDOW_ROWS || bytes > WINDOW_BYTES) shrink()
    for (const listener of parked) if (!listener.tell(page)) parked.delete(listener)
  }

  /** To half, so that it is not done each time. */
  function shrink(): void {
    let dropped = 0
    while (window.length - dropped > WINDOW_ROWS / 2 || bytes > WINDOW_BYTES / 2) {
      const row = window[dropped++]
      if (row === undefined) break
      bytes -= row.body.length
      since = row.seq
    }
    window = window.slice(dropped)
  }

  function poll(): void {
    moment++
    if (!known) return
    let page: Page | undefined
    try {
      page = readAll(told)
    } catch {
      // Locked just now, or worse: each listener looks for itself, with patience and with an error of its own.
    }
    // After a long absence there is more than a page: each walks it in its own time.
    if (page === undefined || page.more) forget()
    else if (page.upTo > told) tellAll(page)
  }

  return {
    gather: (row) => void gathered.push(row),
    committed() {
      const [first] = gathered
      if (!first) return false
      const rows = gathered
      gathered = []
      if (known && first.seq !== told + 1) poll()
      else {
        moment++
        if (known) tellAll({ rows, upTo: told + rows.length, more: false })
      }
      return true
    },
    rolledBack() {
      gathered = []
    },
    poll,
    page(after) {
      if (!known || after < since || after > told) return undefined
      if (after === told) return { rows: [], upTo: told, more: false }
      const first = window.findLastIndex(({ seq }) => seq <= after) + 1
      return { rows: window.slice(first), upTo: told, more: false }
    },
    moment: () => moment,
    attend,
    park(listener, lookedAt) {
      const { position } = listener
      if (known && position > told) poll() // it has read what another process has just committed
      attend(position, lookedAt)
      if (!known || position !== told) return false
      parked.add(listener)
      return true
    },
    unpark(listener) {
      parked.delete(listener)
      if (parked.size === 0) forget() // (E1)
    },
  }
}
