/** What the hooks of one task run are told. (Of what comes from the log they were told before.) */

import { listOf, runHooks } from './hooks.ts'
import type { RunLines } from './run-lines.ts'
import { type TaskRunInfo, taskRunInfo } from './runtime.ts'
import type { TaskScope } from './scope.ts'
import { State } from './state.ts'
import type { TaskDefinition } from './task-definition.ts'

/** Whether anybody hears anything: most tasks have no hooks, and pay nothing for them. */
export function hasHooks({ options }: TaskDefinition): boolean {
  const { onCompletion, onFailure, onRunning, onStateChange } = options
  return (onCompletion ?? onFailure ?? onRunning ?? onStateChange) !== undefined
}

export class TaskHooks {
  readonly #task: TaskDefinition
  readonly #lines: RunLines
  #last: State | undefined

  constructor(task: TaskDefinition, lines: RunLines) {
    this.#task = task
    this.#lines = lines
  }

  /** An attempt of the body begins. */
  async begins(body: TaskScope, at: number): Promise<void> {
    const { onRunning, onStateChange } = this.#task.options
    if (onRunning === undefined && onStateChange === undefined) return
    const name = body.body.attempt === 1 ? 'Running' : 'Retrying'
    const state = new State({ type: 'RUNNING', name, timestamp: new Date(at), run: body.id })
    const info = taskRunInfo(body)
    await this.#changed(info, state)
    await runHooks('onRunning', listOf(onRunning), this.#lines, this.#task, info, state)
  }

  /** An attempt has failed, and the next one has to wait. */
  async waits(body: TaskScope, at: number): Promise<void> {
    if (this.#task.options.onStateChange === undefined) return
    const state = new State({
      type: 'SCHEDULED',
      name: 'AwaitingRetry',
      timestamp: new Date(at),
      run: body.id,
    })
    await this.#changed(taskRunInfo(body), state)
  }

  /** It has ended. @param info asked for only when somebody hears of it */
  async ended(info: () => TaskRunInfo, state: State): Promise<void> {
    const { onCompletion, onFailure, onStateChange } = this.#task.options
    if (onStateChange === undefined && onCompletion === undefined && onFailure === undefined) return
    const run = info()
    await this.#changed(run, state)
    if (state.isCompleted())
      await runHooks('onCompletion', listOf(onCompletion), this.#lines, this.#task, run, state)
    else if (state.isFailed())
      await runHooks('onFailure', listOf(onFailure), this.#lines, this.#task, run, state)
  }

  async #changed(run: TaskRunInfo, state: State): Promise<void> {
    const before = this.#last
    this.#last = state
    const handlers = listOf(this.#task.options.onStateChange)
    await runHooks('onStateChange', handlers, this.#lines, this.#task, run, before, state)
  }
}
