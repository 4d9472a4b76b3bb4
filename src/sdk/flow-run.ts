/**
 * One execution of a flow's code, as the engine runs it: parameters → hooks → the function → its submitted tasks → the
 * state it ends in.
 *
 * Invariants
 * (W1) Bad parameters fail the run before any user code but its failure hooks.
 * (W2) Nothing that was submitted outlives the function: what nobody awaited is waited for, with a warning.
 * (W3) Failure hooks do not run for an attempt that will be retried.
 * (W4) A run whose code returns what is paused is suspended, not ended.
 */

import type { BodyOutcome, InlineFlow, LeaveReason, RunSession } from '../actors/index.ts'
import { isCallboardError } from '../core/index.ts'
import type { Environment } from './environment.ts'
import { finalState } from './final-state.ts'
import type { FlowDefinition } from './flow-definition.ts'
import { TaskFuture } from './future.ts'
import { TaskFutureList } from './future-list.ts'
import { callKey, handOver } from './handed-over.ts'
import { type Hook, listOf, runHooks } from './hooks.ts'
import type { LineSink } from './line-keeper.ts'
import { failedState, outcomeOf } from './outcomes.ts'
import { Pending } from './pending.ts'
import { catchPrints } from './prints.ts'
import { NOT_KEPT } from './results.ts'
import { retryPolicyOf } from './retries.ts'
import { RunLines } from './run-lines.ts'
import { flowRunInfo } from './runtime.ts'
import { validate } from './schema.ts'
import { type FlowScope, type Scope, scopes } from './scope.ts'
import { Skip } from './skip.ts'
import { CancelledRun, State } from './state.ts'
import { bodyProgram } from './task-body.ts'
import { concurrent, Gate } from './task-runner.ts'

/** A flow as the inline runner takes it; what one execution of it says goes to `keeper`. */
export function inlineFlow(flow: FlowDefinition, env: Environment, keeper: LineSink): InlineFlow {
  if (flow.body !== undefined) return bodyProgram(flow, flow.body, env, keeper)
  return {
    program: (session, parameters) => new FlowExecution(flow, env, session, parameters, keeper).run(),
    retry: retryPolicyOf(flow.options),
    interpret: outcomeOf as (returned: unknown) => BodyOutcome | undefined,
  }
}

class FlowExecution {
  readonly #flow: FlowDefinition
  readonly #session: RunSession
  readonly #env: Environment
  readonly #given: unknown
  readonly #keeper: LineSink
  readonly #lines: RunLines
  readonly #pending = new Pending()
  #scope: FlowScope
  #state: State | undefined

  constructor(flow: FlowDefinition, env: Environment, session: RunSession, given: unknown, keeper: LineSink) {
    this.#flow = flow
    this.#env = env
    this.#session = session
    this.#given = given
    const { run, name } = session.start
    const logger = env.deps.logger.child({ flowRun: name, run })
    this.#keeper = keeper
    this.#lines = new RunLines({ deps: env.deps, logger, keeper })
    this.#scope = {
      session,
      env,
      flow,
      parameters: given,
      lines: this.#lines,
      taskLines: (task) => new RunLines({ deps: env.deps, logger, keeper }, task),
      logPrints: flow.options.logPrints ?? env.settings.logPrints,
      gate: new Gate(flow.options.taskRunner ?? concurrent()),
      pending: this.#pending,
      reference: undefined,
    }
  }

  /** Gives the state it ends in, or throws what the code threw. */
  async run(): Promise<State> {
    const release = catchPrints()
    this.#session.signal.addEventListener('abort', () => this.#leaving(), { once: true })
    try {
      return this.#toBeStored(await this.#inScope(() => this.#all()))
    } finally {
      release()
    }
  }

  /** What the log is to hold of the state; a result that is not stored goes to whoever waits for it here. */
  #toBeStored(state: State): State {
    const { data, type, name, message, timestamp } = state
    if (this.#flow.options.persistResult !== false || data === undefined || !state.isCompleted()) return state
    const { parent, run } = this.#session.start
    handOver(parent === undefined ? run : callKey(parent), data)
    return new State({ type, name, message, timestamp, data: NOT_KEPT })
  }

  async #all(): Promise<State> {
    try {
      await this.#begin()
      const state = await this.#code()
      await this.#end(state)
      return state
    } catch (error) {
      const state = await this.#failed(error)
      if (state.isFailed()) throw error
      return state
    } finally {
      await this.#keeper.drain()
    }
  }

  async #begin(): Promise<void> {
    const { name, runCount } = this.#session.start
    const { onRunning, parameters } = this.#flow.options
    this.#lines.engine('info', `Beginning flow run '${name}' for flow '${this.#flow.name}'`, { runCount })
    const given = this.#given
    if (parameters !== undefined) {
      const valid = await validate(
        parameters,
        given ?? {},
        `The parameters of flow '${this.#flow.name}'`,
      ).catch((error) => {
        throw isCallboardError(error) ? Object.assign(error, { retryable: false }) : error // (W1)
      })
      this.#scope = { ...this.#scope, parameters: valid }
    }
    const running = this.#stateNow('RUNNING', runCount === 1 ? 'Running' : 'Retrying')
    await this.#change(running)
    await this.#hooks('onRunning', onRunning, running)
  }

  async #code(): Promise<State> {
    return this.#inScope(async () => {
      let returned = Reflect.apply(this.#flow.fn, undefined, [this.#scope.parameters] as never[]) as unknown
      // A future is not to be awaited here: how its run ended decides.
      const isRun = returned instanceof TaskFuture || returned instanceof TaskFutureList
      if (!isRun) returned = await (returned as Promise<unknown>)
      const state = await finalState(returned, this.#scope.reference)
      await this.#drain()
      if (state.isPaused()) await this.#untilResumed(state)
      return state
    })
  }

  /**
   * (W4) It leaves its process. Each resume runs the code again from the top, and once more past the suspensions of before:
   * what it returns then decides.
   */
  async #untilResumed({ message }: State): Promise<never> {
    for (;;) await this.#session.suspend({ timeoutMs: null, ...(message === undefined ? {} : { message }) })
  }

  /** (W2) */
  async #drain(): Promise<void> {
    const { unseen, first } = await this.#pending.drain()
    if (unseen > 0)
      this.#lines.engine(
        'warn',
        `${unseen} submitted task runs were never awaited ('${first}' first): the flow waited for them. Await what submit() gives, or return it.`,
        {},
        { keep: true },
      )
  }

  async #end(state: State): Promise<void> {
    const { onCancellation, onCompletion, onCrashed, onFailure } = this.#flow.options
    const willRetry = state.isFailed() && this.#retriesLeft()
    if (willRetry) return this.#retrying()
    await this.#change(state)
    if (state.isCompleted()) await this.#hooks('onCompletion', onCompletion, state)
    else if (state.isCancelled()) await this.#hooks('onCancellation', onCancellation, state)
    else if (state.isCrashed()) await this.#hooks('onCrashed', onCrashed, state)
    else await this.#hooks('onFailure', onFailure, state)
    this.#lines.engine(
      state.isCompleted() ? 'info' : 'error',
      `Finished in state ${state}`,
      {},
      { keep: true },
    )
  }

  async #failed(error: unknown): Promise<State> {
    await this.#drain()
    if (error instanceof Skip) {
      const skipped = new State({
        type: 'COMPLETED',
        name: 'Skipped',
        timestamp: this.#now(),
        data: error.result,
        ...(error.message === undefined ? {} : { message: error.message }),
      })
      await this.#end(skipped)
      return skipped
    }
    if (error instanceof CancelledRun) {
      const cancelled = this.#stateNow('CANCELLED', 'Cancelled', error.message)
      await this.#end(cancelled)
      return cancelled
    }
    this.#lines.engine('error', 'Encountered an exception during execution', { error }, { keep: true })
    const state = failedState(error)
    if (this.#retriesLeft() && !isFinalError(error)) this.#retrying()
    else await this.#endFailed(state)
    return state
  }

  async #endFailed(state: State): Promise<void> {
    await this.#change(state)
    await this.#hooks('onFailure', this.#flow.options.onFailure, state)
    this.#lines.engine('error', `Finished in state ${state}`, {}, { keep: true })
  }

  #retrying(): void {
    this.#lines.engine(
      'info',
      "Received non-final state 'AwaitingRetry' when proposing final state 'Failed' and will attempt to run again...",
    )
  }

  #retriesLeft(): boolean {
    return this.#session.start.failures < (this.#flow.options.retries ?? 0)
  }

  /** What is to be heard of by code that is not to go on. */
  #leaving(): void {
    const reason = this.#session.signal.reason as LeaveReason
    const { onCancellation, onCrashed } = this.#flow.options
    const told = (kind: string, hooks: Hook | readonly Hook[] | undefined, state: State) =>
      this.#session.hold(this.#inScope(() => this.#hooks(kind, hooks, state)))
    if (reason === 'cancelled')
      told('onCancellation', onCancellation, this.#stateNow('CANCELLING', 'Cancelling'))
    else if (reason === 'crashed') told('onCrashed', onCrashed, this.#stateNow('CRASHED', 'Crashed'))
  }

  #hooks(kind: string, hooks: Hook | readonly Hook[] | undefined, state: State): Promise<void> {
    return runHooks(kind, listOf(hooks), this.#lines, this.#flow, flowRunInfo(this.#scope), state)
  }

  async #change(state: State): Promise<void> {
    const before = this.#state
    this.#state = state
    const handlers = listOf(this.#flow.options.onStateChange)
    await runHooks(
      'onStateChange',
      handlers,
      this.#lines,
      this.#flow,
      flowRunInfo(this.#scope),
      before,
      state,
    )
  }

  #stateNow(type: State['type'], name: string, message?: string): State {
    const { run } = this.#session.start
    return new State({
      type,
      name,
      timestamp: this.#now(),
      run,
      ...(message === undefined ? {} : { message }),
    })
  }

  #now(): Date {
    return new Date(this.#env.deps.clock.now())
  }

  #inScope<T>(code: () => Promise<T>): Promise<T> {
    const scope: Scope = { flow: this.#scope }
    return scopes.run(scope, code)
  }
}

/** Trying again cannot help. */
function isFinalError(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === false
}
