/** The options of a flow: what the user may give, and what holds once they are checked. */

import type { FlowPolicy } from '../actors/index.ts'
import { CallboardError, type DurationInput, parseDuration } from '../core/index.ts'
import * as is from './check-options.ts'
import type { RunSettings } from './environment.ts'
import type { Hook, StateHook } from './hooks.ts'
import { isBackoff, type RetryDelayInput } from './retries.ts'
import { isStandardSchema, type StandardSchema } from './schema.ts'
import type { RunNameInput } from './task-options.ts'
import { isTaskRunner, type TaskRunner } from './task-runner.ts'

export interface FlowOptions {
  /** What the flow is known by, for ever. Default: the function's name in kebab-case. */
  readonly name?: string
  readonly description?: string
  /** Default: a hash of the file that defines the flow. */
  readonly version?: string
  readonly tags?: readonly string[]
  /** What the one argument must be: any Standard Schema. Fills in defaults and coerces. */
  readonly parameters?: StandardSchema<unknown, unknown>
  /** What its runs are called: a template (`'weather-{lat}'`) or a function. Default: two words. */
  readonly runName?: RunNameInput
  /** How often the whole function is tried again; tasks that completed keep their results. Default 0. */
  readonly retries?: number
  /** The wait before each of them. Seconds, or as a text; default 0. */
  readonly retryDelaySeconds?: RetryDelayInput
  readonly retryJitterFactor?: number
  /** Longest time in Running for one attempt; then it is TimedOut. Seconds, or as a text; default: no limit. */
  readonly timeoutSeconds?: DurationInput
  /** What submitted tasks pass through. Default `concurrent()`. */
  readonly taskRunner?: TaskRunner
  /**
   * Whether the result of a run is stored. `false`: it is given to whoever called the flow in this process and waits, and to
   * nobody else; asked for elsewhere, or by a replay, it throws CB_E_RESULT_MISSING. Default true: a result that cannot be
   * stored fails the run. Given, it holds for tasks as well that say nothing about results.
   */
  readonly persistResult?: boolean
  /** Whether prints go to the run's log. Default: as the flow around it, or the setting, says. */
  readonly logPrints?: boolean
  /** What becomes of a run whose host is lost: another takes it over, or it is Crashed. Default `recover`. */
  readonly onCrash?: 'recover' | 'crash'
  /** How often it is taken over. Default: the setting, 3. */
  readonly maxRecoveries?: number
  /** How long a cancelled run may take to stop by itself. Seconds, or as a text; default: the setting, 30 s. */
  readonly graceSeconds?: DurationInput
  /** Names of the concurrency limits that a run needs a slot of. */
  readonly concurrency?: string | readonly string[]
  readonly onRunning?: Hook | readonly Hook[]
  readonly onCompletion?: Hook | readonly Hook[]
  /** Also for bad parameters; not for attempts that will be retried. */
  readonly onFailure?: Hook | readonly Hook[]
  readonly onCancellation?: Hook | readonly Hook[]
  /**
   * When the code itself ends the run Crashed. A run that is lost with its host for good has nobody left to run them: its
   * state is in its log and in the gateway's events all the same.
   */
  readonly onCrashed?: Hook | readonly Hook[]
  readonly onPaused?: Hook | readonly Hook[]
  readonly onStateChange?: StateHook | readonly StateHook[]
}

const KINDS: Readonly<Record<keyof FlowOptions, is.OptionKind>> = {
  name: is.text,
  description: is.text,
  version: is.text,
  tags: is.texts,
  parameters: { form: 'a Standard Schema, such as z.object({ … })', is: isStandardSchema },
  runName: is.textOrFunction,
  retries: is.count,
  retryDelaySeconds: { ...is.delay, is: (value) => is.delay.is(value) || isBackoff(value) },
  retryJitterFactor: is.factor,
  timeoutSeconds: is.duration,
  taskRunner: { form: 'sequential(), concurrent({ max }) or distributed({ queue })', is: isTaskRunner },
  persistResult: is.flag,
  logPrints: is.flag,
  onCrash: is.oneOf('recover', 'crash'),
  maxRecoveries: is.count,
  graceSeconds: is.duration,
  concurrency: is.textOrTexts,
  onRunning: is.hooks,
  onCompletion: is.hooks,
  onFailure: is.hooks,
  onCancellation: is.hooks,
  onCrashed: is.hooks,
  onPaused: is.hooks,
  onStateChange: is.hooks,
}

/** @throws CB_E_OPTION_UNKNOWN, CB_E_OPTION_INVALID */
export function checkFlowOptions(name: string, options: FlowOptions): void {
  const what = `flow '${name}'`
  is.checkOptions(what, options, KINDS)
  if ((options.retries ?? 0) === 0 && options.retryDelaySeconds !== undefined)
    throw new CallboardError(
      'CB_E_OPTION_INVALID',
      `The options retries and retryDelaySeconds of ${what} contradict each other: there is no retry to wait for. Give retries: 1 or more.`,
    )
  if (options.onCrash === 'crash' && options.maxRecoveries !== undefined)
    throw new CallboardError(
      'CB_E_OPTION_INVALID',
      `The options onCrash and maxRecoveries of ${what} contradict each other: what crashes is not taken over. Drop one of them.`,
    )
}

/** What decides how a run of the flow is treated; stands in its log. */
export function flowPolicyOf(options: FlowOptions, settings: RunSettings): FlowPolicy {
  const { concurrency, graceSeconds, timeoutSeconds } = options
  return {
    retries: options.retries ?? 0,
    maxRecoveries: options.maxRecoveries ?? settings.maxRecoveries,
    onCrash: options.onCrash ?? 'recover',
    graceMs: graceSeconds === undefined ? settings.graceMs : parseDuration(graceSeconds, 'graceSeconds'),
    timeoutMs: timeoutSeconds === undefined ? null : parseDuration(timeoutSeconds, 'timeoutSeconds'),
    lateAfterMs: settings.lateAfterMs,
    target: { queue: settings.queue, priority: 1 },
    limits: concurrency === undefined ? [] : typeof concurrency === 'string' ? [concurrency] : concurrency,
  }
}
