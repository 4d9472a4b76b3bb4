/**
 * The log lines of a run: what its code says with its logger or prints, and what the engine says about it. They go to the
 * process's logger at once, and what the code said into the run's own log as well, gathered, without making the code
 * wait.
 *
 * Invariants
 * (L1) Lines keep their order within a run.
 * (L2) No secret that can be recognised as one is kept.
 * (L3) A line that cannot be kept is told about once in the process's log; it never fails the run.
 */

import type { RunSession } from '../actors/index.ts'
import { type Deps, type JsonObject, type Logger, type LogLevel, redactText } from '../core/index.ts'

/** Logs with the names of the run in every line. */
export interface RunLogger {
  debug(message: string, facts?: object): void
  info(message: string, facts?: object): void
  warn(message: string, facts?: object): void
  error(message: string, facts?: object): void
}

/** One kept line, as it stands in the run's log. */
export interface KeptLine {
  readonly at: number
  readonly level: LogLevel
  readonly message: string
  /** Identity of the task run that said it. */
  readonly task?: string
}

/** A note holds this many lines at most, and about this much text. */
const LINES_PER_NOTE = 200
const CHARS_PER_NOTE = 12_000
const LONGEST_LINE = 8_000
const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']

/** The kind of the notes that lines are kept in. */
export const LINES_NOTE = 'log'

/** Keeps the lines of one execution of a run's code. */
export class LineKeeper {
  readonly #session: RunSession
  readonly #deps: Deps
  readonly #level: number
  #lines: KeptLine[] = []
  #chars = 0
  #isFlushing = false
  #written: Promise<void> = Promise.resolve()

  /** Keeps what is as important as `level`, or more. */
  constructor(session: RunSession, deps: Deps, level: LogLevel) {
    this.#session = session
    this.#deps = deps
    this.#level = LEVELS.indexOf(level)
  }

  keep(line: KeptLine): void {
    if (LEVELS.indexOf(line.level) < this.#level) return
    const message = redactText(line.message) // (L2)
    this.#lines.push({ ...line, message })
    this.#chars += message.length
    if (this.#lines.length >= LINES_PER_NOTE || this.#chars >= CHARS_PER_NOTE) this.#flush()
    else if (!this.#isFlushing) {
      this.#isFlushing = true
      this.#deps.clock.defer(() => this.#flush())
    }
  }

  /** Resolves once everything said so far is on its way into the log. */
  async drain(): Promise<void> {
    this.#flush()
    await this.#written
  }

  #flush(): void {
    this.#isFlushing = false
    if (this.#lines.length === 0) return
    const lines = this.#lines.map((line): JsonObject => ({ ...line }))
    this.#lines = []
    this.#chars = 0
    const note = this.#session.note(LINES_NOTE, { lines }).catch((error) => {
      this.#deps.logger.debug({ error }, 'log lines of a run could not be kept') // (L3)
    })
    this.#written = this.#written.then(() => note)
  }
}

/** The lines of one run, or of one task run of it. */
export class RunLines implements RunLogger {
  readonly #logger: Logger
  readonly #keeper: LineKeeper
  readonly #deps: Deps
  readonly #task: string | undefined

  constructor(
    options: { readonly deps: Deps; readonly logger: Logger; readonly keeper: LineKeeper },
    task?: { readonly id: string; readonly name: string },
  ) {
    this.#deps = options.deps
    this.#keeper = options.keeper
    this.#logger = task === undefined ? options.logger : options.logger.child({ taskRun: task.name })
    this.#task = task?.id
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
    else this.#logger[level](facts, message)
  }

  #said(level: LogLevel, message: string, facts: object): void {
    this.#logger[level](facts, message)
    const text = message.length > LONGEST_LINE ? `${message.slice(0, LONGEST_LINE)}…` : message
    this.#keeper.keep({
      at: this.#deps.clock.now(),
      level,
      message: text,
      ...(this.#task === undefined ? {} : { task: this.#task }),
    })
  }
}
