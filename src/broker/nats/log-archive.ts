/**
 * Archiving: a tombstone on top, then the older entries go, oldest first, by their sequences.
 *
 * Invariants
 * (V1) The last message of a subject is never deleted. On servers in the field that makes the subject look as if it had
 *      never been, while older entries are still there, and an append on revision 0 would bring it back to life.
 * (V2) Nothing is deleted before the tombstone is known to stand. A deletion cut short is finished by calling again.
 */

import { checkRecords, checkToken } from '../checks.ts'
import type { AppendOptions, AppendOutcome } from '../port.ts'
import { deleteAll } from './deletions.ts'
import { appendEntry } from './log-append.ts'
import type { LogHome } from './log-home.ts'
import { type Found, lastEntry } from './log-read.ts'

export async function archiveSubject(
  home: LogHome,
  settleMs: number,
  subject: string,
  records: readonly string[],
  options: AppendOptions,
): Promise<AppendOutcome> {
  home.link.assertRunning()
  checkToken('subject', subject)
  if (options.nonce !== undefined) checkToken('nonce', options.nonce)
  checkRecords(subject, records)
  const before = await lastEntry(home, subject, { certain: true })
  if (before?.entry.tombstone) return finish(home, subject, before)
  const outcome = await appendEntry(home, settleMs, subject, records, options, true)
  if (outcome.outcome === 'unknown') return outcome
  // Also after a conflict: somebody else may have archived it meanwhile.
  const now = await lastEntry(home, subject, { certain: true })
  return now?.entry.tombstone ? finish(home, subject, now) : outcome
}

async function finish(home: LogHome, subject: string, { entry, decoded }: Found): Promise<AppendOutcome> {
  // (V1) (V2)
  await deleteAll(home.link, home.api, {
    stream: home.names.logStream,
    identity: home.identity,
    filter: home.names.logSubject(subject),
    from: 1,
    to: decoded.tip.seq - 1,
  })
  return { outcome: 'appended', rev: entry.rev, cursor: entry.cursor }
}
