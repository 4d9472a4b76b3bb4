/**
 * From the gateway's one following of the log to the subscriptions here. An entry is looked at once however many
 * subscribe, and not at all when nobody does.
 *
 * Invariants
 * (H1) A listener hears of every entry that was handed on after it was attached, in order.
 * (H2) The following may begin anew from an older place. Listeners of a run tell by the revision what they have already;
 *      to sieves nothing is offered twice.
 * (H3) When the log was replaced by another one, no subscription can go on: all of them are lost, aloud.
 */

import type { Cursor, Entry, Rev } from '../../broker/index.ts'
import { cursorAfter } from './cursors.ts'
import { type Known, KnownRuns } from './known-runs.ts'
import { SharedEvent } from './shared-event.ts'
import type { Sieve } from './sieve.ts'
import type { LiveSources } from './sources.ts'

interface Listener {
  /** It cannot go on. (H3) */
  lost(error: unknown): void
}

export interface RunListener extends Listener {
  offer(entry: Entry, events: readonly SharedEvent[]): void
}

/** A place among the listeners of a run. */
export interface RunSeat {
  /** The newest revision of the run that was handed on since the first of them came; 0 for none. */
  readonly rev: Rev
  leave(): void
}

export interface SieveListener extends Listener {
  /** `events` are those that pass; there may be none. */
  offer(entry: Entry, events: readonly SharedEvent[]): void
}

interface RunTopic {
  rev: Rev
  readonly listeners: Set<RunListener>
}

interface SieveTopic {
  readonly sieve: Sieve
  readonly listeners: Set<SieveListener>
}

/** The events of an entry, to be shared. */
export function shared(sources: LiveSources, entry: Entry): readonly SharedEvent[] {
  const events = sources.eventsOf(entry)
  return events.map(
    (event, index) => new SharedEvent(entry.subject, event, cursorAfter(entry, index, events.length)),
  )
}

export class Hub {
  readonly #sources: LiveSources
  #known: KnownRuns
  readonly #runs = new Map<string, RunTopic>()
  readonly #sieves = new Map<string, SieveTopic>()
  readonly #leave: () => void
  /** The newest entry that was ever handed on. */
  #newest: Cursor | undefined

  constructor(sources: LiveSources) {
    this.#sources = sources
    this.#known = new KnownRuns(sources.runs)
    this.#leave = sources.feed.listen((entries) => this.#took(entries))
  }

  /** The newest entry that listeners have heard of. */
  get position(): Cursor {
    return this.#sources.feed.position
  }

  attach(run: string, listener: RunListener): RunSeat {
    const topic = this.#runs.get(run) ?? { rev: 0, listeners: new Set() }
    this.#runs.set(run, topic)
    topic.listeners.add(listener)
    return {
      get rev() {
        return topic.rev
      },
      leave: () => {
        topic.listeners.delete(listener)
        if (topic.listeners.size === 0 && this.#runs.get(run) === topic) this.#runs.delete(run)
      },
    }
  }

  /** Gives what ends it. Sieves of the same key are one. */
  attachSieve(sieve: Sieve, listener: SieveListener): () => void {
    const topic = this.#sieves.get(sieve.key) ?? { sieve, listeners: new Set() }
    this.#sieves.set(sieve.key, topic)
    topic.listeners.add(listener)
    return () => {
      topic.listeners.delete(listener)
      if (topic.listeners.size === 0 && this.#sieves.get(sieve.key) === topic) this.#sieves.delete(sieve.key)
    }
  }

  close(): void {
    this.#leave()
    this.#runs.clear()
    this.#sieves.clear()
  }

  #took(entries: readonly Entry[]): void {
    const isNew = this.#isNew(entries)
    for (const entry of entries) {
      const topic = this.#runs.get(entry.subject)
      if (topic === undefined && this.#sieves.size === 0) continue
      const events = shared(this.#sources, entry)
      if (topic !== undefined) {
        topic.rev = Math.max(topic.rev, entry.rev) // (H2)
        for (const listener of topic.listeners) listener.offer(entry, events)
      }
      if (this.#sieves.size > 0 && isNew(entry))
        this.#sift(entry, events, this.#known.see(entry.subject, events))
    }
  }

  /** (H2) Entries come in order, so that it is enough to look at the first one as long as that one is new. */
  #isNew(entries: readonly Entry[]): (entry: Entry) => boolean {
    const before = this.#newest
    const [first] = entries
    const last = entries.at(-1)
    if (first === undefined || last === undefined) return () => false
    const { compare } = this.#sources.log
    if (before === undefined || this.#isAfter(first, before)) {
      this.#newest = last.cursor
      return () => true
    }
    if (compare(last.cursor, before) > 0) this.#newest = last.cursor
    return ({ cursor }) => compare(cursor, before) > 0
  }

  #isAfter({ cursor }: Entry, before: Cursor): boolean {
    try {
      return this.#sources.log.compare(cursor, before) > 0
    } catch (error) {
      this.#lose(error)
      return true
    }
  }

  /** (H3) */
  #lose(error: unknown): void {
    const topics = [...this.#runs.values(), ...this.#sieves.values()]
    for (const listener of topics.flatMap(({ listeners }) => [...listeners])) listener.lost(error)
    this.#known = new KnownRuns(this.#sources.runs)
  }

  #sift(entry: Entry, events: readonly SharedEvent[], known: Known): void {
    for (const { sieve, listeners } of this.#sieves.values()) {
      const passed = sieve.pass(events, known)
      for (const listener of listeners) listener.offer(entry, passed)
    }
  }
}
