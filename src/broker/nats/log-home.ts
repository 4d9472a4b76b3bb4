/** What the parts of the log share: where it is, which stream it is now, and what is known of its newest entries. */

import type { Api } from './api.ts'
import { ORIGIN, type Tip } from './entries.ts'
import type { Link } from './link.ts'
import type { Names } from './names.ts'
import type { Writes } from './writes.ts'

export interface LogHome {
  readonly link: Link
  readonly api: Api
  readonly writes: Writes
  readonly names: Names
  readonly tips: Tips
  readonly replicas: number
  /** Of the stream (`cursors.ts`). Changes when the broker was wiped or replaced behind our back. */
  identity: string
  /** The most bytes one message may have, headers included. */
  maxPayload: number
}

const MOST_TIPS = 32_768

/**
 * The newest entry known of each subject, the least recently used forgotten first. Only a hint that saves a look-up:
 * a wrong one leads to a refused append, never to a wrong one.
 */
export class Tips {
  readonly #tips = new Map<string, Tip>()

  /** The tip, if it is the one with this revision and may be built on. */
  at(subject: string, rev: number): Tip | undefined {
    if (rev === 0) return ORIGIN
    const tip = this.#tips.get(subject)
    return tip?.rev === rev && !tip.tombstone ? tip : undefined
  }

  put(subject: string, tip: Tip): void {
    this.#tips.delete(subject)
    this.#tips.set(subject, tip)
    if (this.#tips.size <= MOST_TIPS) return
    for (const oldest of this.#tips.keys()) {
      this.#tips.delete(oldest)
      return
    }
  }

  drop(subject: string): void {
    this.#tips.delete(subject)
  }

  clear(): void {
    this.#tips.clear()
  }
}
