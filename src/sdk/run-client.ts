/** What can be done with runs at a broker: told signals, watched, read. The SDK's side of a run that is elsewhere. */

import {
  type Answer,
  decodeEntry,
  errorOf,
  isTerminalTag,
  loadValue,
  openRun,
  parseTag,
  type RunRecord,
  type RunState,
  refOf,
  type Signal,
  sendSignal,
} from '../actors/index.ts'
import type { Entry } from '../broker/index.ts'
import {
  CallboardError,
  type DurationInput,
  decodeJson,
  isJsonObject,
  type JsonValue,
  mintId,
  parseDuration,
} from '../core/index.ts'
import type { Environment } from './environment.ts'
import { asStored } from './handed-over.ts'
import type { FlowRunHandle, HandleResultOptions, LogLine, RunEvent, SignalOptions } from './handle.ts'
import { LINES_NOTE } from './line-keeper.ts'
import { State } from './state.ts'

export class RunClient {
  readonly #env: Pick<Environment, 'broker' | 'deps'>

  constructor(env: Pick<Environment, 'broker' | 'deps'>) {
    this.#env = env
  }

  handle<R>(run: string): FlowRunHandle<R> {
    const wait = async (options: HandleResultOptions = {}) => (await this.wait(run, options)) as State<R>
    return {
      id: run,
      name: async () => (await this.inspect(run)).created.name,
      state: async () => (await this.state(run)) as State<R>,
      wait,
      result: async (options) => (await wait(options)).result(),
      logs: () => this.logs(run),
      events: () => this.events(run),
      pause: (options) => this.signal(run, 'pause', options),
      resume: (input, options) => this.signal(run, 'resume', options, input),
      cancel: (options = {}) => this.signal(run, 'cancel', options),
      retry: (options) => this.signal(run, 'retry', options),
      signal: (name, payload, options) => this.signal(run, name, options, payload),
    }
  }

  /** @throws CB_E_RUN_MISSING */
  async state(run: string): Promise<State> {
    return stateOfRun(this.#env, await this.inspect(run))
  }

  /** Waits for its end. @throws CB_E_RUN_MISSING, CB_E_TIMEOUT */
  async wait(run: string, { timeout }: HandleResultOptions = {}): Promise<State> {
    const signal = new AbortController()
    const timer =
      timeout === undefined
        ? undefined
        : this.#env.deps.clock.setTimer(parseDuration(timeout, 'The timeout'), () => signal.abort())
    try {
      for await (const state of this.#states(run, signal.signal))
        if (isTerminalTag(state.flow.tag)) return await stateOfRun(this.#env, state)
    } finally {
      timer?.cancel()
    }
    throw new CallboardError('CB_E_TIMEOUT', `Run ${run} has not ended within ${String(timeout)}.`)
  }

  async *logs(run: string): AsyncGenerator<LogLine, void> {
    for await (const records of this.records(run))
      for (const record of records) {
        if (record.k !== 'note' || record.kind !== LINES_NOTE || !Array.isArray(record.data.lines)) continue
        for (const line of record.data.lines) yield lineOf(line)
      }
  }

  async *events(run: string): AsyncGenerator<RunEvent, void> {
    for await (const records of this.records(run)) for (const record of records) yield* eventsOf(record)
  }

  /** @throws CB_E_SIGNAL_REJECTED, CB_E_RUN_MISSING */
  async signal(
    run: string,
    name: string,
    options: SignalOptions & { readonly graceSeconds?: DurationInput } = {},
    payload?: unknown,
  ): Promise<Answer> {
    const { broker, deps } = this.#env
    const { graceSeconds, message } = options
    const signal: Signal = {
      name,
      key: options.key ?? mintId(deps),
      by: options.by ?? { channel: 'code' },
      ...(payload === undefined ? {} : { payload: refOf(payload, 'the payload') }),
      ...(graceSeconds === undefined ? {} : { graceMs: parseDuration(graceSeconds, 'graceSeconds') }),
      ...(message === undefined ? {} : { message }),
    }
    const answer = await sendSignal(broker, deps, run, signal)
    if (answer.outcome === 'missing') throw missing(run)
    if (answer.outcome !== 'rejected') return answer
    const issues = (answer.issues ?? []).map((issue) => `\n  ${issue.path}: ${issue.message}`).join('')
    throw new CallboardError(
      'CB_E_SIGNAL_REJECTED',
      `Run ${run} is ${parseTag(answer.tag).name} and does not take '${name}': ${answer.reason}${issues}`,
      { details: { state: answer.tag, legalSignals: answer.legalSignals, issues: answer.issues ?? [] } },
    )
  }

  /** Everything that is in its log, folded. @throws CB_E_RUN_MISSING */
  async inspect(run: string): Promise<RunState> {
    const { broker, deps } = this.#env
    const state = await openRun(broker, deps, run)
    if (state === undefined) throw missing(run)
    return state
  }

  /** The state now, and again after each change. */
  async *#states(run: string, signal: AbortSignal): AsyncGenerator<RunState, void> {
    for await (const _ of this.#changes(run, signal)) yield await this.inspect(run)
  }

  /** The records so far, then those that come, until the run has ended. */
  async *records(run: string): AsyncGenerator<readonly RunRecord[], void> {
    let from = 1
    for await (const _ of this.#changes(run, new AbortController().signal)) {
      let isOver = false
      for await (const entry of this.#env.broker.log.read(run, { from })) {
        from = entry.rev + 1
        const records = decodeEntry(entry)
        isOver = records.some((record) => record.k === 'flow' && isTerminalTag(record.s)) || entry.tombstone
        yield records
      }
      if (isOver) return
    }
  }

  /** At once, and then whenever the run's log has grown. */
  async *#changes(run: string, signal: AbortSignal): AsyncGenerator<void, void> {
    let wake = () => {}
    let hasGrown = true
    let failure: { readonly error: unknown } | undefined
    const grown = (entries: readonly Entry[]) => {
      if (!entries.some((entry) => entry.subject === run)) return
      hasGrown = true
      wake()
    }
    const following = await this.#env.broker.log.follow({ partitions: 'all' }, 'tail', grown)
    const over = (error: unknown) => {
      failure ??= { error }
      wake()
    }
    following.ended.then(() => over(stopped(run)), over)
    signal.addEventListener('abort', () => wake(), { once: true })
    try {
      while (!signal.aborted) {
        if (failure !== undefined) throw failure.error
        if (hasGrown) {
          hasGrown = false
          yield
          continue
        }
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      await following.stop()
    }
  }
}

/** A folded run as user code sees its state. */
export async function stateOfRun(
  { broker }: Pick<Environment, 'broker'>,
  { id, flow, state, result, failure }: RunState,
): Promise<State> {
  const data = result === undefined ? undefined : decodeJson(await loadValue(broker.objects, result))
  const { type, name } = parseTag(flow.tag)
  const error = failure === undefined || type === 'COMPLETED' ? undefined : errorOf(failure)
  return asStored(
    new State({ type, name, message: state.message, timestamp: state.at, data, error, run: id }),
  )
}

function stopped(run: string): CallboardError {
  return new CallboardError(
    'CB_E_STOPPED',
    `Run ${run} is not watched any more: the connection to the broker was closed.`,
  )
}

function missing(run: string): CallboardError {
  return new CallboardError('CB_E_RUN_MISSING', `There is no run ${run}, or it is archived. Check the id.`)
}

function lineOf(line: JsonValue): LogLine {
  const { at, level, message, task } = isJsonObject(line) ? line : {}
  return {
    time: new Date(Number(at)),
    level: level as LogLine['level'],
    message: String(message),
    task: typeof task === 'string' ? task : undefined,
  }
}

function* eventsOf(record: RunRecord): Generator<RunEvent, void> {
  switch (record.k) {
    case 'created':
      return yield eventOf('flow', record.at, record.s, undefined)
    case 'flow':
      return yield eventOf('flow', record.e.at, record.s, messageIn(record.e))
    case 'task+':
      return yield eventOf(record.id, record.at, 'PENDING.Pending', undefined)
    case 'task':
      return yield eventOf(record.id, record.e.at, record.s, messageIn(record.e))
  }
}

function messageIn(event: object): string | undefined {
  return 'message' in event && typeof event.message === 'string' ? event.message : undefined
}

function eventOf(
  of: string,
  at: number,
  tag: RunState['flow']['tag'],
  message: string | undefined,
): RunEvent {
  return { time: new Date(at), of, ...parseTag(tag), message }
}
