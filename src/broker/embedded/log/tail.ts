/**
 * The end of the log, watched once for all followers of this process that have caught up. What this process
 * commits is handed to them as it is, without reading it back; what another process commits is read once.
 *
 * Invariants
 * (E1) A parked listener has seen everything up to `told`; each commit after that reaches it exactly once.
 * (E2) Nobody is parked on stale knowledge: parking names the moment at which the listener looked, and is refused
 *      when anything was committed since.
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
  /** Ask before looking; hand it to `park`. */
  moment(): Moment
  /** `false` when something was committed since `lookedAt`: look again first (E2). */
  park(listener: TailListener, lookedAt: Moment): boolean
  unpark(listener: TailListener): void
}

export function logTail(table: LogTable): LogTail {
  const parked = new Set<TailListener>()
  const readAll = table.reader({ partitions: 'all' })
  let told = 0
  let moment = 0
  let gathered: LogRow[] = []

  function tellAll(page: Page | undefined): void {
    if (page) told = page.upTo
    for (const listener of parked) if (!listener.tell(page)) parked.delete(listener)
  }

  function poll(): void {
    moment++
    if (parked.size === 0) return
    let page: Page | undefined
    try {
      page = readAll(told)
    } catch {
      // Locked just now, or worse: each listener looks for itself, with patience and with an error of its own.
    }
    // After a long absence there is more than a page: each walks it in its own time.
    tellAll(page?.more ? undefined : page)
  }

  return {
    gather: (row) => void gathered.push(row),
    committed() {
      const [first] = gathered
      if (!first) return false
      const rows = gathered
      gathered = []
      const ownFollowsTold = first.seq === told + 1
      if (!ownFollowsTold) poll()
      else {
        moment++
        tellAll({ rows, upTo: told + rows.length, more: false })
      }
      return true
    },
    rolledBack() {
      gathered = []
    },
    poll,
    moment: () => moment,
    park(listener, lookedAt) {
      if (lookedAt !== moment) return false
      if (parked.size === 0) told = listener.position
      parked.add(listener)
      return true
    },
    unpark: (listener) => void parked.delete(listener),
  }
}
