/**
 * The one error class, over the one table of codes (`error-table.ts`).
 *
 * Ask `isCallboardError(error, code)`; never match on a message.
 */

import { ERRORS, type ErrorCode, type ErrorKind } from './error-table.ts'

export interface ErrorOptions {
  readonly cause?: unknown
  /** Facts for the reader's program: names, limits, what was found. Plain JSON, never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
}

export class CallboardError extends Error {
  override readonly name = 'CallboardError'
  /** Stable, documented in `docs/reference/errors.md`, never reused. */
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  /** `message` says what happened, to what, and what to do about it. */
  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  /** Who must act: see `ErrorKind`. */
  get kind(): ErrorKind {
    return ERRORS[this.code].kind
  }

  /** The HTTP status this error answers with. */
  get status(): number {
    return ERRORS[this.code].status
  }
}

/** True for an error of ours; with `code`, only for that one. */
export function isCallboardError(error: unknown, code?: ErrorCode): error is CallboardError {
  return error instanceof CallboardError && (code === undefined || error.code === code)
}

/** True for a code that this version knows. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code)
}

/** True when the same call may succeed later without anybody changing anything. */
export function isRetryable(error: unknown): boolean {
  return isCallboardError(error) && error.kind === 'retryable'
}

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** For the `default` of a switch over a union: the compiler proves that it is never reached. */
export function assertNever(value: never): never {
  throw new CallboardError(
    'CB_E_BUG',
    `A case was not handled: ${JSON.stringify(value)}. Please report this.`,
  )
}
