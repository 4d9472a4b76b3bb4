/**
 * The real logger, on pino. Only `create-logger.ts` loads this file, when a logger is first made: pino costs more to
 * load than all the rest of this room.
 *
 * Invariants
 * (G1) Every fact and every sentence passes `redact` before pino sees it: no secret reaches a line.
 * (G2) Nothing handed to a logger can make it throw.
 */

import { types } from 'node:util'
import { type Logger as Pino, pino } from 'pino'
import type { LoggerOptions } from './create-logger.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import type { Logger, LogLevel } from './logger.ts'
import { prettyLine } from './pretty-line.ts'
import { redact, redactText } from './redact.ts'

/** What pino writes into a line by itself; a fact of that name gets a `_`. */
const TAKEN = new Set(['level', 'time', 'message'])

export function pinoLogger({ level, format, clock, destination = process.stderr }: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    messageKey: 'message',
    timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  if (format === 'json') return wrap(pino(options, destination))
  const pretty = {
    colours: destination.isTTY === true && !process.env.NO_COLOR,
    facts: level === 'debug' || level === 'trace',
  }
  return wrap(pino(options, { write: (line) => destination.write(prettyLine(JSON.parse(line), pretty)) }))
}

/** `bound` are the facts of every line. They are merged here: pino would write a fact given twice twice. */
function wrap(target: Pino, bound: JsonObject = {}): Logger {
  const at = (level: LogLevel) => (facts: object, message: string) => {
    if (!target.isLevelEnabled(level)) return
    target[level]({ ...bound, ...presentable(facts) }, '%s', redactText(String(message)))
  }
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (facts) => wrap(target, { ...bound, ...presentable(facts) }),
  }
}

/** An error, a list or anything else that is no object of facts becomes one fact. */
function presentable(facts: object): JsonObject {
  const json = redact(facts)
  if (types.isNativeError(facts)) return { error: json }
  if (!isJsonObject(json)) return { facts: json }
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [TAKEN.has(name) ? `${name}_` : name, value]),
  )
}
