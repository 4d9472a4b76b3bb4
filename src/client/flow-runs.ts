/** Runs of flows and of tasks: asked for, started, told, watched. */

import type {
  BuiltInSignal,
  BulkAnswer,
  BulkBody,
  FlowRun,
  FlowRunQuery,
  Graph,
  HistoryBucket,
  LogLine,
  Page,
  PastState,
  RunEvent,
  RunFilter,
  RunLogQuery,
  SignalAnswer,
  SignalBody,
  StartRun,
  StateCounts,
  TaskRun,
  TaskRunQuery,
} from '../api/index.ts'
import type { Live, LiveItem, Reader, SubscribeOptions } from './live/index.ts'
import { newKey, type Platform } from './platform.ts'
import { type Rest, segment } from './rest.ts'
import { RunStore, type RunStoreOptions } from './run-store.ts'

export class FlowRuns {
  readonly #rest: Rest
  readonly #live: Live
  readonly #platform: Platform

  constructor(rest: Rest, live: Live, platform: Platform) {
    this.#rest = rest
    this.#live = live
    this.#platform = platform
  }

  list(query: FlowRunQuery = {}): Promise<Page<FlowRun>> {
    return this.#rest.ask('GET', PATH, { query })
  }

  /** All that the filter finds, page by page. */
  all(query: Omit<FlowRunQuery, 'cursor'> = {}): AsyncGenerator<FlowRun, void> {
    return this.#rest.pages(PATH, query)
  }

  get(run: string): Promise<FlowRun> {
    return this.#rest.ask('GET', of(run))
  }

  /** Creates a run. Asked twice under one `idempotencyKey` there is one run. */
  start(run: StartRun): Promise<FlowRun> {
    return this.#rest.ask('POST', PATH, { body: run })
  }

  states(run: string, query: { readonly cursor?: string } = {}): Promise<Page<PastState>> {
    return this.#rest.ask('GET', of(run, '/states'), { query })
  }

  taskRuns(run: string, query: Omit<TaskRunQuery, 'run'> = {}): Promise<Page<TaskRun>> {
    return this.#rest.ask('GET', of(run, '/task-runs'), { query })
  }

  /** Its log lines, the oldest first; `after` is the id of a line. */
  logs(run: string, query: RunLogQuery = {}): Promise<Page<LogLine>> {
    return this.#rest.ask('GET', of(run, '/logs'), { query })
  }

  /** All its log lines. */
  allLogs(run: string, query: Omit<RunLogQuery, 'cursor'> = {}): AsyncGenerator<LogLine, void> {
    return this.#rest.pages(of(run, '/logs'), query)
  }

  graph(run: string): Promise<Graph> {
    return this.#rest.ask('GET', of(run, '/graph'))
  }

  /** How many there are, by type of state. */
  counts(query: RunFilter = {}): Promise<StateCounts> {
    return this.#rest.ask('GET', `${PATH}/counts`, { query })
  }

  /** Runs that began, by state, in even spans of time. */
  history(query: object = {}): Promise<Page<HistoryBucket>> {
    return this.#rest.ask('GET', `${PATH}/history`, { query })
  }

  pause(run: string, body: SignalBody = {}): Promise<SignalAnswer> {
    return this.signal(run, 'pause', body)
  }

  suspend(run: string, body: SignalBody = {}): Promise<SignalAnswer> {
    return this.signal(run, 'suspend', body)
  }

  /** `payload` is the input that the pause asked for. */
  resume(run: string, body: SignalBody = {}): Promise<SignalAnswer> {
    return this.signal(run, 'resume', body)
  }

  cancel(run: string, body: SignalBody = {}): Promise<SignalAnswer> {
    return this.signal(run, 'cancel', body)
  }

  retry(run: string, body: SignalBody = {}): Promise<SignalAnswer> {
    return this.signal(run, 'retry', body)
  }

  /**
   * Says to a run one of the five signals above, or the name of one that its code waits for. That the run does not take it
   * is an answer, `rejected`, with the signals it takes.
   */
  signal(run: string, name: string, body: SignalBody = {}): Promise<SignalAnswer> {
    const path = isBuiltIn(name) ? `/${name}` : `/signals/${segment(name)}`
    const key = body.key ?? newKey(this.#platform)
    return this.#rest.ask('POST', of(run, path), { body: { ...body, key }, answers: [409, 423] })
  }

  /** To every run that the filter finds. With `dryRun` they are only counted. */
  bulk(signal: BuiltInSignal, body: BulkBody): Promise<BulkAnswer> {
    return this.#rest.ask('POST', `${PATH}/bulk/${signal}`, { body })
  }

  /** Only one that has ended. */
  async delete(run: string): Promise<void> {
    await this.#rest.ask('DELETE', of(run))
  }

  /**
   * What the run is, then everything that happens to it, until it has ended and its last line was given.
   *
   * ```ts
   * for await (const item of client.flowRuns.watch(id)) if (item.kind === 'log') console.log(item.data.message)
   * ```
   */
  watch(run: string, options: SubscribeOptions = {}): Reader<LiveItem> {
    return this.#live.subscribe({ run }, options)
  }

  /** Everything that happens to runs that the filter finds, from now on. */
  watchAll(filter: RunFilter = {}, options: SubscribeOptions = {}): Reader<LiveItem> {
    return this.#live.subscribe({ runs: filter }, options)
  }

  /** The run as it is now, kept up to date while somebody is subscribed to it: for user interfaces. */
  store(run: string, options: RunStoreOptions = {}): RunStore {
    return new RunStore((subscribed) => this.watch(run, subscribed), this.#platform, options)
  }
}

export class TaskRuns {
  readonly #rest: Rest

  constructor(rest: Rest) {
    this.#rest = rest
  }

  list(query: TaskRunQuery = {}): Promise<Page<TaskRun>> {
    return this.#rest.ask('GET', TASKS, { query })
  }

  all(query: Omit<TaskRunQuery, 'cursor'> = {}): AsyncGenerator<TaskRun, void> {
    return this.#rest.pages(TASKS, query)
  }

  get(id: string): Promise<TaskRun> {
    return this.#rest.ask('GET', `${TASKS}/${segment(id)}`)
  }

  states(id: string): Promise<Page<PastState>> {
    return this.#rest.ask('GET', `${TASKS}/${segment(id)}/states`)
  }

  logs(id: string, query: Omit<RunLogQuery, 'task'> = {}): Promise<Page<LogLine>> {
    return this.#rest.ask('GET', `${TASKS}/${segment(id)}/logs`, { query })
  }
}

/** What happened, over all runs. */
export class Events {
  readonly #rest: Rest
  readonly #live: Live

  constructor(rest: Rest, live: Live) {
    this.#rest = rest
    this.#live = live
  }

  list(query: object = {}): Promise<Page<RunEvent>> {
    return this.#rest.ask('GET', '/api/v1/events', { query })
  }

  watch(filter: object = {}, options: SubscribeOptions = {}): Reader<LiveItem> {
    return this.#live.subscribe({ events: filter }, options)
  }
}

const PATH = '/api/v1/flow-runs'
const TASKS = '/api/v1/task-runs'
const of = (run: string, rest = '') => `${PATH}/${segment(run)}${rest}`

const BUILT_IN: readonly string[] = [
  'pause',
  'suspend',
  'resume',
  'cancel',
  'retry',
] satisfies BuiltInSignal[]

function isBuiltIn(name: string): boolean {
  return BUILT_IN.includes(name)
}
