/** Runs, spoken with through a gateway: what `connect('https://…')` gives. The same calls as at a broker, and their types. */

import { type Answer, errorOf, isTerminalTag, tagOf } from '../actors/index.ts'
import {
  createClient,
  type GatewayClient,
  GatewayError,
  type LiveEvent,
  type SignalAnswer,
} from '../client/index.ts'
import {
  CallboardError,
  type Clock,
  decodeJson,
  encodeToJson,
  type JsonValue,
  parseDuration,
} from '../core/index.ts'
import type { Client } from './control.ts'
import type { FlowRunHandle, HandleResultOptions, LogLine, RunEvent, SignalOptions } from './handle.ts'
import { State } from './state.ts'

type StateView = Awaited<ReturnType<GatewayClient['flowRuns']['get']>>['state']

/** @param token an API key */
export function gatewayRuns(url: string, token: string | undefined, clock: Clock): Client {
  const gateway = createClient({ url, ...(token === undefined ? {} : { token }) })
  const state = async (run: string) => stateOf(run, (await asked(gateway.flowRuns.get(run))).state)

  async function signal(
    run: string,
    name: string,
    payload: unknown,
    { graceSeconds, key, message }: SignalOptions & { readonly graceSeconds?: number | string } = {},
  ): Promise<Answer> {
    const answer = await asked(
      gateway.flowRuns.signal(run, name, {
        ...(payload === undefined ? {} : { payload: encodeToJson(payload, 'the payload') }),
        ...(key === undefined ? {} : { key }),
        ...(message === undefined ? {} : { message }),
        ...(graceSeconds === undefined ? {} : { graceMs: parseDuration(graceSeconds, 'graceSeconds') }),
      }),
    )
    return answerOf(run, name, answer)
  }

  async function wait(run: string, { timeout }: HandleResultOptions = {}): Promise<State> {
    const reader = gateway.flowRuns.watch(run, { kinds: ['state'] })
    const late = Promise.withResolvers<never>()
    const ms = timeout === undefined ? undefined : parseDuration(timeout, 'The timeout')
    const timer =
      ms === undefined
        ? undefined
        : clock.setTimer(ms, () =>
            late.reject(
              new CallboardError('CB_E_TIMEOUT', `Run ${run} has not ended within ${String(timeout)}.`),
            ),
          )
    const ended = async () => {
      for await (const item of reader) {
        if (item.kind === 'snapshot' && isOver(item.snapshot?.run.state)) break
        if (item.kind === 'state' && isOver(item.data.state)) break
      }
    }
    try {
      await Promise.race([asked(ended()), late.promise])
      return await state(run)
    } finally {
      timer?.cancel()
      await reader.return()
    }
  }

  async function* logs(run: string): AsyncGenerator<LogLine, void> {
    for await (const item of gateway.flowRuns.watch(run, { kinds: ['log'], after: 'start' })) {
      if (item.kind !== 'log') continue
      const { level, message, task, timestamp } = item.data
      yield { time: new Date(timestamp), level, message, task }
    }
  }

  async function* events(run: string): AsyncGenerator<RunEvent, void> {
    for await (const item of gateway.flowRuns.watch(run, { kinds: ['state', 'task'], after: 'start' }))
      if (item.kind === 'state' || item.kind === 'task') yield* eventsOf(item)
  }

  const handle = <R>(run: string): FlowRunHandle<R> => ({
    id: run,
    name: async () => (await asked(gateway.flowRuns.get(run))).name,
    state: async () => (await state(run)) as State<R>,
    wait: async (options) => (await wait(run, options)) as State<R>,
    result: async (options) => ((await wait(run, options)) as State<R>).result(),
    logs: () => logs(run),
    events: () => events(run),
    pause: (options) => signal(run, 'pause', undefined, options),
    resume: (input, options) => signal(run, 'resume', input, options),
    cancel: (options) => signal(run, 'cancel', undefined, options),
    retry: (options) => signal(run, 'retry', undefined, options),
    signal: (name, payload, options) => signal(run, name, payload, options),
  })
  const close = async () => gateway.close()
  return {
    run: handle,
    state,
    signal: (run, name, payload, options) => signal(run, name, payload, options),
    async start(deployment, { idempotencyKey, name, parameters, scheduledTime, tags } = {}) {
      const started = await asked(
        gateway.flowRuns.start({
          deployment,
          ...(parameters === undefined ? {} : { parameters: { ...parameters } }),
          ...(name === undefined ? {} : { name }),
          ...(tags === undefined ? {} : { tags: [...tags] }),
          ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
          ...(scheduledTime === undefined ? {} : { scheduledTime: scheduledTime.toISOString() }),
        }),
      )
      return handle(started.id)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** What the gateway refuses with one of our codes is thrown as at a broker. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'CB_E_RUN_MISSING')
      throw new CallboardError('CB_E_RUN_MISSING', error.message, { cause: error })
    throw error
  }
}

function isOver(state: StateView | undefined): boolean {
  return state !== undefined && isTerminalTag(tagOf(state.type, state.name))
}

function stateOf(run: string, { data, details, message, name, timestamp, type }: StateView): State {
  const { error } = details
  return new State({
    type,
    name,
    run,
    timestamp: new Date(timestamp),
    ...(data === undefined ? {} : { data: decodeJson(data as JsonValue) }),
    ...(message === undefined ? {} : { message }),
    ...(isFailure(error) ? { error: errorOf(error) } : {}),
  })
}

function isFailure(value: unknown): value is { readonly name: string; readonly message: string } {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value
}

/** @throws CB_E_SIGNAL_REJECTED */
function answerOf(run: string, name: string, answer: SignalAnswer): Answer {
  const { errors = [], legalSignals = [], outcome, reason = '', state } = answer
  const tag = tagOf(state.type, state.name)
  if (outcome === 'wait') return { outcome, tag, retryAfterMs: answer.retryAfterMs ?? 0 }
  if (outcome !== 'rejected') return { outcome, tag, rev: answer.rev ?? 0 }
  const issues = errors.map(({ message, path }) => `\n  ${path}: ${message}`).join('')
  throw new CallboardError(
    'CB_E_SIGNAL_REJECTED',
    `Run ${run} is ${state.name} and does not take '${name}': ${reason}${issues}`,
    { details: { state: tag, legalSignals, issues: errors } },
  )
}

function* eventsOf(item: Extract<LiveEvent, { kind: 'state' | 'task' }>): Generator<RunEvent, void> {
  const of = item.kind === 'state' ? 'flow' : item.data.key
  if (of === undefined) return
  const { state, overtook = [] } = item.data
  for (const { name, timestamp, type } of overtook)
    yield { time: new Date(timestamp), of, type, name, message: undefined }
  const { message, name, timestamp, type } = state
  yield { time: new Date(timestamp), of, type, name, message }
}
