/**
 * One call of a task, from its arguments to its state:
 * resolve what it is called with → trigger → cache → the session (which runs the body) → remember, stage, tell.
 *
 * Invariants
 * (Q1) Hooks and lines tell what happened now; what comes from the log was told before.
 */

import type { BodyContext, BodyOutcome, Settled, TaskOptions as TaskRunOptions } from '../actors/index.ts'
import { encodeToJson, encodeValue, formatDuration } from '../core/index.ts'
import { Away, returnedBy, runAway } from './away.ts'
import { type CacheLookup, lookUp } from './caching/index.ts'
import { listOf } from './hooks.ts'
import { skipped } from './make-states.ts'
import { markOf } from './mark.ts'
import { fillTemplate } from './names.ts'
import { encodeResult, failedState, outcomeOf, stateOfSettled } from './outcomes.ts'
import { producedBy, type Resolved, resolveArguments, waitForAll } from './resolve.ts'
import { inFlow, isMarked, isPlain, putResult, type ResultOptions, takeResult } from './results.ts'
import type { RunLines } from './run-lines.ts'
import { type TaskRunInfo, taskRunInfo } from './runtime.ts'
import { type FlowScope, type Scope, scopes, type TaskScope } from './scope.ts'
import { Skip } from './skip.ts'
import { State } from './state.ts'
import type { TaskDefinition } from './task-definition.ts'
import { hasHooks, TaskHooks } from './task-hooks.ts'
import type { CompiledTask } from './task-options.ts'
import type { Elsewhere, Gate } from './task-runner.ts'
import { judgeTrigger } from './triggers.ts'

export interface TaskCallInput {
  readonly scope: Scope
  readonly task: TaskDefinition
  readonly args: readonly unknown[]
  /** Taken when it was called (`identity.ts`). */
  readonly id: string
  /** Waited for without being handed over. */
  readonly waitFor: readonly unknown[]
  /** What it passes through before it runs; undefined when it is called directly. */
  readonly gate?: Gate | undefined
  /** How it wants the slots of its concurrency limits. */
  readonly wish?: TaskRunOptions['wish']
  /** Its body runs in this process, whatever its options say. */
  readonly here?: boolean
  /** Hears what a generator yields, as it does. */
  readonly yielded?: ((value: unknown) => Promise<void>) | undefined
}

/** Runs the call. Never rejects but for what no state can say: a replay that does not fit. */
export function callTask(input: TaskCallInput): Promise<State> {
  const { gate } = input
  if (gate?.runner.kind === 'sequential') return gate.pass(() => resolveAndRun(input))
  if (gate === undefined || gate.runner.max === Number.POSITIVE_INFINITY) return resolveAndRun(input)
  return resolveAndPass(gate, input)
}

/** Hot, and as many at a time as a map has under way: no promise but that of the call itself. */
function resolveAndRun(input: TaskCallInput): Promise<State> {
  try {
    const resolved = resolve(input)
    if (resolved instanceof Promise) return resolved.then((found) => new Call(input, found).run())
    return new Call(input, resolved).run()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** What waits for others takes no place. */
async function resolveAndPass(gate: Gate, input: TaskCallInput): Promise<State> {
  const resolved = await resolve(input)
  return gate.pass(() => new Call(input, resolved).run())
}

function resolve({ args, waitFor }: TaskCallInput): Resolved | Promise<Resolved> {
  return waitFor.length === 0 ? resolveArguments(args) : resolveBoth(args, waitFor)
}

async function resolveBoth(args: readonly unknown[], waitFor: readonly unknown[]): Promise<Resolved> {
  const [resolved, order] = await Promise.all([resolveArguments(args), waitForAll(waitFor)])
  return {
    args: resolved.args,
    upstream: [...new Set([...resolved.upstream, ...order.upstream])],
    states: [...resolved.states, ...order.states],
  }
}

class Call {
  readonly #input: TaskCallInput
  readonly #resolved: Resolved
  readonly #scope: Scope
  readonly #flow: FlowScope
  readonly #task: TaskDefinition
  readonly #id: string
  readonly #name: string
  readonly #lines: RunLines
  /** Undefined when nobody hears anything, as of most tasks. */
  readonly #hooks: TaskHooks | undefined
  /** Where its bodies run; undefined for here. */
  readonly #elsewhere: Elsewhere | undefined
  /** A result that was not stored, for the caller in this process. */
  #live: { readonly value: unknown } | undefined
  #lastBody: TaskScope | undefined

  constructor(input: TaskCallInput, resolved: Resolved) {
    const { scope, task, id } = input
    this.#input = input
    this.#resolved = resolved
    this.#scope = scope
    this.#flow = scope.flow
    this.#task = task
    this.#id = id
    this.#name = this.#runName()
    this.#elsewhere = elsewhereOf(input)
    this.#lines = scope.flow.taskLines({ id, name: this.#name })
    this.#hooks = hasHooks(task) ? new TaskHooks(task, this.#lines) : undefined
  }

  async run(): Promise<State> {
    const { session, env } = this.#flow
    const instead = this.#verdict()
    const cache = instead === undefined ? await this.#lookUp() : undefined
    let settled: Settled
    try {
      settled = await session.taskState(this.#options(instead ?? this.#cached(cache)), (context) =>
        this.#body(context),
      )
    } catch (error) {
      await cache?.release()
      throw error
    }
    const state = await this.#stateOf(settled, env.deps.clock.now())
    if (cache !== undefined) await this.#remember(cache, settled, state)
    this.#stage(settled)
    if (!settled.replayed) await this.#tell(state)
    if (state.isCompleted()) producedBy(state.data, this.#id)
    return state
  }

  get #results(): ResultOptions {
    return inFlow(this.#task.options, this.#flow.flow.options)
  }

  get #compiled(): CompiledTask {
    return this.#task.compiled(this.#flow.env.settings.taskRetries)
  }

  // ── before the body

  #options(instead: TaskRunOptions['instead']): TaskRunOptions {
    const { options, name: task } = this.#task
    const { retry, limits, timeoutMs, silenceMs } = this.#compiled
    const { args, upstream } = this.#resolved
    const isHere = this.#elsewhere === undefined // elsewhere, how long it takes counts from when it begins there
    return {
      id: this.#id,
      task,
      retry: options.retryCondition === undefined ? retry : { ...retry, condition: (e) => this.#mayRetry(e) },
      timeoutMs: isHere ? timeoutMs : null,
      silenceMs: isHere ? silenceMs : undefined,
      interpret: (returned) => this.#interpret(returned),
      attempted: retry.retries === 0 ? undefined : (outcome) => this.#attempted(outcome),
      limits,
      wish: this.#input.wish,
      away: isHere ? undefined : true,
      name: this.#name === this.#id ? undefined : this.#name,
      tags: options.tags,
      inputs: fingerprintOf(args),
      upstream: upstream.length === 0 ? undefined : upstream,
      onMismatch: options.onReplayMismatch,
      instead,
    }
  }

  #runName(): string {
    const { runName } = this.#task.options
    if (runName === undefined) return this.#id
    const parameters = this.#task.named(this.#resolved.args)
    return typeof runName === 'string' ? fillTemplate(runName, parameters) : runName(parameters)
  }

  #verdict(): TaskRunOptions['instead'] {
    const { trigger = 'allSuccessful', skipOnUpstreamSkip = true } = this.#task.options
    const verdict = judgeTrigger(trigger, this.#resolved.states, skipOnUpstreamSkip)
    return verdict.is === 'run' ? undefined : verdict
  }

  #lookUp(): Promise<CacheLookup | undefined> | undefined {
    const { options } = this.#task
    if (options.cachePolicy === undefined && options.cacheKeyFn === undefined) return undefined
    const { env, session, parameters } = this.#flow
    if (options.persistResult === false) {
      this.#lines.engine('warn', `Task '${this.#task.name}' is not cached: its results are not kept`)
      return undefined
    }
    return lookUp(
      env,
      options,
      {
        task: this.#task,
        inputs: this.#task.named(this.#resolved.args),
        flowRunId: session.start.run,
        flowParameters: parameters,
      },
      this.#lines,
    )
  }

  #cached(cache: CacheLookup | undefined): TaskRunOptions['instead'] {
    if (cache?.found === undefined) return undefined
    return { is: 'cached', cacheKey: cache.key, result: { v: cache.found.v } }
  }

  // ── the body

  #body(context: BodyContext): Promise<unknown> {
    const { options } = this.#task
    const outer = this.#scope.task ?? this.#flow
    const task: TaskScope = {
      id: this.#id,
      name: this.#name,
      task: this.#task,
      args: this.#resolved.args,
      body: context,
      lines: this.#lines,
      logPrints: options.logPrints ?? outer.logPrints,
      tags: options.tags ?? NO_TAGS,
      counters: undefined,
    }
    this.#lastBody = task
    if (context.attempt === 1)
      this.#flow.lines.engine('info', `Created task run '${this.#name}' for task '${this.#task.name}'`)
    return scopes.run({ flow: this.#flow, task, transaction: this.#scope.transaction }, () =>
      this.#attempt(task),
    )
  }

  async #attempt(task: TaskScope): Promise<unknown> {
    const options = this.#results
    if (this.#hooks !== undefined) await this.#hooks.begins(task, this.#flow.env.deps.clock.now())
    try {
      const value = await this.#value(task)
      if (value instanceof State || value instanceof Away || value === undefined || isPlain(options))
        return value
      if (options.persistResult === false) this.#live = { value }
      return new State({
        type: 'COMPLETED',
        timestamp: this.#flow.env.deps.clock.now(),
        data: await putResult(value, `${this.#flow.session.start.run}-${fileName(this.#id)}`, options),
      })
    } catch (error) {
      if (error instanceof Skip) return skipped(error.message, error.result)
      if (task.body.attempt > 0)
        this.#lines.engine('error', 'Encountered an exception', { error }, { keep: true })
      throw error
    }
  }

  /** What the body gives, or a promise of it. */
  #value(task: TaskScope): unknown {
    if (this.#elsewhere !== undefined) return this.#valueFrom(this.#elsewhere, task)
    const { fn, isGenerator } = this.#task
    const returned = Reflect.apply(fn, undefined, this.#resolved.args as never[])
    return isGenerator ? this.#collect(returned) : returned
  }

  async #valueFrom(elsewhere: Elsewhere, task: TaskScope): Promise<unknown> {
    const { isGenerator } = this.#task
    const away = await runAway(this.#flow, task, elsewhere)
    if (!isGenerator && isPlain(this.#results)) return away
    const returned = returnedBy(away)
    if (returned === undefined) return away
    return isGenerator ? this.#collect(returned.value as unknown[]) : returned.value
  }

  async #collect(generator: AsyncIterable<unknown> | Iterable<unknown>): Promise<unknown[]> {
    const values: unknown[] = []
    for await (const value of generator) {
      values.push(value)
      await this.#input.yielded?.(value)
    }
    return values
  }

  #interpret(returned: unknown): BodyOutcome | undefined {
    if (PLAIN_TYPES.has(typeof returned)) return undefined
    if (returned instanceof State) return outcomeOf(returned)
    if (returned instanceof Away) return returned.outcome
    const { ref, problem } = encodeResult(returned)
    if (problem === undefined) return { is: 'completed', result: ref }
    if (this.#results.persistResult === true) return undefined
    this.#live = { value: returned }
    this.#lines.engine(
      'warn',
      `The result could not be stored and is known to this process only: ${problem.message}`,
      { code: problem.code },
      { keep: true },
    )
    return { is: 'completed', result: ref }
  }

  // ── attempts

  async #mayRetry(error: unknown): Promise<boolean> {
    const { retryCondition } = this.#task.options
    if (retryCondition === undefined || this.#lastBody === undefined) return true
    try {
      return await retryCondition(this.#task, taskRunInfo(this.#lastBody), failedState(error))
    } catch (thrown) {
      this.#lines.engine('error', 'The retry condition failed; the task is not retried', { error: thrown })
      return false
    }
  }

  async #attempted(outcome: BodyOutcome): Promise<void> {
    if (outcome.is !== 'failed' || outcome.retryDelayMs === null || this.#lastBody === undefined) return
    const { attempt, failures } = this.#lastBody.body
    const retries = this.#compiled.retry.retries ?? 0
    const delay = outcome.retryDelayMs
    const when = delay === 0 ? 'immediately' : `in ${formatDuration(delay)}`
    this.#lines.engine('info', `Retry ${failures + 1}/${retries} will start ${when}`, { attempt })
    if (delay > 0) await this.#hooks?.waits(this.#lastBody, this.#flow.env.deps.clock.now())
  }

  // ── after the body

  async #stateOf(settled: Settled, at: number): Promise<State> {
    const state = stateOfSettled(settled, at)
    if (!isMarked(state.data)) return state
    const { type, name, message, run } = state
    const fields = { type, name, timestamp: at, message, run }
    if (this.#live !== undefined) return new State({ ...fields, data: this.#live.value })
    try {
      return new State({ ...fields, data: await takeResult(state.data, this.#id, this.#results) })
    } catch (error) {
      return new State({ ...fields, error })
    }
  }

  async #remember(cache: CacheLookup, { replayed, tag, value }: Settled, state: State): Promise<void> {
    const isNew = !replayed && tag === 'COMPLETED.Completed'
    if (!isNew || state.error !== undefined || this.#live !== undefined) return cache.release()
    const remember = () => cache.remember(encodeToJson(value, 'result'))
    const { transaction } = this.#scope
    if (transaction === undefined) return remember()
    transaction.stage({
      onCommit: [],
      onRollback: [],
      committed: remember,
      rolledBack: () => cache.release(),
    })
  }

  #stage({ tag }: Settled): void {
    const { transaction, flow } = this.#scope
    if (transaction === undefined || !tag.startsWith('COMPLETED.') || tag === 'COMPLETED.RolledBack') return
    const { onCommit, onRollback } = this.#task.options
    transaction.stage({
      onCommit: listOf(onCommit),
      onRollback: listOf(onRollback),
      rolledBack: () => flow.session.rollBack(this.#id),
    })
  }

  /** (Q1) */
  async #tell(state: State): Promise<void> {
    this.#lines.engine(state.isFailed() || state.isCrashed() ? 'error' : 'info', `Finished in state ${state}`)
    const hooks = this.#hooks
    if (hooks === undefined) return
    await scopes.run(this.#scope, () => hooks.ended(() => this.#info(), state))
  }

  /** Of a task run that may have had no body. */
  #info(): TaskRunInfo {
    if (this.#lastBody !== undefined) return taskRunInfo(this.#lastBody)
    return {
      id: this.#id,
      name: this.#name,
      taskName: this.#task.name,
      tags: this.#task.options.tags ?? NO_TAGS,
      parameters: this.#task.named(this.#resolved.args),
      runCount: 0,
      idempotencyKey: `${this.#flow.session.start.run}/${this.#id}`,
    }
  }
}

function elsewhereOf({ gate, here, task }: TaskCallInput): Elsewhere | undefined {
  const { runner } = task.options
  if (here === true || runner === 'here') return undefined
  return gate?.runner.elsewhere ?? (runner === 'worker' ? {} : undefined)
}

const NO_TAGS: readonly string[] = []
/** What needs no second look before it is stored. */
const PLAIN_TYPES: ReadonlySet<string> = new Set(['string', 'number', 'boolean', 'undefined'])

/** What a replay is compared by; undefined when the inputs cannot be written down. */
function fingerprintOf(args: readonly unknown[]): string | undefined {
  if (args.length === 0) return undefined
  try {
    return markOf(encodeValue(args, 'inputs'))
  } catch {
    return undefined
  }
}

function fileName(id: string): string {
  return id.replaceAll(/[^\w.-]/g, '_')
}
