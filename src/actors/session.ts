/**
 * A run, as its code sees it: what the SDK is built on. One session per start of the code; every call goes to the
 * host through the runner channel, under an identity that a replay meets again.
 *
 * Invariants
 * (E1) The identity of a call is its name and how many calls of that name came before it in this session. The code
 *      makes the same calls in the same order, so a replay finds the same identities.
 * (E2) After `leave` nothing is answered and nothing more is asked: code that waits for the host waits for ever, and no
 *      `catch` of the user's takes leaving for a failure.
 * (E3) What a task gives its caller went through the form in which it is stored, the first time as in a replay.
 */

import { CallboardError, type Deps, decodeJson, type JsonObject } from '../core/index.ts'
import { Attempt, type AttemptOptions, type Body, type Interpret, refOf } from './body.ts'
import type {
  BodyOutcome,
  ChildAnswer,
  ErrandRequest,
  HostCalls,
  HostPort,
  LeaveReason,
  RunStart,
  TaskAnswer,
  TaskCall,
} from './channel.ts'
import type { Failure, FlowPolicy, InputRequest, Sender, TaskPolicy, ValueRef } from './events.ts'
import { errorOf } from './failures.ts'
import { Lookup } from './lookup.ts'
import type { RetryPolicy } from './retry-policy.ts'
import { parseTag, type StateTag } from './states.ts'

/** What is undefined is as if it were not there. */
export interface TaskOptions {
  /** The task's name: with a counter, its identity within the run. */
  readonly task: string
  /** Its identity, when it was taken before (`identity`). */
  readonly id?: string | undefined
  readonly retry?: RetryPolicy | undefined
  /** Longest time one attempt may take, ms. Default: no limit. */
  readonly timeoutMs?: number | null | undefined
  /** Longest time an attempt may go without a `beat`, ms. Default: no limit. */
  readonly silenceMs?: number | undefined
  /** Concurrency limits that the body needs a slot of. */
  readonly limits?: readonly string[] | undefined
  /** How it wants them. When it cannot have them it fails, with the reason. Default: one slot of each, for ever. */
  readonly wish?: TaskCall['wish']
  /** Its body does nothing here but wait for an errand: it keeps nobody from anything. */
  readonly away?: boolean | undefined
  readonly name?: string | undefined
  readonly tags?: readonly string[] | undefined
  /** Hash of the inputs, to notice a replay with others. */
  readonly inputs?: string | undefined
  readonly upstream?: readonly string[] | undefined
  readonly onMismatch?: TaskCall['onMismatch']
  readonly instead?: TaskCall['instead']
  readonly interpret?: Interpret | undefined
  /** Hears how each attempt ended, before the host does. */
  readonly attempted?: ((outcome: BodyOutcome) => void | Promise<void>) | undefined
}

/** How a task run, or a child run, ended. */
export interface Settled {
  /** Identity of the task run, or id of the child run. */
  readonly id: string
  readonly tag: StateTag
  readonly message?: string
  /** Its result; undefined when it has none. */
  readonly value: unknown
  readonly failure?: Failure
  /** It came from the log: nothing was run for this call. */
  readonly replayed: boolean
}

export interface PauseOptions {
  /** A pause of one key fires once per attempt of the run. Default: one for each call. */
  readonly key?: string
  /** After this the run fails, ms; null for never. Default: one hour. */
  readonly timeoutMs?: number | null
  readonly input?: InputRequest
  readonly message?: string
}

export type SignalOutcome =
  | { readonly is: 'received'; readonly payload: unknown; readonly by?: Sender }
  | { readonly is: 'expired' }

export interface NoteOptions {
  /** Key of the task run that says it. */
  readonly task?: string
  /** Said by the flow's own code, which may run from the top: with the same mark it is not said again. */
  readonly once?: { readonly name: string; readonly mark: string }
}

export interface ChildOptions {
  readonly flow: string
  /** Its identity, when it was taken before (`identity`). */
  readonly id?: string
  readonly parameters: unknown
  readonly policy: FlowPolicy
  readonly name?: string
  readonly tags?: readonly string[]
  readonly deployment?: string
  /** Where it waits for a worker. Default: with a deployment as the policy says, else where this run waited. */
  readonly queue?: string
}

const ONE_HOUR_MS = 3_600_000

export class RunSession {
  readonly start: RunStart
  readonly #host: HostPort
  readonly #deps: Deps
  readonly #counters = new Map<string, number>()
  /** By how many were begun before. */
  readonly #attempts = new Lookup<number, Attempt>()
  #begun = 0
  readonly #leaving = new AbortController()
  #policy: TaskPolicy | undefined
  #left: LeaveReason | undefined
  #hasEnded = false
  #held = 0
  #unanswered = 0
  #whenQuiet: (() => void)[] = []
  readonly #whenUnheld: (() => void)[] = []
  /** (E2) For all calls, of which there are many at a time. */
  readonly #answered = <T>(output: T): T | Promise<never> => {
    if (this.#left !== undefined) return never()
    this.#unanswered--
    return output
  }
  readonly #refused = (error: unknown): Promise<never> => {
    if (this.#left !== undefined) return never()
    this.#unanswered--
    throw error
  }

  constructor(start: RunStart, host: HostPort, deps: Deps) {
    this.start = start
    this.#host = host
    this.#deps = deps
  }

  /** Fires when the run's code must leave; the reason is a `LeaveReason`. */
  get signal(): AbortSignal {
    return this.#leaving.signal
  }

  /** Runs a task: its result, or what it failed with is thrown. */
  async task<T>(options: TaskOptions, body: Body<T>): Promise<unknown> {
    return resultOf(await this.taskState(options, body))
  }

  /** Runs a task: how it ended, whatever that is. */
  async taskState<T>(options: TaskOptions, body: Body<T>): Promise<Settled> {
    const id = options.id ?? this.identity(options.task)
    const call = callOf(id, options, this.#policyOf(options))
    let answer = await this.#call('task.call', call)
    while (answer.do === 'run') {
      const attempt = new Attempt(this.#deps, {
        attempt: answer.attempt,
        failures: answer.failures,
        idempotencyKey: `${this.start.run}/${id}`,
        timeoutMs: call.policy.timeoutMs,
        silenceMs: options.silenceMs,
        retry: options.retry ?? {},
        interpret: options.interpret,
      })
      const outcome = await this.#run(attempt, body)
      if (options.attempted !== undefined) await options.attempted(outcome)
      answer = await this.#call('task.report', { id, attempt: attempt.attempt, outcome })
    }
    if (answer.do === 'mismatch') throw new CallboardError('CB_E_REPLAY_MISMATCH', answer.message)
    return settledOf(id, answer)
  }

  /** Most tasks of a run have the same one: it is kept once for all of them. */
  #policyOf({ retry, timeoutMs = null }: TaskOptions): TaskPolicy {
    const retries = retry?.retries ?? 0
    if (this.#policy?.retries !== retries || this.#policy.timeoutMs !== timeoutMs)
      this.#policy = { retries, timeoutMs }
    return this.#policy
  }

  /** Runs one attempt of a task elsewhere. */
  errand(request: ErrandRequest): Promise<BodyOutcome> {
    return this.#call('task.errand', request)
  }

  /** Runs one attempt here that another run has sent: its code is all there is to this session. Never rejects. */
  attempt<T>(options: AttemptOptions, body: Body<T>): Promise<BodyOutcome> {
    return this.#run(new Attempt(this.#deps, options), body)
  }

  /** (E1) Takes the next identity of this name, for a call that is made later. */
  identity(name: string): string {
    const count = this.#counters.get(name) ?? 0
    this.#counters.set(name, count + 1)
    return `${name}-${count}`
  }

  /** Says of a completed task run that what it did is undone. */
  async rollBack(id: string, message?: string): Promise<void> {
    await this.#call('task.rollback', { id, ...(message === undefined ? {} : { message }) })
  }

  async sleep(ms: number): Promise<void> {
    await this.#call('wait', { id: this.identity('sleep'), kind: 'sleep', forMs: ms })
  }

  /** Waits, in its process, for a resume; gives its input. */
  pause(options: PauseOptions = {}): Promise<unknown> {
    return this.#hold('pause', options)
  }

  /** Leaves the process until a resume; gives its input when the code comes here again. */
  suspend(options: PauseOptions = {}): Promise<unknown> {
    return this.#hold('suspend', options)
  }

  /** The first signal of this name that no earlier wait has taken, also one that came before. */
  async waitForSignal(
    name: string,
    options: { readonly timeoutMs?: number | null; readonly input?: InputRequest } = {},
  ): Promise<SignalOutcome> {
    const { input, timeoutMs = null } = options
    const outcome = await this.#call('wait', {
      id: this.identity(`signal:${name}`),
      kind: 'signal',
      signal: name,
      forMs: timeoutMs,
      ...(input === undefined ? {} : { input }),
    })
    if (outcome.is === 'expired') return outcome
    const { value, by } = outcome
    return { is: 'received', payload: decoded(value), ...(by === undefined ? {} : { by }) }
  }

  /** Starts a child run and waits for its end: its result, or what it failed with is thrown. */
  async child(options: ChildOptions): Promise<unknown> {
    return resultOf(await this.childState(options))
  }

  async childState(options: ChildOptions): Promise<Settled> {
    return childSettled(await this.#startChild(options, true))
  }

  /** Starts a child run; gives its id once it exists. */
  async startChild(options: ChildOptions): Promise<string> {
    return (await this.#startChild(options, false)).run
  }

  /** Waits for the end of a child run. */
  async joinChild(run: string): Promise<Settled> {
    return childSettled(await this.#call('child.join', { run }))
  }

  /** What `make` gave the first time the code came here. */
  async value<T>(name: string, make: () => T): Promise<T> {
    const proposed = refOf(make(), name)
    const { v } = await this.#call('value', {
      id: this.identity(name),
      v: 'v' in proposed ? proposed.v : null,
    })
    return decodeJson(v) as T
  }

  /** Something for people that belongs to the run: an artifact, progress. */
  async note(kind: string, data: JsonObject, { once, task }: NoteOptions = {}): Promise<void> {
    await this.#call('note', {
      ...{ kind, data },
      ...(task === undefined ? {} : { task }),
      ...(once === undefined ? {} : { once: { id: this.identity(once.name), mark: once.mark } }),
    })
  }

  /** (E2) */
  leave(reason: LeaveReason): void {
    if (this.#left !== undefined) return
    this.#left = reason
    this.#leaving.abort(reason)
    for (const attempt of this.#attempts.values()) attempt.abort(reason)
    this.#tellQuiet()
  }

  /** The code has come to its end. */
  end(): void {
    this.#hasEnded = true
    this.#tellQuiet()
  }

  /** Something of the run that is not its code: a hook. It counts as running until it has settled. */
  hold(work: Promise<unknown>): void {
    this.#held++
    const settled = () => {
      this.#held--
      this.#tellUnheld()
      this.#tellQuiet()
    }
    work.then(settled, settled)
  }

  /** Resolves when no hook runs. */
  unheld(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenUnheld.push(resolve)
      this.#tellUnheld()
    })
  }

  /** Whether no body and no hook runs, and the code has ended, or after `leave` waits for answers that never come. */
  get isQuiet(): boolean {
    const isStuck = this.#left !== undefined && this.#unanswered > 0
    return this.#attempts.size === 0 && this.#held === 0 && (this.#hasEnded || isStuck)
  }

  /** Resolves when it is. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenQuiet.push(resolve)
      this.#tellQuiet()
    })
  }

  async #hold(kind: 'pause' | 'suspend', options: PauseOptions): Promise<unknown> {
    const { key, timeoutMs = ONE_HOUR_MS, input, message } = options
    const outcome = await this.#call('wait', {
      id: key ?? this.identity(kind),
      kind,
      forMs: timeoutMs,
      ...(input === undefined ? {} : { input }),
      ...(message === undefined ? {} : { message }),
    })
    return outcome.is === 'done' ? decoded(outcome.value) : undefined
  }

  #startChild(options: ChildOptions, wait: boolean): Promise<ChildAnswer> {
    const { parameters, ...request } = options
    return this.#call('child.start', {
      ...request,
      id: options.id ?? this.identity(options.flow),
      parameters: refOf(parameters, 'parameters'),
      wait,
    })
  }

  #run<T>(attempt: Attempt, body: Body<T>): Promise<BodyOutcome> {
    const place = this.#begun++
    this.#attempts.set(place, attempt)
    return attempt.run(body, () => {
      this.#attempts.delete(place)
      this.#tellQuiet()
    })
  }

  #call<K extends keyof HostCalls>(kind: K, input: HostCalls[K]['in']): Promise<HostCalls[K]['out']> {
    this.#unanswered++
    if (this.#left !== undefined) {
      this.#tellQuiet()
      return never() // (E2)
    }
    return this.#host.call(kind, input).then(this.#answered, this.#refused)
  }

  #tellUnheld(): void {
    if (this.#held === 0) for (const resolve of this.#whenUnheld.splice(0)) resolve()
  }

  #tellQuiet(): void {
    if (this.#whenQuiet.length === 0 || !this.isQuiet) return
    for (const resolve of this.#whenQuiet.splice(0)) resolve()
  }
}

function never(): Promise<never> {
  return new Promise(() => {})
}

function callOf(id: string, options: TaskOptions, policy: TaskPolicy): TaskCall {
  const { task, name, tags, inputs, upstream, limits, wish, away, onMismatch, instead } = options
  return { id, task, policy, name, tags, inputs, upstream, limits, wish, away, onMismatch, instead }
}

function settledOf(id: string, answer: Extract<TaskAnswer, { do: 'settled' }>): Settled {
  const { tag, message, result, failure, replayed } = answer
  return {
    id,
    tag,
    value: decoded(result),
    replayed,
    ...(message === undefined ? {} : { message }),
    ...(failure === undefined ? {} : { failure }),
  }
}

function childSettled({ run, tag, message, result, failure }: ChildAnswer): Settled {
  return {
    id: run,
    tag,
    value: decoded(result),
    replayed: false,
    ...(message === undefined ? {} : { message }),
    ...(failure === undefined ? {} : { failure }),
  }
}

/** The value of what completed; anything else is thrown. */
function resultOf(settled: Settled): unknown {
  if (parseTag(settled.tag).type === 'COMPLETED') return settled.value
  throw errorOf(settled.failure, settled.message ?? `It ended ${parseTag(settled.tag).name}.`)
}

/** (E3) The host has loaded what is an object. */
function decoded(ref: ValueRef | undefined): unknown {
  return ref === undefined || 'object' in ref ? undefined : decodeJson(ref.v)
}
