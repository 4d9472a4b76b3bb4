/** How a command ends: 0 done, 1 failed, 2 wrong usage. */

import { CommanderError } from '@commander-js/extra-typings'
import { GatewayError } from '../client/index.ts'
import { type ErrorCode, isCallboardError } from '../core/index.ts'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

/** What whoever wrote the command has to write otherwise. */
const WRITTEN_WRONGLY: readonly ErrorCode[] = [
  'CB_E_CODE_MISSING',
  'CB_E_SETTING_INVALID',
  'CB_E_SETTING_UNKNOWN',
]

/** Ends the command with a message and a code. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: number

  constructor(message: string, exitCode: number = FAILED) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Something was written wrongly on the command line. */
export function wrongUsage(message: string): CommandFailure {
  return new CommandFailure(message, WRONG_USAGE)
}

export interface Ending {
  readonly exitCode: number
  /** Undefined when everything has been said. */
  readonly message: string | undefined
}

export function endingOf(error: unknown): Ending {
  if (error instanceof CommandFailure)
    return { exitCode: error.exitCode, message: error.message === '' ? undefined : error.message }
  if (error instanceof CommanderError)
    return { exitCode: error.exitCode === 0 ? DONE : WRONG_USAGE, message: undefined }
  if (error instanceof GatewayError)
    return { exitCode: FAILED, message: withCode(error.code, [error.message, ...faults(error)].join('\n')) }
  if (isCallboardError(error)) {
    const exitCode = WRITTEN_WRONGLY.includes(error.code) ? WRONG_USAGE : FAILED
    return { exitCode, message: withCode(error.code, error.message) }
  }
  return {
    exitCode: FAILED,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }
}

/** Those that the message does not say already. */
function faults({ errors, legalSignals, message: said }: GatewayError): string[] {
  const untold = errors.filter(({ message }) => !said.includes(message))
  const places = untold.map(({ path, message }) => `  ${path === '' ? '(all of it)' : path}: ${message}`)
  return legalSignals === undefined
    ? places
    : [...places, `  It takes: ${legalSignals.join(', ') || 'nothing'}.`]
}

function withCode(code: string, message: string): string {
  return code.startsWith('CB_E_') ? `${message} [${code}]` : message
}
