/** Reading one subject of the log: its last entry first, which often is all there is, then the rest in one stream. */

import { CallboardError } from '../../core/index.ts'
import type { Entry, Rev } from '../port.ts'
import type { Stored } from './api.ts'
import { cursorOf } from './cursors.ts'
import { type DecodedEntry, decodeEntry, entryOf, revOfMark, SPANS, type Tip } from './entries.ts'
import { type FeedItem, readRange } from './feed.ts'
import type { LogHome } from './log-home.ts'

/** A quarter of a subject is read from its beginning, less of it from where it is. */
const LARGE_PART = 4

/** An entry and where it stands, before it is anybody's. */
export interface Found {
  readonly decoded: DecodedEntry
  readonly entry: Entry
}

/** The newest entry. With `certain` never one older than what was acknowledged to anybody; that costs a little more. */
export async function lastEntry(
  home: LogHome,
  subject: string,
  { certain = false }: { readonly certain?: boolean } = {},
): Promise<Found | undefined> {
  const { api, names, tips, replicas } = home
  const natsSubject = names.logSubject(subject)
  const stored =
    certain && replicas > 1
      ? await api.lastMessageOfLeader(names.logStream, natsSubject)
      : await api.lastMessage(names.logStream, natsSubject)
  if (!stored) return undefined
  const found = foundIn(home, stored)
  tips.put(subject, found.decoded.tip)
  return found
}

/** The entry with this revision, if it is still there. `tip` is a newer one. */
export async function entryAt(
  home: LogHome,
  subject: string,
  rev: Rev,
  tip: Tip,
): Promise<Found | undefined> {
  const start = await seek(home, rev, tip)
  for await (const found of entriesFrom(home, subject, rev, tip, start))
    return found.entry.rev === rev ? found : undefined
  return undefined
}

/** The entries of a subject; see `Log.read`. */
export async function* readSubject(
  home: LogHome,
  subject: string,
  from: Rev,
): AsyncGenerator<Entry, void, void> {
  const last = await lastEntry(home, subject)
  if (!last || last.entry.rev < from) return
  if (last.entry.tombstone || last.entry.rev === from) {
    yield last.entry
    return
  }
  const tip = last.decoded.tip
  const start = isLargePart(from, tip) ? 1 : await seek(home, from, tip)
  let next = from
  for await (const { entry } of entriesFrom(home, subject, from, tip, start)) {
    if (entry.rev !== next) break
    yield entry
    next++
  }
  if (next > last.entry.rev) return
  // Entries went away while we read: only an archive does that.
  const now = await lastEntry(home, subject, { certain: true })
  if (!now?.entry.tombstone)
    throw new CallboardError(
      'CB_E_STORE_DAMAGED',
      `Entry ${next} of ${subject} is missing in the run log, and the subject is not archived. Somebody deleted from the stream ${home.names.logStream}.`,
    )
  yield now.entry
}

/** From revision `from` to the entry `tip`, without what was deleted, reading from stream sequence `start` on. */
async function* entriesFrom(
  home: LogHome,
  subject: string,
  from: Rev,
  tip: Tip,
  start: number,
): AsyncGenerator<Found, void, void> {
  const { link, api, names, identity } = home
  const batches = readRange(link, api, {
    stream: names.logStream,
    identity,
    filter: names.logSubject(subject),
    from: start,
    to: tip.seq,
  })
  for await (const items of batches) {
    for (const item of items) {
      const found = foundIn(home, storedOfFeed(item))
      if (found.entry.rev >= from) yield found
    }
  }
}

/**
 * Whether to read from the beginning and drop what is not wanted. A filtered consumer that starts amid a block of the store
 * makes server 2.9 count what is before it again for each message, until it is past the middle of the block: reading 4,400
 * entries from the 64th took 1,000 ms, from the first 65 ms.
 */
function isLargePart(from: Rev, tip: Tip): boolean {
  return tip.rev <= LARGE_PART * (tip.rev - from + 1)
}

/** A stream sequence from which on reading finds the revision, at most `SPANS[0]` entries before it. */
async function seek(home: LogHome, rev: Rev, tip: Tip): Promise<number> {
  let at = tip
  for (;;) {
    if (at.rev === rev) return at.seq
    const far = SPANS.findLastIndex((_, k) => revOfMark(at.rev, k) >= rev && (at.marks[k] ?? 0) > 0)
    const seq = at.marks[far]
    if (far < 0 || seq === undefined) return at.marks[0] ?? 1
    const stored = await home.api.messageAt(home.names.logStream, seq)
    if (!stored) return 1
    at = decodeEntry(stored).tip
  }
}

export function storedOfFeed({
  message,
  delivery,
}: FeedItem): Pick<Stored, 'subject' | 'seq' | 'at' | 'text'> {
  return {
    subject: message.subject,
    seq: delivery.streamSequence,
    at: delivery.at,
    text: message.string(),
  }
}

export function foundIn(home: LogHome, stored: Pick<Stored, 'subject' | 'seq' | 'at' | 'text'>): Found {
  const decoded = decodeEntry(stored)
  return { decoded, entry: entryOf(stored, cursorOf(home.identity, stored.seq), decoded) }
}
