/**
 * The flows that tasks are run by when there is no flow of the user's around them: `task:<name>` is a task as a run of its
 * own; `task-body:<name>` is one attempt of a task whose run is elsewhere. Whoever has the task has both.
 */

import type { FlowDefinition } from './flow-definition.ts'
import { identify } from './identity.ts'
import { parts } from './parts.ts'
import { definedFlow, taskNamed } from './registry.ts'
import { scopeFor } from './scope.ts'
import { State } from './state.ts'
import { defineTask, type TaskDefinition } from './task-definition.ts'

const WHOLE = 'task:'
const BODY = 'task-body:'

/** What the worker that runs a body is told by the run that the task run belongs to. */
export interface BodyOrder {
  readonly args: readonly unknown[]
  /** Of the task run: what its body sees of itself is the same wherever it runs. */
  readonly run: {
    readonly name: string
    readonly attempt: number
    readonly failures: number
    readonly idempotencyKey: string
  }
  readonly tags: readonly string[]
  readonly logPrints: boolean
  readonly timeoutMs: number | null
  readonly silenceMs: number | null
}

export function bodyFlowName(task: string): string {
  return `${BODY}${task}`
}

/** A task as a run of its own, with everything that its options ask for. */
export function wholeFlow(task: TaskDefinition): FlowDefinition {
  return {
    kind: 'flow',
    name: `${WHOLE}${task.name}`,
    fn: async (args: readonly unknown[]): Promise<State> => {
      const scope = scopeFor(task.name)
      const id = identify(scope, task.name)
      return asOwn(await parts().callTask({ scope, task, args, id, waitFor: [], here: true }))
    },
    options: { ...(task.options.tags === undefined ? {} : { tags: task.options.tags }) },
    version: task.options.version,
    ofTask: true,
  }
}

/** One attempt of its body; retries, caches, limits and hooks are the task run's. */
function bodyFlow({ fn, name }: TaskDefinition): FlowDefinition {
  return {
    kind: 'flow',
    name: bodyFlowName(name),
    options: {},
    version: undefined,
    fn: async ({ args, run, ...order }: BodyOrder): Promise<State> => {
      const scope = scopeFor(name)
      const { logPrints, silenceMs, tags, timeoutMs } = order
      const body = defineTask(fn, {
        name,
        logPrints,
        tags,
        retries: 0,
        runName: () => run.name,
        ...(timeoutMs === null ? {} : { timeoutSeconds: timeoutMs / 1_000 }),
        ...(silenceMs === null ? {} : { heartbeatSeconds: silenceMs / 1_000 }),
      })
      const state = await parts().callTask({
        scope,
        task: body,
        args,
        id: identify(scope, name),
        waitFor: [],
        here: true,
        run,
      })
      return asOwn(state)
    },
    ofTask: true,
  }
}

/** The run ends as its task did: with its name, its message and what it failed with. */
function asOwn({ data, error, message, name, timestamp, type }: State): State {
  return new State({ type, name, timestamp, data, error, ...(message === undefined ? {} : { message }) })
}

/** The flow of this name that this process has the code of: the user's own, or that of a task. */
export function flowNamed(name: string): FlowDefinition | undefined {
  const known = definedFlow(name)
  if (known !== undefined) return known
  const [prefix, flowOf] = name.startsWith(BODY) ? ([BODY, bodyFlow] as const) : ([WHOLE, wholeFlow] as const)
  const task = name.startsWith(prefix) ? taskNamed(name.slice(prefix.length)) : undefined
  return task === undefined ? undefined : flowOf(task)
}
