/**
 * Refusals that say "not now". Servers give them while leadership moves, a node is away, or another write is on its way;
 * the same question a moment later has another answer. Everything else that is refused stays refused.
 */

import { type Clock, type Random, sleep } from '../../core/index.ts'
import { API, type ApiError } from './wire.ts'

const PASSING: ReadonlySet<number> = new Set([
  API.notAvailable,
  API.notLeader,
  API.streamOffline,
  API.consumerOffline,
  API.duplicateInFlight,
  API.lastSequenceNotReady,
  API.tooManyRequests,
])

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 500

/** Whether the same question may well be answered in a moment. */
export function isPassing(error: ApiError): boolean {
  // A node that has just come, or is away, is not yet a place for a stream.
  if (error.err_code === API.noSuitablePeers) return !lacksRoom(error)
  return PASSING.has(error.err_code)
}

/** Whether no server has the room that was asked for. A cluster says so in other words than a single server. */
export function lacksRoom(error: ApiError): boolean {
  if (error.err_code === API.storageExceeded) return true
  return error.err_code === API.noSuitablePeers && /insufficient storage/i.test(error.description)
}

/** Pauses that grow, each a little off, so that many who were refused together do not come again together. */
export class Pauses {
  readonly #clock: Clock
  readonly #random: Random
  #next = FIRST_PAUSE_MS

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock
    this.#random = random
  }

  /** `false`, at once, when the next pause would not be over before `until` (monotonic). */
  async wait(until: number): Promise<boolean> {
    const pause = this.#next * (0.5 + this.#random.next())
    if (this.#clock.monotonic() + pause >= until) return false
    this.#next = Math.min(2 * this.#next, LONGEST_PAUSE_MS)
    await sleep(this.#clock, pause)
    return true
  }
}
