/**
 * A run as it is, from what a subscription gives: a snapshot, then each change on top of it.
 *
 * Invariants
 * (F1) After the same items it is the same, however often the connection broke in between.
 * (F2) A gap's snapshot takes the place of runs and task runs; lines that were given before it are kept.
 * (F3) A state that has overtaken others counts as if each of them had been told.
 * (F4) From whatever moment on a run is followed, it is what the gateway says of it.
 */

import type {
  Artifact,
  FlowRun,
  LogLine,
  PassedState,
  RunEvent,
  RunStateChange,
  StateCounts,
  StateView,
  TaskRun,
  TaskStateChange,
} from '../api/index.ts'
import { enterRun, enterTaskRun, type FollowedRun, isOver, isSupersededBy } from './entering.ts'
import type { LiveItem } from './live/index.ts'

export interface RunFoldOptions {
  /** This many of the newest lines are kept. */
  readonly lines: number
}

export class RunFold {
  readonly #limit: number
  readonly #taskRuns = new Map<string, TaskRun>()
  readonly #artifacts: Artifact[] = []
  #lines: LogLine[] = []
  #run: FollowedRun | undefined
  /** Its code begins anew when it runs next, instead of going on. */
  #isDue = true

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
        break
      case 'event':
        this.#progressed(item.data)
    }
  }

  #runEntered({ created, overtook = [], ...change }: RunStateChange): void {
    if (created !== undefined) this.#begin(created)
    for (const { worker, ...state } of overtook)
      this.#runCame({ state: seen(state), ...(worker === undefined ? {} : { worker }) }) // (F3)
    this.#runCame(change)
    if (change.again === true) this.#supersede()
  }

  #runCame(change: RunStateChange): void {
    if (this.#run === undefined) return
    if (change.again === true) this.#isDue = true
    this.#run = enterRun(this.#run, change, this.#isDue)
    if (change.state.type === 'RUNNING') this.#isDue = false
  }

  #taskRunsEntered({ key, created, state, overtook = [] }: TaskStateChange): void {
    if (created !== undefined) this.#taskRuns.set(created.key, created)
    else if (key !== undefined)
      for (const one of [...overtook.map(seen), state]) this.#taskRunEntered(key, one) // (F3)
    else
      for (const [open, { state: now, superseded }] of this.#taskRuns)
        if (superseded !== true && !isOver(now)) this.#taskRunEntered(open, state)
  }

  #begin({ legalSignals: _, resuming, rev: __, ...run }: FlowRun): void {
    this.#run = run
    this.#isDue = resuming !== true && run.state.type !== 'RUNNING' // (F4)
  }

  #replace(snapshot: { readonly run: FlowRun; readonly taskRuns: readonly TaskRun[] } | undefined): void {
    if (snapshot === undefined) return
    this.#begin(snapshot.run)
    this.#taskRuns.clear()
    for (const taskRun of snapshot.taskRuns) this.#taskRuns.set(taskRun.key, taskRun)
  }

  #taskRunEntered(key: string, state: StateView): void {
    const before = this.#taskRuns.get(key)
    if (before !== undefined) this.#taskRuns.set(key, enterTaskRun(before, state))
  }

  #supersede(): void {
    for (const [key, taskRun] of this.#taskRuns)
      if (isSupersededBy(taskRun)) this.#taskRuns.set(key, { ...taskRun, superseded: true })
  }

  #progressed({ data, event, task }: RunEvent): void {
    if (event !== 'progress') return
    const taskRun = task === undefined ? undefined : this.#taskRuns.get(task)
    if (taskRun !== undefined) this.#taskRuns.set(taskRun.key, { ...taskRun, progress: data })
    else if (task === undefined && this.#run !== undefined) this.#run = { ...this.#run, progress: data }
  }
}

/** A state that was not told by itself; no more than this hangs on its circumstances. */
function seen({ name, reason, timestamp, type }: PassedState): StateView {
  return { type, name, timestamp, details: reason === undefined ? {} : { reason } }
}

function counted(taskRuns: Iterable<TaskRun>): StateCounts {
  const counts: StateCounts = {}
  for (const { state, superseded } of taskRuns)
    if (superseded !== true) counts[state.type] = (counts[state.type] ?? 0) + 1
  return counts
}
