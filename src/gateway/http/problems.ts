/** Errors as problem documents (RFC 9457). What nobody thought of stays in the gateway's own log. */

import type { FastifyError } from 'fastify'
import type { Fault, Problem } from '../../api/index.ts'
import { CallboardError, ERRORS, isCallboardError } from '../../core/index.ts'

/** Where a kind of problem is explained. */
const EXPLAINED = 'https://callboard.dev/errors/'

/** Shown of one request at most. */
const FAULTS = 50

export const PROBLEM_TYPE = 'application/problem+json'

export function problemOf(error: CallboardError, status = error.status): Problem {
  const { code, message } = error
  const errors = faultsIn(error)
  const { retryAfterMs } = error.details
  return {
    type: `${EXPLAINED}${code}`,
    title: ERRORS[code].meaning,
    status,
    detail: message,
    code,
    ...(errors.length === 0 ? {} : { errors }),
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)) } : {}),
  }
}

/** What was thrown while a request was answered, as an error of ours. */
export function knownError(error: unknown, limitBytes: number): CallboardError {
  if (isCallboardError(error)) return error
  if (!isFastifyError(error)) return unexpected(error)
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new CallboardError(
        'CB_E_BODY_TOO_LARGE',
        `The body of this request is larger than ${limitBytes} bytes. Send less, or raise serverBodyLimit.`,
        { details: { limit: limitBytes, issues: [{ path: '', message: 'is too large' }] } },
      )
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return invalid(
        'The body of a request is JSON; send it with Content-Type: application/json.',
        'content-type',
      )
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return invalid(`The body of this request is no JSON: ${error.message}.`)
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return invalid('The body of this request is not as long as its Content-Length says.', 'content-length')
    default:
      return error.statusCode !== undefined && error.statusCode < 500
        ? invalid(`This request cannot be answered: ${error.message}.`)
        : unexpected(error)
  }
}

/** @param path where it is wrong */
export function invalid(message: string, path = ''): CallboardError {
  return new CallboardError('CB_E_REQUEST_INVALID', message, { details: { issues: [{ path, message }] } })
}

/** The faults of a request, in one message and each with its place. */
export function invalidAt(where: string, issues: readonly Fault[]): CallboardError {
  const lines = issues
    .slice(0, FAULTS)
    .map(({ message, path }) => `\n  ${path === '' ? where : path}: ${message}`)
    .join('')
  return new CallboardError('CB_E_REQUEST_INVALID', `The ${where} of this request cannot be used:${lines}`, {
    details: { issues },
  })
}

function faultsIn({ details }: CallboardError): Fault[] {
  const { issues } = details
  return Array.isArray(issues) ? issues.filter(isFault).slice(0, FAULTS) : []
}

function isFault(value: unknown): value is Fault {
  return (
    typeof value === 'object' &&
    value !== null &&
    'path' in value &&
    typeof value.path === 'string' &&
    'message' in value &&
    typeof value.message === 'string'
  )
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
}

function unexpected(cause: unknown): CallboardError {
  return new CallboardError(
    'CB_E_BUG',
    'Something went wrong in the gateway. Its log has the details, under the id of this request.',
    { cause },
  )
}
