/**
 * What this gateway has written, or answered for, and its read model has not seen yet: a read that comes after waits for
 * it, up to a bound, so that nobody is shown less than what they were just told.
 */

import type { Rev } from '../broker/index.ts'
import { CallboardError } from '../core/index.ts'
import type { Feed } from './feed.ts'

/** How long a read waits for what was written before it. Milliseconds. */
const WAITS_AT_MOST_MS = 2_000
/** More than this are not waited for: the read model is far behind then. */
const KEPT = 10_000

export class OwnWrites {
  readonly #feed: Pick<Feed, 'reached'>
  readonly #pending = new Set<Promise<boolean>>()

  constructor(feed: Pick<Feed, 'reached'>) {
    this.#feed = feed
  }

  /** That revision of the run is in the log. */
  wrote(run: string, rev: Rev): void {
    if (this.#pending.size >= KEPT) return
    const reached = this.#feed.reached(run, rev, WAITS_AT_MOST_MS)
    this.#pending.add(reached)
    reached.then(() => this.#pending.delete(reached))
  }

  /** Resolves once everything written so far can be read, or has taken too long. */
  async settled(): Promise<void> {
    if (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  /** The same for a place that another gateway told of. */
  async reached({ rev, run }: Mark): Promise<void> {
    await this.#feed.reached(run, rev, WAITS_AT_MOST_MS)
  }
}

/** A place in the log of a run, as it goes to clients and comes back from them. */
export interface Mark {
  readonly run: string
  readonly rev: Rev
}

export function markText({ rev, run }: Mark): string {
  return `${run}.${rev}`
}

/** @throws CB_E_REQUEST_INVALID */
export function parseMark(text: string): Mark {
  const [, run, rev] = /^([A-Za-z0-9_-]{1,64})\.(\d{1,15})$/.exec(text) ?? []
  if (run !== undefined && rev !== undefined) return { run, rev: Number(rev) }
  throw new CallboardError(
    'CB_E_REQUEST_INVALID',
    'The header Callboard-After is not what an answer of the gateway carried. Give it back as it was received.',
    { details: { issues: [{ path: 'callboard-after', message: 'is not `<run>.<revision>`' }] } },
  )
}
