/**
 * What submitted tasks pass through: all at once, so many at a time, or one after another in the order they were
 * submitted. What a task's body itself submits passes by: it must not wait for the place that its own task holds.
 */

import { CallboardError } from '../core/index.ts'

export interface TaskRunner {
  readonly kind: 'concurrent' | 'sequential'
  /** How many bodies at a time. */
  readonly max: number
}

/** Runs submitted tasks one after another, in the order of `submit`. */
export function sequential(): TaskRunner {
  return { kind: 'sequential', max: 1 }
}

/** Runs submitted tasks concurrently, `max` at a time (default: no limit). */
export function concurrent(options: { readonly max?: number } = {}): TaskRunner {
  const { max = Number.POSITIVE_INFINITY } = options
  if (!(max >= 1))
    throw new CallboardError(
      'CB_E_OPTION_INVALID',
      `The option max of concurrent() is ${max}. Give a whole number, 1 or more.`,
    )
  return { kind: 'concurrent', max }
}

export function isTaskRunner(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    (value.kind === 'concurrent' || value.kind === 'sequential')
  )
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
