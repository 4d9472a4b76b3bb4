/** Makes the real logger, without making everybody who only logs load pino. */

import type { Clock } from './clock.ts'
import type { Logger, LogLevel } from './logger.ts'

export interface LogDestination {
  /** Gets whole lines. */
  write(text: string): unknown
  readonly isTTY?: boolean
}

export interface LoggerOptions {
  /** The least important lines that are written. */
  readonly level: LogLevel
  /**
   * `json`: one object a line with `level`, `time` (ISO, UTC), `message` and the facts. `pretty`: for people, named by the
   * facts `taskRun`, `flowRun` or `name`, in local time, in colours on a terminal; the fact `error` is written with
   * the user's frames of its stack; all frames, and other facts, only when `level` is `debug` or `trace`.
   */
  readonly format: 'pretty' | 'json'
  readonly clock: Clock
  /** Default: standard error, so that standard output stays the program's own. */
  readonly destination?: LogDestination
}

/** Facts named like secrets, `Secret` values and credentials in URLs are written as `***`. */
export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const { pinoLogger } = await import('./pino-logger.ts')
  return pinoLogger(options)
}
