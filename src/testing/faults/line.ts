/**
 * Deliveries to one subscriber or watcher. A delay keeps their order: what comes later waits behind it; only what is
 * told to be overtaken stands aside. Without faults a delivery happens in the very call that brings it.
 */

import type { Gate } from './gate.ts'
import type { Fault } from './plan.ts'

export interface Line {
  /** Runs `deliver` when its turn has come; never, once the gate or `signal` says that it is over. */
  join<T>(fault: Fault | undefined, deliver: () => T | Promise<T>): T | Promise<T | undefined>
  /** Resolves when everything that has joined so far has been delivered or dropped. */
  drained(): Promise<void>
}

export function makeLine(gate: Gate, signal: AbortSignal): Line {
  let tail: Promise<unknown> = Promise.resolve()
  let waiting = 0

  /** Resolves to whether the delivery may happen, when its turn has come. */
  async function turnAfter(ahead: Promise<unknown>, delayMs: number): Promise<boolean> {
    waiting++
    await ahead
    return gate.passes(delayMs, signal)
  }

  function deliverIn<T>(turn: Promise<boolean>, deliver: () => T | Promise<T>): Promise<T | undefined> {
    return turn.then((mayPass) => {
      waiting--
      return mayPass ? deliver() : undefined
    })
  }

  return {
    join(fault, deliver) {
      if (fault?.kind === 'reorder') return deliverIn(turnAfter(Promise.resolve(), fault.delayMs), deliver)
      const delayMs = fault?.kind === 'delay' ? fault.delayMs : 0
      if (delayMs === 0 && waiting === 0 && gate.is('open') && !signal.aborted) return deliver()
      // The next one waits for the turn of this one, not for what its handler promises.
      const turn = turnAfter(tail, delayMs)
      const delivered = deliverIn(turn, deliver)
      tail = turn
      return delivered
    },
    drained: async () => void (await tail),
  }
}
