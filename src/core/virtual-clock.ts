/**
 * A clock whose time only a driver moves: `advance` runs two days in a millisecond, `drive` runs until a
 * promise has settled. Everything that was armed is run by the driver, one function after another; between
 * two of them the promise chains they started come to rest. One chooser, one history.
 *
 * Invariants
 * (V1) Nothing armed here runs except inside `step`, `advance`, `runUntilIdle` or `drive`.
 * (V2) Deferred functions run before any timer; timers run in the order of their due times. The chooser
 *      decides only among what may run now: all deferred functions, or all timers due at one instant.
 * (V3) After each function all microtasks have run before the next is chosen (`settle`).
 * (V4) Monotonic time never goes back and is one line for all views; wall-clock time is a view's own.
 *
 * Only this file and `clock.ts` touch the platform's event loop.
 */

import type { Clock, Timer } from './clock.ts'
import { CallboardError } from './errors.ts'
import type { Random } from './random.ts'

/** One function that may run now. */
export interface Candidate {
  readonly kind: 'timer' | 'deferred'
  /** On the monotonic line, milliseconds. */
  readonly due: number
  /** The name of the view it was armed through. */
  readonly view: string
}

/** Picks the next of `candidates` (never empty, in the order they were armed): an index into them. */
export type Chooser = (candidates: readonly Candidate[]) => number

/** First armed, first run. */
export const inOrder: Chooser = () => 0

/** Any of them, as the random source says: one seed, one order. */
export function randomOrder(random: Random): Chooser {
  return (candidates) => Math.floor(random.next() * candidates.length)
}

/** One machine's sight of the time line. */
export interface ClockView extends Clock {
  readonly name: string
  /** Moves this view's wall clock by `ms`, forth or back, as a correction of the machine's clock does. */
  shift(ms: number): void
  /** Holds back everything armed through this view until `thaw`: its process is stopped, time goes on. */
  freeze(): void
  thaw(): void
  /** Drops everything armed through this view, now and later: its process is dead. */
  kill(): void
}

export interface ViewOptions {
  readonly name?: string
  /** How much this machine's wall clock is ahead of the clock's own. Milliseconds, default 0. */
  readonly offsetMs?: number
}

export interface VirtualClock extends ClockView {
  /** Another machine's clock on the same time line. */
  view(options?: ViewOptions): ClockView
  /** Lets every promise chain that can go on without this clock come to rest. */
  settle(): Promise<void>
  /** Runs the next function, moving time to it if needed. `false` when there is none. */
  step(): Promise<boolean>
  /** Runs everything due within the next `ms`, in order, and ends exactly there. */
  advance(ms: number): Promise<void>
  /**
   * Runs until nothing is armed but timers with `ref: false`. A part that re-arms itself for ever is stopped
   * after `withinMs` of virtual time (default one day): CB_E_BUG.
   */
  runUntilIdle(options?: { readonly withinMs?: number }): Promise<void>
  /**
   * Runs until `promise` has settled and hands on its outcome. CB_E_BUG when nothing is left to run before, or
   * `withinMs` of virtual time (default one day) have passed.
   */
  drive<T>(promise: Promise<T>, options?: { readonly withinMs?: number }): Promise<T>
  /** How many functions are armed. */
  readonly armed: number
}

export interface VirtualClockOptions {
  /** Wall-clock time at the beginning. Default: 2026-01-01T00:00:00Z. */
  readonly startMs?: number
  /** Default `inOrder`. */
  readonly choose?: Chooser
}

type ViewState = { is: 'running' | 'frozen' | 'dead' }

interface Task extends Candidate {
  readonly seq: number
  readonly ref: boolean
  readonly owner: ViewState
  readonly fn: () => void
}

const DEFAULT_START_MS = 1_767_225_600_000
const ONE_DAY_MS = 86_400_000

/** A turn of the real event loop: when it comes, every microtask before it has run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  const startMs = options.startMs ?? DEFAULT_START_MS
  const choose = options.choose ?? inOrder
  /** Sorted by due time, then by the order of arming. Deferred functions have no due time: they stand apart. */
  const timers: Task[] = []
  const deferred: Task[] = []
  let elapsed = 0
  let armedSoFar = 0
  let views = 0
  let driving = false

  /** The place of a timer in `timers`, or where it belongs. */
  function placeOf(due: number, seq: number): number {
    let low = 0
    let high = timers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = timers[middle]
      if (other && (other.due < due || (other.due === due && other.seq < seq))) low = middle + 1
      else high = middle
    }
    return low
  }

  function remove(from: Task[], index: number, task: Task): void {
    if (from[index] === task) from.splice(index, 1)
  }

  function makeView({ name = `view-${views}`, offsetMs = 0 }: ViewOptions = {}): ClockView {
    views++
    const owner: ViewState = { is: 'running' }
    let offset = offsetMs
    return {
      name,
      now: () => startMs + elapsed + offset,
      monotonic: () => elapsed,
      busy: () => 0,
      setTimer(delayMs, fn, timerOptions): Timer {
        if (!Number.isFinite(delayMs))
          throw new CallboardError(
            'CB_E_BUG',
            `A timer was armed with a delay of ${delayMs}; it must be finite.`,
          )
        const due = elapsed + Math.max(0, delayMs)
        const seq = armedSoFar++
        const task: Task = {
          kind: 'timer',
          due,
          view: name,
          seq,
          ref: timerOptions?.ref !== false,
          owner,
          fn,
        }
        if (owner.is !== 'dead') timers.splice(placeOf(due, seq), 0, task)
        return { cancel: () => remove(timers, placeOf(due, seq), task) }
      },
      defer(fn) {
        const task: Task = {
          kind: 'deferred',
          due: elapsed,
          view: name,
          seq: armedSoFar++,
          ref: true,
          owner,
          fn,
        }
        if (owner.is !== 'dead') deferred.push(task)
      },
      shift(ms) {
        offset += ms
      },
      freeze() {
        if (owner.is === 'running') owner.is = 'frozen'
      },
      thaw() {
        if (owner.is === 'frozen') owner.is = 'running'
      },
      kill() {
        owner.is = 'dead'
        for (const list of [timers, deferred])
          for (let i = list.length - 1; i >= 0; i--) if (list[i]?.owner === owner) list.splice(i, 1)
      },
    }
  }

  /** What may run next (V2): due now, or at the nearest instant not after `limit`. */
  function candidates(limit: number, countUnref: boolean): readonly Task[] {
    const now = deferred.filter((task) => task.owner.is === 'running')
    if (now.length > 0) return now
    if (!countUnref && !timers.some((task) => task.ref && task.owner.is === 'running')) return []
    const ready: Task[] = []
    // A thawed view's timers are overdue: all of those are due at the same instant, now.
    let instant = limit
    for (const task of timers) {
      if (task.due > instant) break
      if (task.owner.is !== 'running') continue
      if (ready.length === 0) instant = Math.max(task.due, elapsed)
      ready.push(task)
    }
    return ready
  }

  /** Runs one function and lets what it started come to rest (V3). */
  async function runOne(limit: number, countUnref = true): Promise<boolean> {
    const ready = candidates(limit, countUnref)
    if (ready.length === 0) return false
    const task = ready[choose(ready)]
    if (!task) throw new CallboardError('CB_E_BUG', `The chooser picked none of ${ready.length} candidates.`)
    elapsed = Math.max(elapsed, task.due)
    const list = task.kind === 'timer' ? timers : deferred
    list.splice(list.indexOf(task), 1)
    task.fn()
    await turn()
    return true
  }

  /** One driver at a time: two would make the order depend on the platform's. */
  async function exclusively<T>(run: () => Promise<T>): Promise<T> {
    if (driving)
      throw new CallboardError('CB_E_BUG', 'The virtual clock is being driven already; await the first call.')
    driving = true
    try {
      await turn()
      return await run()
    } finally {
      driving = false
    }
  }

  const own = makeView({ name: 'clock' })
  return {
    ...own,
    view: makeView,
    settle: turn,
    step: () => exclusively(() => runOne(Number.POSITIVE_INFINITY)),
    advance: (ms) =>
      exclusively(async () => {
        const end = elapsed + ms
        while (await runOne(end));
        elapsed = end
      }),
    runUntilIdle: ({ withinMs = ONE_DAY_MS } = {}) =>
      exclusively(async () => {
        const limit = elapsed + withinMs
        while (await runOne(limit, false));
        const busy = candidates(Number.POSITIVE_INFINITY, false)[0]
        if (busy) throw new CallboardError('CB_E_BUG', `Still not idle after ${withinMs} ms of virtual time.`)
      }),
    drive(promise, { withinMs = ONE_DAY_MS } = {}) {
      let settled = false
      const done = () => {
        settled = true
      }
      // At once, before the first turn: a rejection that nobody listens to yet would count as unhandled.
      promise.then(done, done)
      return exclusively(async () => {
        const limit = elapsed + withinMs
        while (!settled) {
          if (await runOne(limit)) continue
          throw new CallboardError(
            'CB_E_BUG',
            timers.length > 0
              ? `The promise did not settle within ${withinMs} ms of virtual time.`
              : 'The promise cannot settle: nothing is armed any more, so nobody is left to settle it.',
          )
        }
        return promise
      })
    },
    get armed() {
      return timers.length + deferred.length
    },
  }
}
