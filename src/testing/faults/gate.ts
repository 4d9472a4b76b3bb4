/**
 * The wire between a connection and its broker, as the faults see it: open, cut, or dead. Every call and every
 * delivery of the wrapped broker passes through here.
 *
 * Invariants
 * (G1) While cut nothing passes in either direction; a call waits for its patience and is then lost.
 * (G2) Once dead, nothing resolves, rejects or calls back, for ever. Calls on their way to the broker at that moment
 *      arrive or not as the seed says; calls that had arrived have their effect.
 * (G3) After stop nothing is waited for any more: what was delayed goes on at once, what was held back is dropped.
 */

import { CallboardError, type Clock, type Deps, sleep } from '../../core/index.ts'
import { type Fault, type FaultKind, type FaultPlan, type Operation, oracle } from './plan.ts'

/** One fault that happened, for the history. */
export interface FaultRecord {
  readonly kind: FaultKind | 'crash' | 'heal'
  /** What met it, or undefined when it was done by hand (`cut`, `heal`, `crash`). */
  readonly operation: Operation | undefined
  readonly target: string
  /** Which call of that operation it was, 1 for the first. */
  readonly call: number
  /** On the clock's monotonic line, milliseconds. */
  readonly at: number
}

export interface Call<T> {
  /** Does it. The fault is given for what only the part itself can play: `double`, `deny`. */
  perform(fault: Fault | undefined): Promise<T>
  /** What the caller is told when it was lost, or what is thrown. */
  lost(cause: CallboardError): T
  /** How long the caller waits for a cut connection. Milliseconds. */
  readonly patienceMs: number
}

type State =
  | { readonly is: 'open' }
  | { readonly is: 'cut'; readonly healed: Promise<void>; readonly heal: () => void }
  | { readonly is: 'stopped' }
  | { readonly is: 'dead' }

export interface Gate {
  readonly clock: Clock
  readonly faults: readonly FaultRecord[]
  readonly callTimeoutMs: number
  readonly settleMs: number
  readonly silenceMs: number
  /** Fires at the next cut, stop or death. */
  readonly unbroken: AbortSignal
  is(state: State['is']): boolean
  decide(operation: Operation, target: string): Fault | undefined
  /** One call from the connection to the broker, with whatever it meets. */
  call<T>(operation: Operation, target: string, call: Call<T>): Promise<T>
  /** A call that rejects with CB_E_BROKER_UNAVAILABLE when it is lost. */
  ask<T>(operation: Operation, target: string, perform: () => Promise<T>): Promise<T>
  /** Waits until a delivery may pass; `false`: it must not happen any more. */
  passes(delayMs: number, signal?: AbortSignal): Promise<boolean>
  /** The same outcome, or none if the process is dead by then. */
  shield<T>(promise: Promise<T>): Promise<T>
  /** Like `shield`, but resolves at death: for the broker's side, which must not wait for the dead. */
  untilDeath(promise: Promise<void>): Promise<void>
  cut(forMs?: number): void
  /** Cuts for as long as the plan says. */
  cutByPlan(): void
  heal(): void
  crash(): void
  /** Lets go of everything that is held or delayed; resolves when all calls have gone on to the broker. */
  close(): Promise<void>
  /** Resolves when no call is on its way to the broker any more. */
  drained(): Promise<void>
  /** Called on every change between open, cut, stopped and dead. */
  onChange(listener: () => void): () => void
}

/** What nobody will ever hear of. */
export const never = <T>(): Promise<T> => new Promise<T>(() => {})

const DEFAULTS = { cutMs: 500, silenceMs: 100, callTimeoutMs: 5_000, settleMs: 30_000 }

/** A value as it is now: a call that is delayed must not see what its caller changes meanwhile. */
export function asItIs<T>(value: T): T {
  try {
    return structuredClone(value)
  } catch {
    // It cannot be stored either; saying so is the driver's.
    return value
  }
}

/** What a stream gives, for as long as its reader lives. */
export async function* shielded<T>(gate: Gate, source: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const each of source) {
    if (gate.is('dead')) await never()
    yield each
  }
  if (gate.is('dead')) await never()
}

export function makeGate(plan: FaultPlan, deps: Pick<Deps, 'clock'>): Gate {
  const { clock } = deps
  const times = { ...DEFAULTS, ...plan }
  const fate = oracle(plan)
  const faults: FaultRecord[] = []
  const listeners = new Set<() => void>()
  /** Calls that have not reached the broker yet. */
  const underWay = new Set<Promise<unknown>>()
  const over = new AbortController()
  let unbroken = new AbortController()
  let died = () => {}
  const death = new Promise<void>((resolve) => {
    died = resolve
  })
  let state: State = { is: 'open' }

  function become(next: State): void {
    state = next
    for (const listener of [...listeners]) listener()
  }

  function note(kind: FaultRecord['kind'], operation?: Operation, target = '', call = 0): void {
    faults.push({ kind, operation, target, call, at: clock.monotonic() })
  }

  /** Ends early, without error, when `signal` fires or everything is over. */
  async function pause(ms: number, signal?: AbortSignal): Promise<void> {
    const ending = AbortSignal.any(signal ? [signal, over.signal] : [over.signal])
    await sleep(clock, ms, ending).catch(() => {})
  }

  /** Whether the broker can be reached, at the latest after `patienceMs`. */
  async function reachable(patienceMs: number): Promise<boolean> {
    if (state.is !== 'cut') return true
    const waited = new AbortController()
    await Promise.race([state.healed, pause(patienceMs, waited.signal)])
    waited.abort()
    return gate.is('open')
  }

  const gate: Gate = {
    clock,
    faults,
    callTimeoutMs: times.callTimeoutMs,
    settleMs: times.settleMs,
    silenceMs: times.silenceMs,
    get unbroken() {
      return unbroken.signal
    },
    is: (wanted) => state.is === wanted,
    decide(operation, target) {
      const fault = fate.decide(operation, target)
      if (fault) note(fault.kind, operation, target, fault.call)
      return fault
    },
    async call(operation, target, { perform, lost, patienceMs }) {
      const unavailable = (why: string) =>
        new CallboardError('CB_E_BROKER_UNAVAILABLE', `${operation} ${target}: ${why} (a fault by plan).`)

      /** `true` when the call may go on to the broker, `false` when it was lost on the way. */
      async function onTheWay(): Promise<{ readonly arrives: boolean; readonly fault: Fault | undefined }> {
        if (!(await reachable(patienceMs))) return { arrives: gate.is('stopped'), fault: undefined }
        if (state.is === 'stopped') return { arrives: true, fault: undefined }
        const fault = gate.decide(operation, target)
        if (fault?.kind === 'cut') gate.cutByPlan()
        if (fault?.kind === 'crash-before') gate.crash()
        if (fault?.kind === 'delay' || fault?.kind === 'reorder') {
          await pause(fault.delayMs)
          if (state.is === 'dead') return { arrives: fate.chance(), fault } // (G2)
        }
        if (fault?.kind === 'lose-before') await pause(times.silenceMs)
        const arrives = fault?.kind !== 'lose-before' && ((await reachable(patienceMs)) || gate.is('stopped'))
        return { arrives: arrives && !gate.is('dead'), fault }
      }

      if (state.is === 'dead') return never()
      const way = onTheWay()
      underWay.add(way)
      const { arrives, fault } = await way
      underWay.delete(way)
      if (!arrives) return gate.is('dead') ? never() : lost(unavailable('it was lost on the way'))

      const doing = (async () => perform(fault))()
      // The outcome is looked at below, after waits in which a rejection would count as unhandled.
      doing.catch(() => {})
      await Promise.allSettled([doing])
      if (fault?.kind === 'crash-after') gate.crash()
      if (fault?.kind === 'lose-after') {
        await pause(times.silenceMs)
        return gate.is('dead') ? never() : lost(unavailable('its answer was lost'))
      }
      const answered = await reachable(patienceMs)
      if (gate.is('dead')) return never()
      return answered || gate.is('stopped')
        ? doing
        : lost(unavailable('the connection was lost before its answer'))
    },
    ask: (operation, target, perform) =>
      gate.call(operation, target, {
        perform,
        lost(cause) {
          throw cause
        },
        patienceMs: times.callTimeoutMs,
      }),
    async passes(delayMs, signal) {
      if (delayMs > 0) await pause(delayMs, signal)
      while (state.is === 'cut' && !signal?.aborted) {
        const ended = new Promise<void>((resolve) =>
          signal?.addEventListener('abort', () => resolve(), { once: true }),
        )
        await Promise.race([state.healed, ended])
      }
      return state.is === 'open' && !signal?.aborted
    },
    async shield(promise) {
      try {
        return await promise
      } finally {
        if (gate.is('dead')) await never()
      }
    },
    untilDeath: (promise) => Promise.race([promise, death]),
    cut(forMs) {
      if (state.is !== 'open') return
      note('cut')
      let healed = () => {}
      const healing = new Promise<void>((resolve) => {
        healed = resolve
      })
      become({ is: 'cut', healed: healing, heal: () => healed() })
      unbroken.abort()
      if (forMs !== undefined) void pause(forMs).then(() => gate.heal())
    },
    cutByPlan: () => gate.cut(times.cutMs),
    heal() {
      if (state.is !== 'cut') return
      const { heal } = state
      note('heal')
      unbroken = new AbortController()
      become({ is: 'open' })
      heal()
    },
    crash() {
      if (state.is === 'dead') return
      const before = state
      note('crash')
      become({ is: 'dead' })
      unbroken.abort()
      over.abort()
      died()
      if (before.is === 'cut') before.heal()
    },
    async close() {
      if (state.is === 'dead') return
      const before = state
      become({ is: 'stopped' })
      unbroken.abort()
      over.abort() // (G3)
      if (before.is === 'cut') before.heal()
      await gate.drained()
    },
    async drained() {
      while (underWay.size > 0) await Promise.allSettled(underWay)
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return gate
}
