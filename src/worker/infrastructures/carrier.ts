/**
 * What a run's code is carried by: a thread, a child process; later a container, or a job of a cluster. A carrier moves
 * texts to and from the code, hands on what it prints, and can be asked to stop or be ended by force. It knows nothing of
 * runs: that is `remote-code.ts`, the same for all of them.
 *
 * Invariants
 * (A1) Messages and output reach the events in the order in which the code wrote each of them; `exited` comes last, once,
 *      with everything that was written before it handed on.
 * (A2) After `exited`, and after a `kill` that answered `gone`, nothing that the carrier held can act any more.
 * (A3) `kill` answers within two seconds: a cancelled run has its grace and little more.
 */

import type { RunStart } from '../../actors/index.ts'
import type { JsonObject } from '../../core/index.ts'

/** Where the code of a run is, and what it needs. */
export interface CodePlan {
  /** The folder that the entry point is relative to; also the working directory of a process. */
  readonly path: string
  /** `file.ts:export`; without an export, the default one. */
  readonly entrypoint: string
  /** Variables over those of the worker. */
  readonly env?: Readonly<Record<string, string>>
  /** The most that the code's JavaScript heap may take, MiB. Default: what Node takes. */
  readonly memoryMb?: number
}

/** Finds the code of a run. What it throws ends the run Crashed. */
export type CodeOf = (start: RunStart) => Promise<CodePlan>

/** How a carrier ended. */
export type Exit =
  | { readonly is: 'code'; readonly code: number }
  | { readonly is: 'signal'; readonly signal: string }
  /** It was ended by something thrown, or could not go on. */
  | { readonly is: 'error'; readonly error: unknown }

export type OutputStream = 'stdout' | 'stderr'

export interface CarrierEvents {
  message(text: string): void
  /** Bytes that did not go through the code's own `process.stdout`: of programs that it started, of Node itself. */
  output(stream: OutputStream, bytes: Uint8Array): void
  exited(exit: Exit): void
}

export interface Carrier {
  /** Never throws; what comes after the end goes nowhere. */
  send(text: string): void
  /** Asks everything in it to stop, besides the message that the code gets. */
  stop(): void
  /** Ends it by force. */
  kill(): Promise<'gone' | 'abandoned'>
  /** Where the code runs, for people. */
  describe(): JsonObject
}

export interface Infrastructure {
  readonly kind: 'thread' | 'process'
  /** Brings up a carrier whose code waits for its first message. */
  start(plan: CodePlan, events: CarrierEvents): Promise<Carrier>
}

/** (A3) */
export const KILL_MS = 2_000
