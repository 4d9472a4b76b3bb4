/**
 * The log lines of a run: what its code says with its logger or prints, and what the engine says about it. They go to the
 * process's logger at once, and what the code said to whatever keeps the lines of the run as well (`line-keeper.ts`). Of the
 * facts of a line only `error` is kept, as its trace.
 */

import { type Deps, type Logger, type LogLevel, traceOf } from '../core/index.ts'
import { cutLine, type LineSink } from './line-keeper.ts'

/** Logs with the names of the run in every line. */
export interface RunLogger {
  debug(message: string, facts?: object): void
  info(message: string, facts?: object): void
  warn(message: string, facts?: object): void
  error(message: string, facts?: object): void
}

/** The lines of one run, or of one task run of it. */
export class RunLines implements RunLogger {
  readonly #logger: Logger
  readonly #keeper: LineSink
  readonly #deps: Deps
  readonly #task: { readonly id: string; readonly name: string } | undefined

  constructor(
    options: { readonly deps: Deps; readonly logger: Logger; readonly keeper: LineSink },
    task?: { readonly id: string; readonly name: string },
  ) {
    this.#deps = options.deps
    this.#keeper = options.keeper
    this.#logger = options.logger
    this.#task = task
  }

  debug(message: string, facts: object = {}): void {
    this.#said('debug', message, facts)
  }

  info(message: string, facts: object = {}): void {
    this.#said('info', message, facts)
  }

  warn(message: string, facts: object = {}): void {
    this.#said('warn', message, facts)
  }

  error(message: string, facts: object = {}): void {
    this.#said('error', message, facts)
  }

  /** What the engine says: for whoever looks on; the log knows it already, but for what `keep` says. */
  engine(
    level: LogLevel,
    message: string,
    facts: object = {},
    options: { readonly keep?: boolean } = {},
  ): void {
    if (options.keep === true) this.#said(level, message, facts)
    else this.#log(level, message, facts)
  }

  #said(level: LogLevel, message: string, facts: object): void {
    this.#log(level, message, facts)
    this.#keeper.keep({
      at: this.#deps.clock.now(),
      level,
      message: cutLine(withTrace(message, facts)),
      ...(this.#task === undefined ? {} : { task: this.#task.id }),
    })
  }

  /** A logger of each task run's own would cost more than most task runs say. */
  #log(level: LogLevel, message: string, facts: object): void {
    this.#logger[level](this.#task === undefined ? facts : { taskRun: this.#task.name, ...facts }, message)
  }
}

function withTrace(message: string, facts: object): string {
  return 'error' in facts && facts.error instanceof Error ? `${message}\n${traceOf(facts.error)}` : message
}
