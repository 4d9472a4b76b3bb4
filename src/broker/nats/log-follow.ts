/**
 * Following: every entry of some partitions, in the log's order, one batch at a time, for ever. One partition is
 * filtered by the server; several are filtered here, because a server's filter over many subjects is slow to start.
 */

import { CallboardError, isCallboardError, partitionOf } from '../../core/index.ts'
import type { Cursor, Entry, FollowFilter, Following, FollowOptions } from '../port.ts'
import { cursorLost, identityOf, positionOf } from './cursors.ts'
import { Feed } from './feed.ts'
import type { LogHome } from './log-home.ts'
import { foundIn, storedOfFeed } from './log-read.ts'

type Handler = (entries: readonly Entry[]) => void | Promise<void>

interface Start {
  /** The first stream sequence wanted. */
  readonly from: number
  /** The last one there was when following began; 0 when there was none. */
  readonly end: number
}

export async function followLog(
  home: LogHome,
  filter: FollowFilter,
  from: 'start' | 'tail' | Cursor,
  handler: Handler,
  { gatherMs = 0 }: FollowOptions = {},
): Promise<Following> {
  home.link.assertRunning()
  const { link, api, names } = home
  const start = await startOf(home, filter, from)
  const partition = onlyPartition(filter)
  const feed = await Feed.open(link, api, {
    stream: names.logStream,
    identity: home.identity,
    from: start.from,
    gatherMs,
    ...(partition === undefined ? {} : { filter: names.logFilter(partition) }),
  })
  return run(home, feed, filter, start, handler)
}

/** @throws CB_E_CURSOR_INVALID, CB_E_CURSOR_LOST */
async function startOf(home: LogHome, filter: FollowFilter, from: 'start' | 'tail' | Cursor): Promise<Start> {
  const position = from === 'start' || from === 'tail' ? undefined : positionOf(from)
  const { api, names } = home
  const info = await api.streamInfo(names.logStream)
  if (!info) throw cursorLost(`the stream ${names.logStream} is gone`)
  home.identity = identityOf(info.created)
  const last = info.state.last_seq
  if (position && position.stream !== home.identity)
    throw cursorLost(`the stream ${names.logStream} was made anew`)
  if (position && position.seq > last)
    throw cursorLost(`the stream ${names.logStream} ends at ${last}, before ${position.seq}`)
  const first = position ? position.seq + 1 : from === 'tail' ? last + 1 : 1
  const partition = onlyPartition(filter)
  if (partition === undefined || last < first) return { from: first, end: last }
  const newest = await api.lastMessage(names.logStream, names.logFilter(partition))
  return { from: first, end: newest?.seq ?? 0 }
}

function onlyPartition({ partitions }: FollowFilter): number | undefined {
  if (partitions === 'all' || partitions.size !== 1) return undefined
  const [only] = partitions
  return only
}

function run(home: LogHome, feed: Feed, filter: FollowFilter, start: Start, handler: Handler): Following {
  const caughtUp = Promise.withResolvers<void>()
  let stopping = false

  async function deliver(): Promise<void> {
    if (start.end < start.from) caughtUp.resolve()
    while (!stopping) {
      const items = await feed.take()
      // In a turn of its own: whoever waits for the answer to an append goes on first, and sends the next one.
      await new Promise<void>((resolve) => home.link.deps.clock.defer(resolve))
      if (stopping) return
      const entries: Entry[] = []
      for (const item of items) {
        if (!wants(filter, item.message.subject)) continue
        entries.push(foundIn(home, storedOfFeed(item)).entry)
      }
      if (entries.length > 0) await handler(entries)
      const last = items.at(-1)
      if (!last || last.delivery.streamSequence >= start.end) caughtUp.resolve()
    }
  }

  const ended = deliver().catch((error: unknown) => {
    if (!stopping || !isCallboardError(error, 'CB_E_STOPPED')) throw error
  })
  const over = ended.finally(async () => {
    disown()
    await feed.close()
  })
  const stop = async () => {
    stopping = true
    await feed.close()
    await over.catch(() => {})
  }
  const disown = home.link.own(stop)
  over.then(
    () =>
      caughtUp.reject(new CallboardError('CB_E_STOPPED', 'Following was stopped before it had caught up.')),
    (error) => caughtUp.reject(error),
  )
  caughtUp.promise.catch(() => {})
  return { caughtUp: caughtUp.promise, ended: over, stop }
}

function wants({ partitions }: FollowFilter, natsSubject: string): boolean {
  if (partitions === 'all') return true
  return partitions.has(partitionOf(natsSubject.slice(natsSubject.lastIndexOf('.') + 1)))
}
