/**
 * A place: one store and everything that all broker objects on it share, in this process. A folder that several
 * processes have open has a place in each of them.
 *
 * Invariants
 * (P1) The broker's clock is the place's: entries, claims and expiries go by it, whatever the clocks of those who
 *      use it say. In a process that is the machine's clock; in a simulation it may be another one.
 * (P2) Each clock has a committer of its own, so that a machine that stands still holds up nobody else.
 */

import type { Clock, Deps } from '../../core/index.ts'
import type { Capabilities } from '../port.ts'
import { type Switchboard, switchboard } from './bus/index.ts'
import { type KvFeed, type KvTable, kvFeed, kvTable } from './kv/index.ts'
import { type LogTable, type LogTail, logTable, logTail } from './log/index.ts'
import type { ObjectBackend } from './objects/index.ts'
import { claimDesk, type Desk, type QueueTable, queueTable } from './queue/index.ts'
import { type Committer, committer, type Store } from './store/index.ts'

export interface Place {
  readonly store: Store
  readonly capabilities: Capabilities
  readonly log: { readonly table: LogTable; readonly tail: LogTail }
  readonly queue: { readonly table: QueueTable; readonly desk: Desk }
  readonly kv: { readonly table: KvTable; readonly feed: KvFeed }
  readonly board: Switchboard
  readonly objects: ObjectBackend
  /** The broker's time, milliseconds since the epoch. */
  now(): number
  committerFor(deps: Pick<Deps, 'clock' | 'random'>): Committer
  /** Another process has committed: whoever waits for something looks. */
  othersCommitted(): void
  /** Counts since the place was opened. For tests and status. */
  readonly commits: number
}

export interface PlaceParts {
  readonly store: Store
  readonly deps: Deps
  readonly objects: ObjectBackend
  readonly capabilities: Capabilities
  /** Tells other processes of a commit. */
  announce(): void
}

export function makePlace({ store, deps, objects, capabilities, announce }: PlaceParts): Place {
  const now = () => deps.clock.now()
  const committers = new WeakMap<Clock, Committer>()
  let commits = 0

  const queues = queueTable(store)
  const desk = claimDesk({ table: queues, deps, now, committer: () => place.committerFor(deps) })
  const entries = logTable(store)
  const tail = logTail(entries)
  const keys = kvTable(store)
  const feed = kvFeed(keys, now)
  const counter = {
    committed() {
      commits++
      return false
    },
    rolledBack() {},
  }
  const participants = [tail, desk, feed, counter]

  const place: Place = {
    store,
    capabilities,
    log: { table: entries, tail },
    queue: { table: queues, desk },
    kv: { table: keys, feed },
    board: switchboard(),
    objects,
    now,
    committerFor({ clock, random }) {
      const known = committers.get(clock)
      if (known) return known
      const made = committer(store, { clock, random }, { participants, announce })
      committers.set(clock, made)
      return made
    },
    othersCommitted() {
      tail.poll()
      desk.poll()
      feed.poll()
    },
    get commits() {
      return commits
    },
  }
  return place
}
