/** What went wrong in a program that loads a user's code, on its way to the command that started it. */

import { CallboardError, type ErrorCode, isCallboardError, traceOf } from '../../core/index.ts'
import { CommandFailure } from '../exits.ts'

export interface Failure {
  readonly code: ErrorCode | undefined
  readonly message: string
}

/** What a file threw comes with where it did. */
export function failureOf(error: unknown): Failure {
  if (!isCallboardError(error))
    return { code: undefined, message: error instanceof Error ? traceOf(error) : String(error) }
  const { cause, code, message } = error
  const where = code === 'CB_E_CODE_LOAD' && cause instanceof Error ? placeOf(cause) : ''
  return { code, message: where === '' ? message : `${message}\n${where}` }
}

export function errorOf({ code, message }: Failure): Error {
  return code === undefined ? new CommandFailure(message) : new CallboardError(code, message)
}

/** Where in the user's code: its trace without what the message says already, and without Node's own frames. */
function placeOf({ message, stack = '' }: Error): string {
  const [first = message] = message.split('\n')
  return stack
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.includes(first) && !/^\s+at .*\bnode:internal\//.test(line))
    .join('\n')
}
