/** The options of a task: what the user may give, and what holds once they are checked. */

import type { RetryPolicy } from '../actors/index.ts'
import { CallboardError, type DurationInput, parseDuration } from '../core/index.ts'
import { type CacheKeyFunction, type CachePolicy, isCachePolicy } from './caching/index.ts'
import * as is from './check-options.ts'
import type { Hook, StateHook, TransactionHook } from './hooks.ts'
import type { Serializer, Storage } from './results.ts'
import { isBackoff, type RetryDelayInput, retryPolicyOf } from './retries.ts'
import type { TaskRunInfo } from './runtime.ts'
import type { State } from './state.ts'
import type { TaskDefinition } from './task-definition.ts'
import { TRIGGERS, type Trigger } from './triggers.ts'

/** A name for each run: a template (`'hello-{name}'`) or a function of the parameters by name. */
export type RunNameInput = string | ((parameters: Readonly<Record<string, unknown>>) => string)

/** May refuse a retry. An error in it refuses. */
export type RetryCondition = (
  task: TaskDefinition,
  run: TaskRunInfo,
  state: State<never>,
) => boolean | Promise<boolean>

export interface TaskOptions {
  /** What the task is known by, for ever. Default: the function's name in kebab-case. */
  readonly name?: string
  readonly description?: string
  readonly tags?: readonly string[]
  readonly version?: string
  /** What its runs are called. Default: the name and a counter. */
  readonly runName?: RunNameInput
  /** Attempts after the first one. Default 0. */
  readonly retries?: number
  /** The wait before each of them. Seconds, or as a text; default 0. */
  readonly retryDelaySeconds?: RetryDelayInput
  /** j draws the wait from [d, d·(1+j)]. Default 0. */
  readonly retryJitterFactor?: number
  readonly retryCondition?: RetryCondition
  /** Longest time one attempt may take; then it is TimedOut. Seconds, or as a text; default: no limit. */
  readonly timeoutSeconds?: DurationInput
  /**
   * Longest time the body may go without calling `heartbeat()`; then it is TimedOut. Seconds, or as a text; default: no
   * limit.
   */
  readonly heartbeatSeconds?: DurationInput
  /** A key of one's own for the cache; undefined for none this time. */
  readonly cacheKeyFn?: CacheKeyFunction
  /** What a result is remembered by. Default: it is not. */
  readonly cachePolicy?: CachePolicy
  /** How long a result is remembered. Default: for ever. */
  readonly cacheExpiration?: DurationInput
  /** Runs all the same, and remembers the new result. Default false. */
  readonly refreshCache?: boolean
  /**
   * `true`: a result that cannot be stored fails the run. `false`: the result is not stored; a replay that needs it
   * throws. Default: stored, and when it cannot be, a warning.
   */
  readonly persistResult?: boolean
  /** Where results are kept. Default: in the run's log. */
  readonly resultStorage?: Storage
  /** How results are written there. Default: tagged JSON. */
  readonly serializer?: Serializer
  /** Whether prints go to the log. Default: as the flow, or the task around it, says. */
  readonly logPrints?: boolean
  /** Which ends of its upstream runs let it run. Default `allSuccessful`. */
  readonly trigger?: Trigger
  /** Whether it is skipped when an upstream run was. Default true. */
  readonly skipOnUpstreamSkip?: boolean
  /** Names of the concurrency limits that it needs a slot of. */
  readonly concurrency?: string | readonly string[]
  /**
   * `worker`: its bodies run in a process that serves it, however it is called; `here`: in the flow's own process, also
   * when that has `distributed()` as its task runner. Default: as the flow's task runner says.
   */
  readonly runner?: 'here' | 'worker'
  /** When a replay meets other inputs under this call's identity. Default `error`. */
  readonly onReplayMismatch?: 'error' | 'rerun'
  readonly onRunning?: Hook | readonly Hook[]
  readonly onCompletion?: Hook | readonly Hook[]
  readonly onFailure?: Hook | readonly Hook[]
  /** Runs when the transaction that the task completed in is rolled back. */
  readonly onRollback?: TransactionHook | readonly TransactionHook[]
  /** Runs when it is committed. */
  readonly onCommit?: TransactionHook | readonly TransactionHook[]
  readonly onStateChange?: StateHook | readonly StateHook[]
}

const KINDS: Readonly<Record<keyof TaskOptions, is.OptionKind>> = {
  name: is.text,
  description: is.text,
  tags: is.texts,
  version: is.text,
  runName: is.textOrFunction,
  retries: is.count,
  retryDelaySeconds: { ...is.delay, is: (value) => is.delay.is(value) || isBackoff(value) },
  retryJitterFactor: is.factor,
  retryCondition: is.callable,
  timeoutSeconds: is.duration,
  heartbeatSeconds: is.duration,
  cacheKeyFn: is.callable,
  cachePolicy: { form: 'a cache policy, such as inputs or combine(inputs, taskSource)', is: isCachePolicy },
  cacheExpiration: is.duration,
  refreshCache: is.flag,
  persistResult: is.flag,
  resultStorage: is.record,
  serializer: is.record,
  logPrints: is.flag,
  trigger: is.oneOf(...TRIGGERS),
  skipOnUpstreamSkip: is.flag,
  concurrency: is.textOrTexts,
  runner: is.oneOf('here', 'worker'),
  onReplayMismatch: is.oneOf('error', 'rerun'),
  onRunning: is.hooks,
  onCompletion: is.hooks,
  onFailure: is.hooks,
  onRollback: is.hooks,
  onCommit: is.hooks,
  onStateChange: is.hooks,
}

/** @throws CB_E_OPTION_UNKNOWN, CB_E_OPTION_INVALID */
export function checkTaskOptions(name: string, options: TaskOptions): void {
  const what = `task '${name}'`
  is.checkOptions(what, options, KINDS)
  const contradict = (one: keyof TaskOptions, other: keyof TaskOptions, why: string) => {
    throw new CallboardError(
      'CB_E_OPTION_INVALID',
      `The options ${one} and ${other} of ${what} contradict each other: ${why}`,
      { details: { options: [one, other] } },
    )
  }
  if (options.cacheKeyFn !== undefined && options.cachePolicy !== undefined)
    contradict('cacheKeyFn', 'cachePolicy', 'both say what the key is. Give one of them.')
  const isCached = options.cacheKeyFn !== undefined || options.cachePolicy !== undefined
  if (!isCached && options.cacheExpiration !== undefined)
    contradict('cacheExpiration', 'cachePolicy', 'nothing is remembered without a policy. Give one.')
  const hasRetries = options.retries !== 0
  if (!hasRetries && options.retryDelaySeconds !== undefined)
    contradict('retries', 'retryDelaySeconds', 'there is no retry to wait for. Give retries: 1 or more.')
  if (options.persistResult === false && options.resultStorage !== undefined)
    contradict('persistResult', 'resultStorage', 'results that are not kept need no place. Drop one of them.')
}

/** What the session is told for every run of a task. */
export interface CompiledTask {
  readonly retry: RetryPolicy
  readonly timeoutMs: number | null
  readonly silenceMs: number | undefined
  readonly limits: readonly string[] | undefined
}

export function compileTask(options: TaskOptions, defaultRetries: number): CompiledTask {
  const { concurrency, heartbeatSeconds, retries = defaultRetries, timeoutSeconds } = options
  return {
    retry: retryPolicyOf({ ...options, retries }),
    timeoutMs: timeoutSeconds === undefined ? null : parseDuration(timeoutSeconds, 'timeoutSeconds'),
    silenceMs:
      heartbeatSeconds === undefined ? undefined : parseDuration(heartbeatSeconds, 'heartbeatSeconds'),
    limits:
      concurrency === undefined ? undefined : typeof concurrency === 'string' ? [concurrency] : concurrency,
  }
}
