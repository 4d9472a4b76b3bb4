/** The logger's shape: what the code may call. `pino-logger.ts` makes real ones; tests may record. */

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

/** Facts first, sentence second: `logger.warn({ queue }, 'the queue is paused')`. */
export interface Logger {
  trace(facts: object, message: string): void
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
  /** A logger that adds these facts to every line. */
  child(facts: object): Logger
}

/** Logs nothing. */
export const silentLogger: Logger = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}
