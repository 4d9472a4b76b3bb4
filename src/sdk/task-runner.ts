/**
 * What submitted tasks pass through: all at once, so many at a time, one after another in the order they were submitted, or
 * to other processes. What a task's body itself submits passes by: it must not wait for the place that its own task holds.
 */

import { CallboardError } from '../core/index.ts'

export interface TaskRunner {
  readonly kind: 'concurrent' | 'sequential' | 'distributed'
  /** How many bodies at a time. */
  readonly max: number
  /** Where bodies run; undefined for here. */
  readonly elsewhere?: Elsewhere
}

/** Where bodies of tasks wait for whoever runs them. */
export interface Elsewhere {
  /** Of task servers: a name that several tasks share. Of a pool: one of its work queues. Default: one of each task's own. */
  readonly queue?: string
  /** A work pool, whose workers have the flow's code. Default: none, task servers run them. */
  readonly pool?: string
}

/** Runs submitted tasks one after another, in the order of `submit`. */
export function sequential(): TaskRunner {
  return { kind: 'sequential', max: 1 }
}

/** Runs submitted tasks concurrently, `max` at a time (default: no limit). */
export function concurrent(options: { readonly max?: number } = {}): TaskRunner {
  return { kind: 'concurrent', max: maxOf('concurrent()', options.max) }
}

/**
 * Runs submitted tasks in other processes: those that serve them (`serveTasks`, `callboard task serve`), or the workers of a
 * pool. `max` at a time (default: no limit). What they are called with and what they return must be storable.
 *
 * ```ts
 * flow({ name: 'thumbnails', taskRunner: distributed({ queue: 'images' }) }, async (files: string[]) => resize.map(files))
 * ```
 */
export function distributed(options: Elsewhere & { readonly max?: number } = {}): TaskRunner {
  const { max, ...elsewhere } = options
  return { kind: 'distributed', max: maxOf('distributed()', max), elsewhere }
}

function maxOf(what: string, max = Number.POSITIVE_INFINITY): number {
  if (max >= 1) return max
  throw new CallboardError(
    'CB_E_OPTION_INVALID',
    `The option max of ${what} is ${max}. Give a whole number, 1 or more.`,
  )
}

const KINDS: readonly unknown[] = ['concurrent', 'sequential', 'distributed'] satisfies TaskRunner['kind'][]

export function isTaskRunner(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && KINDS.includes(value.kind)
}

/** Lets through as many as its runner says, in the order they came. */
export class Gate {
  readonly runner: TaskRunner
  readonly #line: (() => void)[] = []
  #inside = 0

  constructor(runner: TaskRunner) {
    this.runner = runner
  }

  /** Runs `work` once there is a place. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.runner.max) await new Promise<void>((resolve) => this.#line.push(resolve))
    else this.#inside++
    try {
      return await work()
    } finally {
      const next = this.#line.shift()
      if (next === undefined) this.#inside--
      else next()
    }
  }
}
