/** Errors as they stand in the log, and as they are thrown again. What a replay throws is what the first run threw. */

import {
  decodeJson,
  encodeToJson,
  isCallboardError,
  type JsonValue,
  messageOf,
  userStack,
} from '../core/index.ts'
import type { Failure } from './events.ts'
import { fitsWithin } from './values.ts'

const LONGEST_MESSAGE = 4_096
const LONGEST_STACK = 4_096
/** The whole error is kept when it takes no more than this. */
const ERROR_BYTES = 12 * 1024

/** What is kept of anything thrown. Never throws. */
export function failureOf(thrown: unknown): Failure {
  const message = cut(messageOf(thrown), LONGEST_MESSAGE)
  const value = wholeOf(thrown)
  const whole = value === undefined ? {} : { value }
  if (!(thrown instanceof Error)) return { name: 'Error', message, ...whole }
  return {
    name: String(thrown.name),
    message,
    ...(typeof thrown.stack === 'string' ? { stack: cut(userStack(thrown.stack), LONGEST_STACK) } : {}),
    ...(isCallboardError(thrown) ? { code: thrown.code } : {}),
    ...whole,
  }
}

/** What to throw for a failure: the error as it was, as far as it could be kept. */
export function errorOf(failure: Failure | undefined, message = 'Run failed.'): unknown {
  if (failure?.value !== undefined) return decodeJson(failure.value)
  const error = new Error(failure?.message ?? message)
  error.name = failure?.name ?? 'Error'
  if (failure?.stack !== undefined) error.stack = failure.stack
  return error
}

function wholeOf(thrown: unknown): JsonValue | undefined {
  try {
    const json = encodeToJson(thrown, 'error')
    return fitsWithin(json, ERROR_BYTES) ? json : undefined
  } catch {
    return undefined
  }
}

function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}
