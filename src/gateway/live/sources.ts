/** What the live room lives on. The gateway gives it; the room itself keeps nothing that could not be thrown away. */

import type {
  FlowRun,
  LiveKind,
  LogLevel,
  RunSnapshot,
  StateName,
  Worker,
  WorkerChange,
} from '../../api/index.ts'
import type { Cursor, Entry, Log, Rev } from '../../broker/index.ts'
import type { Feed } from '../feed.ts'
import type { Happening } from '../read-model/index.ts'

/** What a filter asks about a run that does not change while it lives. */
export type RunFacts = Pick<
  FlowRun,
  'id' | 'flow' | 'name' | 'tags' | 'deployment' | 'parent' | 'root' | 'queue' | 'expectedStartTime'
>

/** A run at one position of the log. */
export interface RunPicture {
  readonly snapshot: RunSnapshot
  /** Everything of the run up to here is in the snapshot, and nothing after it. */
  readonly rev: Rev
  readonly cursor: Cursor
}

/** What is known of runs without opening their logs. It may lag behind the log. */
export interface RunDirectory {
  /** Undefined when it knows of no such run. */
  facts(run: string): RunFacts | undefined
  /** Everything that was in the log when it began to read is known. */
  readonly isCaughtUp: boolean
  /** The state it knows of, and the revision it is of. */
  head(run: string): { readonly rev: Rev; readonly state: StateName } | undefined
  /** Whether a run or a task run is in a state of this name; `true` while that cannot be known yet. */
  hasState(name: string): boolean
  /** Not older than revision `atLeast`; undefined when it cannot be had in time. */
  picture(run: string, atLeast: Rev): Promise<RunPicture | undefined>
}

/** The workers that are alive. */
export interface WorkerDirectory {
  all(): readonly Worker[]
  /** Returns what ends that. */
  onChange(listener: (change: WorkerChange) => void): () => void
}

export interface LiveSources {
  readonly log: Pick<Log, 'compare' | 'end' | 'follow' | 'last' | 'read'>
  readonly feed: Pick<Feed, 'listen' | 'position'>
  readonly runs: RunDirectory
  readonly workers: WorkerDirectory
  /** What an entry says, in order. Always the same for the same entry. */
  eventsOf(entry: Entry): readonly Happening[]
}

/** What of a subscription's events is wanted. */
export interface Wants {
  readonly kinds: ReadonlySet<LiveKind> | undefined
  readonly level: LogLevel | undefined
}
