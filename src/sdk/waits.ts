/** Waiting inside a run: for time, for a person, for a signal. What is waited for stands in the run's log. */

import type { Answer, Sender } from '../actors/index.ts'
import { CallboardError, type DurationInput, parseDuration, sleep as sleepOn } from '../core/index.ts'
import { anyText, checkOptions, duration, text } from './check-options.ts'
import { tellRun } from './control.ts'
import type { SignalOptions } from './handle.ts'
import { listOf, runHooks } from './hooks.ts'
import { identify } from './identity.ts'
import { parts } from './parts.ts'
import { flowRunInfo } from './runtime.ts'
import { type Answered, type AskedInput, answerOf, inputRequestOf } from './schema.ts'
import { type Scope, scopeFor } from './scope.ts'
import { State } from './state.ts'

/**
 * Waits. In a flow the wait survives the process: a long one leaves it, and the run goes on wherever there is a worker.
 * In a task it is a plain wait that an abort ends.
 */
export async function sleep(duration: DurationInput): Promise<void> {
  const { flow, task } = scopeFor('sleep()')
  const ms = parseDuration(duration, 'The duration of sleep()')
  if (task === undefined) return flow.session.sleep(ms)
  return sleepOn(flow.env.deps.clock, ms, task.body.signal)
}

export interface PauseFlowRunOptions<I extends AskedInput | undefined = undefined> {
  /** After this the run fails: nobody came. Default one hour; null for never. */
  readonly timeoutSeconds?: DurationInput | null
  /** A pause of one key fires once per attempt of the run. Default: one for each call. */
  readonly key?: string
  /** What whoever resumes it is asked for: a schema, a JSON Schema, or `String`, `Number`, `Boolean`. */
  readonly input?: I
  /** What they are told. */
  readonly message?: string
}

/**
 * Waits, in its process, until the run is resumed; gives what it was resumed with. Tasks that run go on.
 *
 * ```ts
 * const { approved } = await pauseFlowRun({ timeoutSeconds: 600, input: z.object({ approved: z.boolean() }) })
 * ```
 */
export function pauseFlowRun<I extends AskedInput | undefined = undefined>(
  options?: PauseFlowRunOptions<I>,
): Promise<Answered<I>>
/** From outside: holds a run before its next task; what runs may finish. @throws CB_E_SIGNAL_REJECTED */
export function pauseFlowRun(id: string, options?: SignalOptions): Promise<Answer>
export function pauseFlowRun(
  first: string | PauseFlowRunOptions<AskedInput | undefined> = {},
  second?: SignalOptions,
): Promise<unknown> {
  return typeof first === 'string' ? tellRun(first, 'pause', second) : hold('pause', first)
}

/** As `pauseFlowRun`, but the code leaves its process; on resume it runs again from the top, and comes here again. */
export function suspendFlowRun<I extends AskedInput | undefined = undefined>(
  options?: PauseFlowRunOptions<I>,
): Promise<Answered<I>>
/** From outside. @throws CB_E_SIGNAL_REJECTED */
export function suspendFlowRun(id: string, options?: SignalOptions): Promise<Answer>
export function suspendFlowRun(
  first: string | PauseFlowRunOptions<AskedInput | undefined> = {},
  second?: SignalOptions,
): Promise<unknown> {
  return typeof first === 'string' ? tellRun(first, 'suspend', second) : hold('suspend', first)
}

async function hold<I extends AskedInput | undefined>(
  kind: 'pause' | 'suspend',
  options: PauseFlowRunOptions<I>,
): Promise<Answered<I>> {
  const { input, key, message, timeoutSeconds } = options
  const scope = scopeFor(
    kind === 'pause' ? 'pauseFlowRun()' : 'suspendFlowRun()',
    `Inside a flow it needs no id; outside, give one: ${kind}FlowRun('<run id>').`,
  )
  const { session } = scope.flow
  checkOptions(`${kind}FlowRun()`, options, HOLD_OPTIONS)
  await tellPaused(scope, kind)
  const ms =
    timeoutSeconds === undefined || timeoutSeconds === null
      ? timeoutSeconds
      : parseDuration(timeoutSeconds, 'timeoutSeconds')
  const given = await session[kind]({
    key: key ?? identify(scope, kind),
    ...(ms === undefined ? {} : { timeoutMs: ms }),
    ...(input === undefined ? {} : { input: inputRequestOf(input, message) }),
    ...(message === undefined ? {} : { message }),
  })
  return (await answerOf(input, given)) as Answered<I>
}

const HOLD_OPTIONS = {
  key: text,
  message: anyText,
  input: { form: 'a schema', is: (value: unknown) => value !== null }, // looked at where it is used
  timeoutSeconds: { form: duration.form, is: (value: unknown) => value === null || duration.is(value) },
}

async function tellPaused({ flow }: Scope, kind: 'pause' | 'suspend'): Promise<void> {
  const hooks = listOf(flow.flow.options.onPaused)
  flow.lines.engine(
    'info',
    kind === 'pause'
      ? 'Pausing flow, execution will continue when this flow run is resumed.'
      : 'Suspending flow, it will run again from the top when this flow run is resumed.',
  )
  if (hooks.length === 0) return
  const state = new State({
    type: 'PAUSED',
    name: kind === 'pause' ? 'Paused' : 'Suspended',
    timestamp: new Date(flow.env.deps.clock.now()),
    run: flow.session.start.run,
  })
  await runHooks('onPaused', hooks, flow.lines, flow.flow, flowRunInfo(flow), state)
}

export interface WaitForSignalOptions<I extends AskedInput | undefined = undefined> {
  /** What its payload must be. Checked when it is waited for: a payload that does not fit is refused. */
  readonly schema?: I
  /** Seconds, or as a text. Default: no end. */
  readonly timeout?: DurationInput
  /** What comes of it when nobody sent it in time: a value, or a function that makes or throws one. Default: throws. */
  readonly onTimeout?: unknown
}

/**
 * Waits for the first signal of this name that no earlier wait has taken, also one that came before.
 *
 * @throws CB_E_TIMEOUT when it did not come in time and no `onTimeout` was given
 */
export async function waitForSignal<I extends AskedInput | undefined = undefined>(
  name: string,
  options: WaitForSignalOptions<I> = {},
): Promise<Answered<I>> {
  const { payload } = await receive(name, options)
  return payload as Answered<I>
}

interface Received {
  readonly payload: unknown
  readonly by: Sender | undefined
}

async function receive(
  name: string,
  options: WaitForSignalOptions<AskedInput | undefined>,
): Promise<Received> {
  const { flow } = scopeFor('waitForSignal()')
  checkOptions('waitForSignal()', { name }, { name: text })
  const { onTimeout, schema, timeout } = options
  const timeoutMs = timeout === undefined ? null : parseDuration(timeout, 'The timeout of waitForSignal()')
  const outcome = await flow.session.waitForSignal(name, {
    timeoutMs,
    ...(schema === undefined ? {} : { input: inputRequestOf(schema) }),
  })
  if (outcome.is === 'received') return { payload: await answerOf(schema, outcome.payload), by: outcome.by }
  if (typeof onTimeout === 'function') return { payload: await onTimeout(), by: undefined }
  if ('onTimeout' in options) return { payload: onTimeout, by: undefined }
  throw new CallboardError('CB_E_TIMEOUT', `The signal '${name}' did not come within ${String(timeout)}.`)
}

export interface ApprovalOptions {
  /** What is to be approved. */
  readonly message: string
  /** Who may decide, by principal. Default: anybody. */
  readonly approvers?: readonly string[]
  /** How many of them must approve. Default 1. */
  readonly quorum?: number
  /** Seconds, or as a text. Default: no end. */
  readonly timeout?: DurationInput
  /** What it is when nobody decided in time. Default `reject`. */
  readonly onTimeout?: 'approve' | 'reject'
}

export interface ApprovalDecision {
  readonly approved: boolean
  /** Those who decided, the last one last. */
  readonly by: readonly string[]
  readonly comment: string | undefined
  /** Nobody decided in time. */
  readonly timedOut: boolean
}

/**
 * Asks people: waits until as many as the quorum have approved, or one has rejected. They decide with the signal
 * `approval` and a payload `{ approved: true, comment?: '…' }`.
 */
export async function approval(options: ApprovalOptions): Promise<ApprovalDecision> {
  const { approvers, message, onTimeout = 'reject', quorum = 1, timeout } = options
  const { flow } = scopeFor('approval()')
  await flow.session.note('approval', {
    message,
    quorum,
    approvers: approvers === undefined ? null : [...approvers],
  })
  const by: string[] = []
  for (;;) {
    const { by: sender, payload } = await receive('approval', {
      ...(timeout === undefined ? {} : { timeout }),
      onTimeout: TIMED_OUT,
    })
    if (payload === TIMED_OUT)
      return { approved: onTimeout === 'approve', by, comment: undefined, timedOut: true }
    const { approved, comment } = decisionOf(payload)
    const who = sender?.principal ?? sender?.channel ?? 'unknown'
    if (approvers !== undefined && !approvers.includes(who)) {
      flow.lines.warn(
        `'${who}' is none of those who may approve '${message}'; their decision does not count.`,
      )
      continue
    }
    if (by.includes(who) && approved) continue
    by.push(who)
    if (!approved || by.length >= quorum) return { approved, by, comment, timedOut: false }
  }
}

const TIMED_OUT = Symbol('timed out')

function decisionOf(payload: unknown): { readonly approved: boolean; readonly comment: string | undefined } {
  if (typeof payload !== 'object' || payload === null)
    return { approved: payload === true, comment: undefined }
  const comment = 'comment' in payload && typeof payload.comment === 'string' ? payload.comment : undefined
  return { approved: 'approved' in payload && payload.approved === true, comment }
}

/** Sends a named signal to another run; its `waitForSignal` gets it, now or later. */
export async function sendSignal(run: string, name: string, payload?: unknown): Promise<void> {
  const scope = scopeFor(
    'sendSignal()',
    'Outside, connect first: (await connect()).signal(id, name, payload).',
  )
  const { env, session } = scope.flow
  // The same call in a replay is the same signal.
  const key = `${session.start.run}/${identify(scope, `send:${run}:${name}`)}`
  await new (parts().RunClient)(env).signal(run, name, { key }, payload)
}
