/**
 * Clocks that disagree. A delay is counted by the clock of whoever proposed it; when that clock is plainly wrong,
 * measured by the broker's, the delay is kept and the moment moved. A scheduled start is a moment that somebody
 * named: it stays.
 */

import type { RunRecord } from '../actors/index.ts'
import type { Entry } from '../broker/index.ts'

/** Nothing is proposed after it was appended: a proposer further ahead than this has a wrong clock. */
const AHEAD_MS = 2_000
/** An append may wait for a broker that is away; a proposer further behind than this has a wrong clock. */
const BEHIND_MS = 120_000

/** How much the proposer of a record is behind the broker (ahead when negative); 0 when that may be the append's way. */
function skewOf(record: RunRecord, entry: Pick<Entry, 'at'>): number {
  if (record.k !== 'flow' && record.k !== 'task') return 0
  const behind = entry.at - record.e.at
  return behind < -AHEAD_MS || behind > BEHIND_MS ? behind : 0
}

/** When a timer that this record arms is due. */
export function dueHere(due: number, entry: Pick<Entry, 'at'>, record: RunRecord): number {
  return due + skewOf(record, entry)
}
