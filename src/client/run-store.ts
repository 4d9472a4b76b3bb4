/**
 * A run for a user interface: `subscribe` and `getSnapshot`, as React's `useSyncExternalStore` and others take them.
 *
 * Invariants
 * (T1) What `getSnapshot` gives changes only when something has changed, and is a new object then.
 * (T2) It follows the run while somebody is subscribed, and goes on where it was when somebody subscribes again.
 * (T3) However fast the run is, those who are subscribed are told once per `everyMs`.
 */

import type { Artifact, LogLevel, LogLine, TaskRun } from '../api/index.ts'
import { type FollowedRun, isOver } from './entering.ts'
import type { LiveItem, Reader, SubscribeOptions } from './live/index.ts'
import type { Platform } from './platform.ts'
import { RunFold } from './run-fold.ts'

export interface RunStoreOptions {
  /** This many of the newest lines are kept. Default 1000. */
  readonly lines?: number
  /** Lines as important as this, or more. Default: all. */
  readonly level?: LogLevel
  /** (T3) Default 16: once per frame of a screen. */
  readonly everyMs?: number
}

export interface RunView {
  /** `waiting`: nothing is known yet. `failed`: it cannot be followed, see `error`. */
  readonly status: 'waiting' | 'following' | 'ended' | 'failed'
  readonly run: FollowedRun | undefined
  readonly taskRuns: readonly TaskRun[]
  readonly lines: readonly LogLine[]
  readonly artifacts: readonly Artifact[]
  /** How often something could not be given; what holds after it is here all the same. */
  readonly gaps: number
  readonly error: unknown
}

type Watch = (options: SubscribeOptions) => Reader<LiveItem>

export class RunStore {
  readonly #watch: Watch
  readonly #platform: Pick<Platform, 'setTimer'>
  readonly #everyMs: number
  readonly #level: LogLevel | undefined
  readonly #fold: RunFold
  readonly #listeners = new Set<() => void>()
  #reader: Reader<LiveItem> | undefined
  #cursor: string | undefined
  #status: RunView['status'] = 'waiting'
  #error: unknown
  #gaps = 0
  #view: RunView | undefined
  #isTelling = false

  constructor(watch: Watch, platform: Pick<Platform, 'setTimer'>, options: RunStoreOptions = {}) {
    this.#watch = watch
    this.#platform = platform
    this.#everyMs = options.everyMs ?? 16
    this.#level = options.level
    this.#fold = new RunFold({ lines: options.lines ?? 1_000 })
  }

  /** Calls `listener` after each change; what it gives ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    const own = () => listener()
    this.#listeners.add(own)
    if (this.#reader === undefined && this.#status !== 'ended') void this.#follow()
    return () => {
      this.#listeners.delete(own)
      if (this.#listeners.size === 0) this.#stop() // (T2)
    }
  }

  readonly getSnapshot = (): RunView => {
    this.#view ??= this.#look() // (T1)
    return this.#view
  }

  #look(): RunView {
    const { run, taskRuns, lines, artifacts } = this.#fold
    return { status: this.#status, run, taskRuns, lines, artifacts, gaps: this.#gaps, error: this.#error }
  }

  async #follow(): Promise<void> {
    const reader = this.#watch({
      after: this.#cursor ?? 'start',
      ...(this.#level === undefined ? {} : { level: this.#level }),
    })
    this.#reader = reader
    try {
      for await (const item of reader) {
        this.#fold.apply(item)
        this.#cursor = item.kind === 'gap' ? item.to : item.cursor
        this.#status = 'following'
        if (item.kind === 'gap') this.#gaps++
        this.#changed()
      }
      const { run } = this.#fold
      if (this.#reader === reader && run !== undefined && isOver(run.state)) this.#status = 'ended'
    } catch (error) {
      this.#status = 'failed'
      this.#error = error
    }
    if (this.#reader === reader) this.#reader = undefined
    this.#changed()
  }

  #stop(): void {
    const reader = this.#reader
    this.#reader = undefined
    void reader?.return()
  }

  /** (T3) */
  #changed(): void {
    this.#view = undefined
    if (this.#isTelling) return
    this.#isTelling = true
    this.#platform.setTimer(this.#everyMs, () => {
      this.#isTelling = false
      for (const listener of this.#listeners) listener()
    })
  }
}
