/**
 * States as user code sees them: what a task or flow ended in, or may return to say what it is to end in.
 *
 * ```ts
 * const state = await fetchWeather.withState(52.5, 13.4)
 * if (state.isFailed()) return skipped('no weather today')
 * ```
 */

import type { StateType } from '../actors/index.ts'
import { CallboardError } from '../core/index.ts'
import { anyText, checkOptions } from './check-options.ts'

export interface StateOptions {
  /** A name of its own; its type still drives every rule. */
  readonly name?: string
  readonly message?: string
}

/** What is undefined is as if it were not there. */
export interface StateFields<T> {
  readonly type: StateType
  readonly name?: string | undefined
  readonly message?: string | undefined
  /** When it was entered; a number is in ms since the epoch. */
  readonly timestamp: Date | number
  readonly data?: T | undefined
  /** What it failed with. */
  readonly error?: unknown
  /** Id of the run that is in this state; undefined when user code made it. */
  readonly run?: string | undefined
}

/** What `toString` and `data` say for a type that was given no name. */
const DEFAULT_NAMES: Readonly<Record<StateType, string>> = {
  SCHEDULED: 'Scheduled',
  PENDING: 'Pending',
  RUNNING: 'Running',
  PAUSED: 'Paused',
  CANCELLING: 'Cancelling',
  COMPLETED: 'Completed',
  FAILED: 'Failed',
  CRASHED: 'Crashed',
  CANCELLED: 'Cancelled',
}

const WORDS = { name: anyText, message: anyText }

export class State<out T = unknown> {
  readonly type: StateType
  readonly name: string
  readonly message: string | undefined
  readonly #at: number
  /** The result; undefined unless it completed, or was made with data. */
  readonly data: T | undefined
  /** What it failed with; undefined unless it did. Of what completed: why its result is not there. */
  readonly error: unknown
  /** Id of the task run or flow run; undefined for a state that user code made. */
  readonly run: string | undefined

  constructor({ type, name, message, timestamp, data, error, run }: StateFields<T>) {
    checkOptions('a state', { name, message }, WORDS)
    this.type = type
    this.name = name ?? DEFAULT_NAMES[type]
    this.message = message
    this.#at = Number(timestamp)
    this.data = data
    this.error = error
    this.run = run
  }

  get timestamp(): Date {
    return new Date(this.#at)
  }

  isCompleted(): boolean {
    return this.type === 'COMPLETED'
  }

  isFailed(): boolean {
    return this.type === 'FAILED'
  }

  isCrashed(): boolean {
    return this.type === 'CRASHED'
  }

  isCancelled(): boolean {
    return this.type === 'CANCELLED'
  }

  isPaused(): boolean {
    return this.type === 'PAUSED'
  }

  /** Whether it will never change again. */
  isFinal(): boolean {
    return (
      this.isCompleted() ||
      this.isFailed() ||
      this.isCrashed() ||
      this.isCancelled() ||
      this.name === 'NotReady'
    )
  }

  /**
   * The result of what completed. Of anything else: throws what it failed with, `CancelledRun`, `CrashedRun` or
   * `FailedRun`; with `raiseOnFailure: false` gives that as a value.
   */
  result(options?: { readonly raiseOnFailure?: true }): T
  result(options: { readonly raiseOnFailure: boolean }): T | Error
  result({ raiseOnFailure = true }: { readonly raiseOnFailure?: boolean } = {}): T | Error {
    if (this.isCompleted() && this.error === undefined) return this.data as T
    const error = errorOfState(this)
    if (raiseOnFailure) throw error
    return error instanceof Error ? error : new Error(String(error))
  }

  /** `Completed()`, `Cached(type=COMPLETED)`, `Failed('no weather today')`. */
  toString(): string {
    const said = this.message ? [`'${this.message}'`] : []
    const type = this.name.toUpperCase() === this.type ? [] : [`type=${this.type}`]
    return `${this.name}(${[...said, ...type].join(', ')})`
  }
}

/** What to throw for a state that did not complete: what its code threw, when it did. */
function errorOfState(state: State): unknown {
  if (state.error !== undefined) return state.error
  switch (state.type) {
    case 'CANCELLED':
    case 'CANCELLING':
      return new CancelledRun(state.message ?? 'Run cancelled.')
    case 'CRASHED':
      return new CrashedRun(state.message ?? 'Run crashed.')
    case 'PENDING':
      return new CallboardError('CB_E_TASK_NOT_READY', state.message ?? 'An upstream run did not complete.')
    default:
      return new FailedRun(state.message ?? 'Run failed.')
  }
}

/**
 * A run that was cancelled has no result. `instanceof` knows it by its code, also after it was stored in a log.
 */
export class CancelledRun extends CallboardError {
  constructor(message = 'Run cancelled.') {
    super('CB_E_RUN_CANCELLED', message)
  }
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasCode(value, 'CB_E_RUN_CANCELLED')
  }
}

/** The infrastructure of the run was lost, or ended it. */
export class CrashedRun extends CallboardError {
  constructor(message = 'Run crashed.') {
    super('CB_E_RUN_CRASHED', message)
  }
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasCode(value, 'CB_E_RUN_CRASHED')
  }
}

/** The run failed without an error of its own to throw. */
export class FailedRun extends CallboardError {
  constructor(message = 'Run failed.') {
    super('CB_E_RUN_FAILED', message)
  }
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasCode(value, 'CB_E_RUN_FAILED')
  }
}

/** Something that belongs to a run was used outside of one. */
export class MissingContextError extends CallboardError {
  constructor(message: string) {
    super('CB_E_CONTEXT_MISSING', message)
  }
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasCode(value, 'CB_E_CONTEXT_MISSING')
  }
}

function hasCode(value: unknown, code: string): boolean {
  return value instanceof Error && 'code' in value && value.code === code
}
