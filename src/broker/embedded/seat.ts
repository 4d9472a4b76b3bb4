/**
 * A broker object's seat in the place it shares with others: its own clock and patience, its writes in flight,
 * and what has to end when it stops.
 *
 * Invariant
 * (B1) Whatever somebody else's doing brings to this broker (an entry, an item, a message) is handed over in a turn
 *      of its own clock: a process that stands still hears nothing.
 */

import { CallboardError, type Deps } from '../../core/index.ts'
import type { BrokerOptions } from '../port.ts'
import { type Committer, type Store, whenFree } from './store/index.ts'

export interface Patience {
  readonly settleMs: number
  readonly claimTimeoutMs: number
  readonly callTimeoutMs: number
}

export interface SeatWriteOptions {
  readonly bytes: number
  /** Default `true`. */
  readonly durable?: boolean
  /** Default `callTimeoutMs`. */
  readonly patienceMs?: number
}

export interface Seat extends Patience {
  readonly deps: Deps
  /** Judges and writes in the next transaction. See `Committer`. */
  write<T>(work: () => T, options: SeatWriteOptions): Promise<T>
  /** Counts `work` among what has to be done before the broker has stopped. */
  finish<T>(work: Promise<T>): Promise<T>
  /** Reads now, or as soon as the store is not locked any more. */
  read<T>(work: () => T): Promise<T>
  /** The next turn of this broker's own clock. */
  turn(): Promise<void>
  /** `end` is called when the broker stops, unless what is returned has been called before. */
  own(end: () => void): () => void
  /** Ends what is owned, refuses everything new, and waits for what is in flight. */
  leave(): Promise<void>
}

export function resolvePatience(options: BrokerOptions): Patience {
  return {
    settleMs: options.settleMs ?? 30_000,
    claimTimeoutMs: options.claimTimeoutMs ?? 30_000,
    callTimeoutMs: options.callTimeoutMs ?? 5_000,
  }
}

export function takeSeat(deps: Deps, patience: Patience, store: Store, committer: Committer): Seat {
  const owned = new Set<() => void>()
  const inFlight = new Set<Promise<unknown>>()
  let left = false

  const refuseWhenLeft = () => {
    if (left) throw new CallboardError('CB_E_STOPPED', `The broker on ${store.where} was stopped.`)
  }

  function finish<T>(work: Promise<T>): Promise<T> {
    inFlight.add(work)
    const done = () => inFlight.delete(work)
    work.then(done, done)
    return work
  }

  return {
    ...patience,
    deps,
    async write(work, { bytes, durable = true, patienceMs = patience.callTimeoutMs }) {
      refuseWhenLeft()
      return finish(committer.write(work, { bytes, durable, patienceMs }))
    },
    read(work) {
      // Checked again after each wait for a lock: the store may be closed by then.
      return whenFree(deps, store.where, patience.callTimeoutMs, () => {
        refuseWhenLeft()
        return work()
      })
    },
    finish,
    turn: () => new Promise((resolve) => deps.clock.defer(resolve)),
    own(end) {
      owned.add(end)
      return () => owned.delete(end)
    },
    async leave() {
      for (const end of owned) end()
      owned.clear()
      left = true
      while (inFlight.size > 0) await Promise.allSettled(inFlight)
    },
  }
}
