/**
 * A run as it is, from what a subscription gives: a snapshot, then each change on top of it.
 *
 * Invariants
 * (F1) After the same items it is the same, however often the connection broke in between.
 * (F2) A gap's snapshot takes the place of runs and task runs; lines that were given before it are kept.
 * (F3) A state that has overtaken others counts as if each of them had been told.
 */

import type {
  Artifact,
  FlowRun,
  LogLine,
  PassedState,
  RunStateChange,
  StateCounts,
  StateType,
  StateView,
  TaskRun,
  TaskStateChange,
} from '../api/index.ts'
import type { LiveItem } from './live/index.ts'

/** A run as changes keep it; what only the gateway can tell is left out. */
export type FollowedRun = Omit<FlowRun, 'legalSignals' | 'rev'>

export interface RunFoldOptions {
  /** This many of the newest lines are kept. */
  readonly lines: number
}

type Timed = Pick<TaskRun, 'state' | 'startTime' | 'endTime' | 'runCount' | 'totalRunMs'>

export class RunFold {
  readonly #limit: number
  readonly #taskRuns = new Map<string, TaskRun>()
  readonly #artifacts: Artifact[] = []
  #lines: LogLine[] = []
  #run: FollowedRun | undefined

  constructor({ lines }: RunFoldOptions) {
    this.#limit = lines
  }

  get run(): FollowedRun | undefined {
    return this.#run && { ...this.#run, taskRuns: counted(this.#taskRuns.values()) }
  }

  /** In the order in which they were called. */
  get taskRuns(): readonly TaskRun[] {
    return [...this.#taskRuns.values()]
  }

  /** The newest lines, the oldest of them first. */
  get lines(): readonly LogLine[] {
    return this.#lines.slice(-this.#limit)
  }

  get artifacts(): readonly Artifact[] {
    return [...this.#artifacts]
  }

  apply(item: LiveItem): void {
    switch (item.kind) {
      case 'snapshot':
      case 'gap':
        this.#replace(item.snapshot) // (F2)
        break
      case 'state':
        this.#runEntered(item.data)
        break
      case 'task':
        this.#taskRunsEntered(item.data)
        break
      case 'log':
        this.#lines.push(item.data)
        // Cut rarely, so that a line costs the same however many there were.
        if (this.#lines.length > 2 * this.#limit) this.#lines = this.#lines.slice(-this.#limit)
        break
      case 'artifact':
        this.#artifacts.push(item.data)
    }
  }

  #runEntered({ created, state, again, worker, overtook = [] }: RunStateChange): void {
    if (created !== undefined) this.#run = followed(created)
    for (const passed of overtook) this.#runCame(seen(passed), passed.worker) // (F3)
    this.#runCame(state, worker)
    if (again === true) this.#superseded()
  }

  #runCame(state: StateView, worker: string | undefined): void {
    if (this.#run === undefined) return
    const { worker: lastHost, ...run } = this.#run
    const host = isOver(state) ? undefined : (worker ?? lastHost)
    this.#run = { ...entered(run, state), ...(host === undefined ? {} : { worker: host }) }
  }

  #taskRunsEntered({ key, created, state, overtook = [] }: TaskStateChange): void {
    if (created !== undefined) this.#taskRuns.set(created.key, created)
    else if (key !== undefined)
      for (const one of [...overtook.map(seen), state]) this.#taskRunEntered(key, one) // (F3)
    else
      for (const [open, { state: now }] of this.#taskRuns) if (!isOver(now)) this.#taskRunEntered(open, state)
  }

  #replace(snapshot: { readonly run: FlowRun; readonly taskRuns: readonly TaskRun[] } | undefined): void {
    if (snapshot === undefined) return
    this.#run = followed(snapshot.run)
    this.#taskRuns.clear()
    for (const taskRun of snapshot.taskRuns) this.#taskRuns.set(taskRun.key, taskRun)
  }

  #taskRunEntered(key: string, state: StateView): void {
    const before = this.#taskRuns.get(key)
    if (before !== undefined) this.#taskRuns.set(key, entered(before, state))
  }

  #superseded(): void {
    for (const [key, taskRun] of this.#taskRuns)
      if (taskRun.state.type !== 'COMPLETED') this.#taskRuns.set(key, { ...taskRun, superseded: true })
  }
}

function followed({ legalSignals: _, rev: __, ...run }: FlowRun): FollowedRun {
  return run
}

/** A state that was not told by itself; nothing hangs on its circumstances. */
function seen({ name, timestamp, type }: PassedState): StateView {
  return { type, name, timestamp, details: {} }
}

/** With its new state, and the times and counts that follow from it. */
function entered<T extends Timed>(before: T, state: StateView): T {
  const at = state.timestamp
  const wasRunning = before.state.type === 'RUNNING'
  const begins = state.type === 'RUNNING' && !wasRunning
  const spent = wasRunning ? Math.max(0, Date.parse(at) - Date.parse(before.state.timestamp)) : 0
  const { endTime: _, ...rest } = before
  return {
    ...rest,
    state,
    runCount: before.runCount + (begins ? 1 : 0),
    totalRunMs: before.totalRunMs + spent,
    ...(begins && before.startTime === undefined ? { startTime: at } : {}),
    ...(isOver(state) ? { endTime: at } : {}),
  } as T
}

function counted(taskRuns: Iterable<TaskRun>): StateCounts {
  const counts: StateCounts = {}
  for (const { state, superseded } of taskRuns)
    if (superseded !== true) counts[state.type] = (counts[state.type] ?? 0) + 1
  return counts
}

const OVER: readonly StateType[] = ['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED']

/** Whether a run in this state will never move again by itself. */
export function isOver({ type, name }: Pick<StateView, 'type' | 'name'>): boolean {
  return OVER.includes(type) || name === 'NotReady'
}
