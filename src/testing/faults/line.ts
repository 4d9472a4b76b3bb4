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

  async function wait<T>(
    ahead: Promise<unknown>,
    delayMs: number,
    deliver: () => T | Promise<T>,
  ): Promise<T | undefined> {
    waiting++
    try {
      await ahead
      return (await gate.passes(delayMs, signal)) ? deliver() : undefined
    } finally {
      waiting--
    }
  }

  return {
    join(fault, deliver) {
      if (fault?.kind === 'reorder') return wait(Promise.resolve(), fault.delayMs, deliver)
      const delayMs = fault?.kind === 'delay' ? fault.delayMs : 0
      if (delayMs === 0 && waiting === 0 && gate.is('open') && !signal.aborted) return deliver()
      const delivered = wait(tail, delayMs, deliver)
      // The next one waits for the turn of this one, not for what its handler promises.
      tail = delivered.then(
        () => {},
        () => {},
      )
      return delivered
    },
    drained: async () => void (await tail),
  }
}
