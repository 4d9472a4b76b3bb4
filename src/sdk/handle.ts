/** A run, seen from outside of it. */

import type { Answer, Sender } from '../actors/index.ts'
import type { DurationInput, LogLevel } from '../core/index.ts'
import type { State } from './state.ts'

export interface StartOptions {
  /** What the run is called. Default: two words. */
  readonly name?: string
  readonly tags?: readonly string[]
  /** Of this flow: another start with the same key is the same run, for 30 days. */
  readonly idempotencyKey?: string
  /** When it is to start. Default: now. */
  readonly scheduledTime?: Date
}

export interface HandleResultOptions {
  /** Gives up after this: CB_E_TIMEOUT; the run goes on. Seconds, or as a text; default: never. */
  readonly timeout?: DurationInput
}

/** One line of a run's log. */
export interface LogLine {
  readonly time: Date
  readonly level: LogLevel
  readonly message: string
  /** Identity of the task run that said it; undefined for the flow's own. */
  readonly task: string | undefined
}

/** One state that a run was in. */
export interface RunEvent {
  readonly time: Date
  /** `flow`, or the identity of the task run. */
  readonly of: string
  readonly type: string
  readonly name: string
  readonly message: string | undefined
}

export interface SignalOptions {
  /** The same key twice is one signal. Default: a fresh one. */
  readonly key?: string
  readonly message?: string
  /** Who sends it; stands in the run's log. Default: the channel `code`. */
  readonly by?: Sender
}

export interface FlowRunHandle<out R = unknown> {
  readonly id: string
  /** What the run is called. */
  name(): Promise<string>
  /** How it is now. */
  state(): Promise<State<R>>
  /** Waits for its end and gives the result; throws as a call of the flow does. */
  result(options?: HandleResultOptions): Promise<R>
  /** Waits for its end and gives the state. */
  wait(options?: HandleResultOptions): Promise<State<R>>
  /** What its code has logged so far, then what it logs, until it ends. */
  logs(): AsyncGenerator<LogLine, void>
  /** Every state it and its task runs were in so far, then those that come, until it ends. */
  events(): AsyncGenerator<RunEvent, void>
  /** @throws CB_E_SIGNAL_REJECTED when the run does not take it now */
  pause(options?: SignalOptions): Promise<Answer>
  resume(input?: unknown, options?: SignalOptions): Promise<Answer>
  cancel(options?: SignalOptions & { readonly graceSeconds?: DurationInput }): Promise<Answer>
  retry(options?: SignalOptions): Promise<Answer>
  /** A named signal for `waitForSignal`. */
  signal(name: string, payload?: unknown, options?: SignalOptions): Promise<Answer>
}
