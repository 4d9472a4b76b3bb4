/**
 * What stands in a run's log. An entry is a batch of records; the first one is always the head.
 *
 * Invariants
 * (R1) The records of a run, folded in order through the charts, are the run. Nothing else is.
 * (R2) A record of a transition carries the event that was accepted, the state it led to and the effects it
 *      asks for. `fold` applies the event and compares the state; effects are for whoever holds the partition.
 * (R3) An effect is known by `<run>/<rev>/<index of the record>/<index of the effect>`, which is also the id of
 *      whatever is published for it: performing it twice is harmless.
 * (R4) Everything here is a stored format, with a version in the head.
 */

import type { JsonObject, JsonValue } from '../core/index.ts'
import type {
  FlowEvent,
  FlowPolicy,
  FlowTimer,
  InputRequest,
  Sender,
  Target,
  TaskEvent,
  TaskPolicy,
  TaskTimer,
  ValueRef,
} from './events.ts'
import type { StateTag } from './states.ts'

/** Version of the record format and of the charts. */
export const RECORD_VERSION = 1

export type Effect =
  /** The run wants a worker now. */
  | { readonly do: 'enqueue'; readonly target: Target }
  /** Call back with `TIMER.<name>` and this token at `due`. `task`: for that task run. Replaces one of the same name. */
  | {
      readonly do: 'arm'
      readonly timer: FlowTimer | TaskTimer
      readonly due: number
      readonly token: number
      readonly task?: string
    }
  | { readonly do: 'disarm'; readonly timer: FlowTimer | TaskTimer; readonly task?: string }
  /** Give back whatever slots the run (or that task run) holds or waits for. */
  | { readonly do: 'release-slots'; readonly task?: string }
  /** Pass a signal on to every child run that is not terminal. */
  | { readonly do: 'tell-children'; readonly signal: 'pause' | 'suspend' | 'resume' | 'cancel' }
  /** The run has ended: its parent, if any, wants to know. */
  | { readonly do: 'tell-parent' }
  /** The run's code must be told at once, if a host has it: state changed from outside. */
  | { readonly do: 'nudge-host' }

/** The first record of every entry. */
export interface HeadRecord {
  readonly k: 'head'
  readonly v: number
  /** Revision that the newest snapshot before this entry covers; 0 for none. */
  readonly snap: number
  /** Epoch of the host that wrote it; absent when it was not written by the host. */
  readonly epoch?: number
}

/** The first transition of a run: it exists. */
export interface CreatedRecord {
  readonly k: 'created'
  readonly at: number
  readonly s: StateTag
  readonly flow: string
  readonly flowVersion?: string
  readonly name: string
  readonly parameters: ValueRef
  readonly tags: readonly string[]
  readonly scheduledTime: number
  readonly policy: FlowPolicy
  readonly idempotencyKey?: string
  readonly deployment?: string
  /** The run that called this one, and the key it knows it by. */
  readonly parent?: { readonly run: string; readonly key: string }
  readonly root?: string
  readonly by: Sender
  readonly fx: readonly Effect[]
}

export interface FlowRecord {
  readonly k: 'flow'
  readonly e: FlowEvent
  readonly s: StateTag
  readonly fx?: readonly Effect[]
  /** Idempotency key of the signal that this answers. */
  readonly key?: string
}

/** A task run exists: it was called under this identity (task key and counter, `fetch-weather-0`). */
export interface TaskCreatedRecord {
  readonly k: 'task+'
  readonly id: string
  readonly at: number
  readonly task: string
  readonly policy: TaskPolicy
  /** Hash of the inputs: a replay that calls with others is a mismatch. */
  readonly inputs?: string
  /** Identities of the task runs whose results went in. */
  readonly upstream?: readonly string[]
  readonly name?: string
  readonly tags?: readonly string[]
}

export interface TaskRecord {
  readonly k: 'task'
  readonly id: string
  readonly e: TaskEvent
  readonly s: StateTag
  readonly fx?: readonly Effect[]
}

/**
 * Every task run that was not terminal took this event: the run has ended under them. One record however many they
 * are, so that it stands in one entry with the end of the run.
 */
export interface TasksRecord {
  readonly k: 'tasks'
  readonly e: TaskEvent
  readonly s: StateTag
  /** How many they were. */
  readonly count: number
}

/** The code began to wait: a pause, a sleep or a named signal, under its own identity (`sleep-0`). */
export interface WaitRecord {
  readonly k: 'wait'
  readonly id: string
  readonly at: number
  readonly kind: 'pause' | 'suspend' | 'sleep' | 'signal'
  readonly until: number | null
  readonly signal?: string
  readonly input?: InputRequest
}

export type WaitOutcome =
  | { readonly is: 'done'; readonly value?: ValueRef; readonly by?: Sender }
  | { readonly is: 'expired' }

/** A wait has its answer: a replay gets the same one. */
export interface WaitDoneRecord {
  readonly k: 'wait-'
  readonly id: string
  readonly at: number
  readonly outcome: WaitOutcome
}

/** A child run was started under this identity; written before the child's own log begins. */
export interface ChildRecord {
  readonly k: 'child'
  readonly id: string
  readonly at: number
  readonly run: string
  readonly flow: string
}

/** A recorded value: what `now()`, `random()`, `uuid()` gave. */
export interface ValueRecord {
  readonly k: 'value'
  readonly id: string
  readonly v: JsonValue
}

/** Anything for people that belongs to the run: artifacts and progress. Not part of any decision. */
export interface NoteRecord {
  readonly k: 'note'
  readonly at: number
  readonly kind: string
  readonly task?: string
  readonly data: JsonObject
}

/** An event that made a guard or an assignment throw: kept for the person who has to find out why. */
export interface PoisonRecord {
  readonly k: 'poison'
  readonly at: number
  readonly task?: string
  readonly event: JsonValue
  readonly error: string
}

/** The fold of everything up to and including revision `rev`, kept in the object store. In an entry after it. */
export interface SnapshotRecord {
  readonly k: 'snapshot'
  readonly rev: number
  readonly object: string
  readonly bytes: number
}

/** The run is archived. */
export interface TombstoneRecord {
  readonly k: 'tombstone'
  readonly at: number
  readonly s: StateTag
  readonly by: Sender
}

export type RunRecord =
  | HeadRecord
  | CreatedRecord
  | FlowRecord
  | TaskCreatedRecord
  | TaskRecord
  | TasksRecord
  | WaitRecord
  | WaitDoneRecord
  | ChildRecord
  | ValueRecord
  | NoteRecord
  | PoisonRecord
  | SnapshotRecord
  | TombstoneRecord
