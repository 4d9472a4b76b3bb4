/**
 * The one start/stop contract, for everything with a life.
 *
 * Invariants
 * (L1) `start` twice is one start; both calls get the same promise.
 * (L2) `stop` before `start` makes a later `start` fail; nothing was ever opened.
 * (L3) `stop` during `start` waits for the start to settle, then stops; the start's caller still gets its answer.
 * (L4) `stop` twice is one stop. After a failed start, `stop` has nothing to do and succeeds.
 */

import { CallboardError } from './errors.ts'

export interface Service {
  start(): Promise<void>
  /** Idempotent; never rejects because something was already gone. */
  stop(): Promise<void>
}

/** Makes a service that keeps the contract out of the two functions that do the work. */
export function service(name: string, hooks: { start(): Promise<void>; stop(): Promise<void> }): Service {
  type Phase =
    | { is: 'new' }
    | { is: 'started'; started: Promise<void> }
    | { is: 'stopped'; stopped: Promise<void> }
  let phase: Phase = { is: 'new' }
  return {
    start() {
      if (phase.is === 'stopped')
        return Promise.reject(
          new CallboardError(
            'CB_E_STOPPED',
            `${name} was stopped and cannot be started again; make a new one.`,
          ),
        )
      if (phase.is === 'new') phase = { is: 'started', started: hooks.start() }
      return phase.started
    },
    stop() {
      if (phase.is === 'new') phase = { is: 'stopped', stopped: Promise.resolve() }
      if (phase.is === 'started') {
        const stopped = phase.started.then(hooks.stop, () => {})
        phase = { is: 'stopped', stopped }
      }
      return phase.stopped
    },
  }
}
