/**
 * One attempt of a task's body in a process that its flow run is not in: what that run's host is told it came to. The task
 * run with its retries, cache, limits, transaction and hooks is where its flow runs.
 *
 * Invariants
 * (Z2) What the body sees of its task run and of its flow run (names, attempt, idempotency key) is theirs, wherever it is.
 */

import type { BodyContext, BodyOutcome, InlineFlow, RunSession } from '../actors/index.ts'
import type { Environment } from './environment.ts'
import type { FlowDefinition } from './flow-definition.ts'
import type { LineSink } from './line-keeper.ts'
import { skipped } from './make-states.ts'
import { outcomeOf } from './outcomes.ts'
import { Pending } from './pending.ts'
import { catchPrints } from './prints.ts'
import { RunLines } from './run-lines.ts'
import { type FlowScope, scopes, type TaskScope } from './scope.ts'
import { Skip } from './skip.ts'
import type { TaskDefinition } from './task-definition.ts'
import { concurrent, Gate } from './task-runner.ts'

/** What whoever runs a body is told by the code that wants it. */
export interface BodyOrder {
  readonly args: readonly unknown[]
  readonly task: {
    readonly id: string
    readonly name: string
    readonly attempt: number
    readonly failures: number
    readonly idempotencyKey: string
    readonly tags: readonly string[]
  }
  /** The flow that the task belongs to. */
  readonly flow: { readonly name: string; readonly version: string | null }
  readonly logPrints: boolean
  readonly timeoutMs: number | null
  readonly silenceMs: number | null
}

/** The body of a task as code that a runner starts with a `BodyOrder`. */
export function bodyProgram(
  carrier: FlowDefinition,
  task: TaskDefinition,
  env: Environment,
  keeper: LineSink,
): InlineFlow {
  return {
    program: (session, order) =>
      new BodyExecution({ carrier, task, env, keeper, session, order: order as BodyOrder }).run(),
    interpret: (outcome) => outcome as BodyOutcome,
  }
}

interface BodyExecutionOptions {
  readonly carrier: FlowDefinition
  readonly task: TaskDefinition
  readonly env: Environment
  readonly keeper: LineSink
  readonly session: RunSession
  readonly order: BodyOrder
}

class BodyExecution {
  readonly #options: BodyExecutionOptions
  readonly #lines: RunLines
  readonly #flow: FlowScope
  readonly #pending = new Pending()

  constructor(options: BodyExecutionOptions) {
    const { carrier, env, keeper, order, session } = options
    this.#options = options
    const { run, name } = session.start
    const logger = env.deps.logger.child({ flowRun: name, run })
    const taskLines: FlowScope['taskLines'] = (task) => new RunLines({ deps: env.deps, logger, keeper }, task)
    this.#lines = taskLines(order.task)
    this.#flow = {
      session,
      env,
      flow: { ...carrier, name: order.flow.name, version: order.flow.version ?? undefined },
      parameters: undefined,
      lines: this.#lines,
      taskLines,
      logPrints: order.logPrints,
      gate: new Gate(concurrent()),
      pending: this.#pending,
      reference: undefined,
    }
  }

  async run(): Promise<BodyOutcome> {
    const { keeper, order, session } = this.#options
    const { silenceMs, task, timeoutMs } = order
    const release = catchPrints()
    try {
      return await session.attempt(
        { ...task, timeoutMs, silenceMs: silenceMs ?? undefined, retry: {}, interpret: outcomeOf },
        (body) => this.#body(body),
      )
    } finally {
      release()
      await keeper.drain()
    }
  }

  #body(body: BodyContext): Promise<unknown> {
    const { order, task: definition } = this.#options
    const { id, name, tags } = order.task
    const task: TaskScope = {
      id,
      name,
      task: definition,
      args: order.args,
      body,
      lines: this.#lines,
      logPrints: order.logPrints,
      tags,
      counters: undefined,
    }
    return scopes.run({ flow: this.#flow, task }, () => this.#called(definition))
  }

  async #called({ fn, isGenerator }: TaskDefinition): Promise<unknown> {
    try {
      const returned = Reflect.apply(fn, undefined, this.#options.order.args as never[])
      const value = isGenerator
        ? await Array.fromAsync(returned as AsyncIterable<unknown> | Iterable<unknown>)
        : await returned
      await this.#pending.drain()
      return value
    } catch (error) {
      if (error instanceof Skip) return skipped(error.message, error.result)
      this.#lines.engine('error', 'Encountered an exception', { error }, { keep: true })
      throw error
    }
  }
}
