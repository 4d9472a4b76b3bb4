/**
 * What code may ask about where it runs: `runtime.flowRun.name`, `runtime.taskRun.runCount`, `runtime.deployment.name`.
 * Undefined when unknown, also outside of a run. Tests override single answers.
 */

import { type FlowScope, scopes, type TaskScope } from './scope.ts'

export interface FlowRunInfo {
  readonly id: string
  readonly name: string
  readonly flowName: string
  readonly flowVersion: string | undefined
  readonly tags: readonly string[]
  readonly parameters: unknown
  readonly scheduledStartTime: Date
  /** 1 for the first run, +1 by each retry. */
  readonly runCount: number
  readonly parentFlowRunId: string | undefined
  readonly deployment: string | undefined
  /** The page of the run, when there is one. */
  readonly uiUrl: string | undefined
}

export interface TaskRunInfo {
  /** Identity within its flow run. */
  readonly id: string
  readonly name: string
  readonly taskName: string
  readonly tags: readonly string[]
  /** By the names of the function's parameters. */
  readonly parameters: Readonly<Record<string, unknown>>
  /** 1 for the first attempt. */
  readonly runCount: number
  /** The same for every attempt of this task run, and for no other: hand it to what must not act twice. */
  readonly idempotencyKey: string
}

export interface DeploymentInfo {
  readonly name: string
  readonly parameters: unknown
}

interface Answers {
  flowRun: FlowRunInfo
  taskRun: TaskRunInfo
  deployment: DeploymentInfo
}

const overrides: { [K in keyof Answers]?: Partial<Answers[K]> } = {}

export function flowRunInfo({ session, flow, parameters, env }: FlowScope): FlowRunInfo {
  const { run, name, tags, scheduledTime, runCount, parent, deployment } = session.start
  return {
    id: run,
    name,
    flowName: flow.name,
    flowVersion: flow.version,
    tags,
    parameters,
    scheduledStartTime: new Date(scheduledTime),
    runCount,
    parentFlowRunId: parent?.run,
    deployment,
    uiUrl: env.settings.uiUrl === undefined ? undefined : `${env.settings.uiUrl}/runs/flow-run/${run}`,
  }
}

export function taskRunInfo({ id, name, task, args, body, tags }: TaskScope): TaskRunInfo {
  return {
    id,
    name,
    taskName: task.name,
    tags,
    parameters: task.named(args),
    runCount: body.attempt,
    idempotencyKey: body.idempotencyKey,
  }
}

/** Whose fields are undefined when there is nobody to ask. */
function view<K extends keyof Answers>(kind: K, find: () => Answers[K] | undefined): Partial<Answers[K]> {
  return new Proxy<Partial<Answers[K]>>(
    {},
    {
      get(_, key) {
        const own = overrides[kind]
        if (own !== undefined && Object.hasOwn(own, key)) return Reflect.get(own, key)
        const found = find()
        return found === undefined ? undefined : Reflect.get(found, key)
      },
    },
  )
}

export interface Runtime {
  readonly flowRun: Partial<FlowRunInfo>
  readonly taskRun: Partial<TaskRunInfo>
  readonly deployment: Partial<DeploymentInfo>
  /** Answers otherwise, for tests: `using _ = runtime.override({ flowRun: { name: 'x' } })`. */
  override(answers: { readonly [K in keyof Answers]?: Partial<Answers[K]> }): Disposable
}

export const runtime: Runtime = {
  flowRun: view('flowRun', () => {
    const scope = scopes.getStore()
    return scope === undefined ? undefined : flowRunInfo(scope.flow)
  }),
  taskRun: view('taskRun', () => {
    const task = scopes.getStore()?.task
    return task === undefined ? undefined : taskRunInfo(task)
  }),
  deployment: view('deployment', () => {
    const start = scopes.getStore()?.flow.session.start
    return start?.deployment === undefined
      ? undefined
      : { name: start.deployment, parameters: scopes.getStore()?.flow.parameters }
  }),
  override(answers) {
    const before = { ...overrides }
    Object.assign(overrides, answers)
    return {
      [Symbol.dispose]() {
        for (const key of Object.keys(answers)) delete overrides[key as keyof Answers]
        Object.assign(overrides, before)
      },
    }
  },
}
