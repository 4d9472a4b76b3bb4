/**
 * The newest of what waits in place of all of it, for a client that does not keep up.
 *
 * Invariants
 * (N1) Who folds what is left comes to what somebody comes to who got everything: a state that takes the place of others
 *      brings along that they were there, and when.
 * (N2) The order of what is left is that in which it came.
 */

import type { Lane } from './outbox.ts'
import type { SharedEvent } from './shared-event.ts'

export interface WaitingEvent {
  readonly is: 'event'
  readonly bytes: Buffer
  readonly lane: Lane
  readonly event: SharedEvent
  /** The frame of an event, for this client. */
  readonly write: (event: SharedEvent) => Buffer
}

/** An answer, which nothing overtakes. */
export interface WaitingAnswer {
  readonly is: 'answer'
  readonly bytes: Buffer
}

export type Waiting = WaitingEvent | WaitingAnswer

/** Where the last event of each thing of one run stands, for one lane. */
type Places = Map<string, number>

export function overtake(items: readonly Waiting[]): Waiting[] {
  const left: (Waiting | undefined)[] = []
  const placesOf = placesByRun()
  for (const item of items) {
    const at = left.push(item) - 1
    if (item.is === 'answer') continue
    const { event, lane, write } = item
    const { passing, run = '' } = event
    if (passing.is === 'beside') continue
    const places = placesOf(lane, run)
    if (passing.is === 'anew') {
      if (passing.thing === undefined) places.clear()
      else places.delete(passing.thing)
      continue
    }
    const before = places.get(passing.thing)
    places.set(passing.thing, at)
    const overtaken = before === undefined ? undefined : left[before]
    if (before === undefined || overtaken?.is !== 'event') continue
    const both = event.over(overtaken.event)
    if (both === undefined) continue
    left[before] = undefined
    left[at] = { ...item, event: both, bytes: write(both) } // (N1)
  }
  return left.filter((item) => item !== undefined) // (N2)
}

function placesByRun(): (lane: Lane, run: string) => Places {
  const lanes = new Map<Lane, Map<string, Places>>()
  return (lane, run) => {
    const runs = lanes.get(lane) ?? new Map<string, Places>()
    lanes.set(lane, runs)
    const places = runs.get(run) ?? new Map<string, number>()
    runs.set(run, places)
    return places
  }
}
