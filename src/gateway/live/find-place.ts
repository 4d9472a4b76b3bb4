/** Where in a run's own log a cursor of the whole log stands. */

import type { Entry, Log, Rev } from '../../broker/index.ts'
import type { Place } from './cursors.ts'

export interface RunPlace {
  /** The newest entry of the run that was seen to its end. */
  readonly rev: Rev
  /** Events of the entry after it that were seen. */
  readonly seen: number
}

/**
 * Looks back from the newest entry in growing steps, because who comes again was mostly away for a moment only.
 *
 * @throws CB_E_CURSOR_INVALID, and what the broker throws
 */
export async function findPlace(
  log: Pick<Log, 'compare' | 'read'>,
  newest: Entry,
  place: Place,
): Promise<RunPlace> {
  const isPast = (entry: Entry) => log.compare(entry.cursor, place.entry) > 0
  if (!isPast(newest)) return within(newest, place, log)
  if (place.inside?.run === newest.subject) return { rev: place.inside.rev - 1, seen: place.inside.seen }
  let past = newest.rev
  let step = 1
  let seen: Entry | undefined
  while (seen === undefined && past > 1) {
    const entry = await entryAt(log, newest.subject, Math.max(1, past - step))
    // An archived run has nothing before its tombstone.
    if (entry === undefined || entry.rev >= past) break
    if (isPast(entry)) past = entry.rev
    else seen = entry
    step *= 2
  }
  if (seen === undefined) return { rev: 0, seen: 0 }
  while (past - seen.rev > 1) {
    const entry = await entryAt(log, newest.subject, Math.floor((seen.rev + past) / 2))
    if (entry === undefined || entry.rev >= past) break
    if (isPast(entry)) past = entry.rev
    else seen = entry
  }
  return within(seen, place, log)
}

/** `entry` is the newest one that is not past the place. */
function within(entry: Entry, place: Place, log: Pick<Log, 'compare'>): RunPlace {
  const { inside } = place
  if (inside === undefined || log.compare(entry.cursor, place.entry) !== 0) return { rev: entry.rev, seen: 0 }
  return { rev: entry.rev - 1, seen: inside.seen }
}

/** The first entry of a run from revision `rev` on. */
export async function entryAt(log: Pick<Log, 'read'>, run: string, rev: Rev): Promise<Entry | undefined> {
  for await (const entry of log.read(run, { from: rev })) return entry
  return undefined
}
