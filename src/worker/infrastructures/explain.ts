/** Says in people's words how a run's code came to its end without a result. Pure. */

import { messageOf } from '../../core/index.ts'
import type { Exit } from './carrier.ts'

export interface Circumstances {
  readonly kind: 'thread' | 'process'
  readonly exit: Exit
  /** The last lines of standard error. */
  readonly stderr: readonly string[]
  readonly memoryMb?: number | undefined
}

const SIGNALS: Readonly<Record<string, string>> = {
  SIGABRT:
    'aborted (SIGABRT): process.abort() was called, or native code found itself in a state that must not be',
  SIGBUS: 'crashed (SIGBUS): native code, usually an add-on, touched memory that is not there',
  SIGFPE: 'crashed (SIGFPE): native code, usually an add-on, calculated what has no result',
  SIGHUP: 'was hung up on (SIGHUP), by something other than its worker',
  SIGILL: 'crashed (SIGILL): native code, usually an add-on, is not made for this processor',
  SIGINT: 'was interrupted (SIGINT), by something other than its worker',
  SIGKILL: 'was killed (SIGKILL): by the system as memory ran out, or by somebody',
  SIGSEGV: 'crashed (SIGSEGV): native code, usually an add-on, touched memory that is not its own',
  SIGTERM: 'was told to end (SIGTERM), by something other than its worker',
  SIGTRAP: 'crashed (SIGTRAP): the JavaScript engine met what it could not go on from',
}

const SIGNAL_NUMBERS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
}

const CODES: Readonly<Record<number, string>> = {
  0: 'process.exit() was called before the flow had ended',
  1: 'process.exit(1) was called, or Node could not go on',
  9: 'Node did not accept an option that it was started with',
  13: 'a top-level await never settled',
}

/** One sentence, then what to do if there is something. */
export function explainExit({ kind, exit, memoryMb, stderr }: Circumstances): string {
  if (isOutOfMemory(exit, stderr)) {
    const limit = memoryMb === undefined ? 'its limit' : `its limit of ${memoryMb} MiB`
    return `The ${kind} ran out of memory: the JavaScript heap reached ${limit}. Keep less at once, or give its deployment more (memoryMb).`
  }
  if (exit.is === 'error')
    return `The ${kind} was ended by an error that nothing caught: ${messageOf(exit.error)}`
  const signal = signalOf(exit)
  if (signal !== undefined) return `The ${kind} ${SIGNALS[signal] ?? `was ended by ${signal}`}.`
  const { code } = exit.is === 'code' ? exit : { code: 0 }
  const reason = missingModule(stderr) ?? CODES[code] ?? `process.exit(${code}) was called`
  return `The ${kind} ended with exit code ${code} and no result: ${reason}.`
}

function isOutOfMemory(exit: Exit, stderr: readonly string[]): boolean {
  if (exit.is === 'error')
    return exit.error instanceof Error && Reflect.get(exit.error, 'code') === 'ERR_WORKER_OUT_OF_MEMORY'
  const signal = signalOf(exit)
  const isFatal = signal === 'SIGABRT' || signal === 'SIGTRAP' || signal === 'SIGILL'
  return isFatal && stderr.some((line) => /heap out of memory|Reached heap limit|heap limit/i.test(line))
}

/** Shells and containers tell of a signal as 128 and its number. */
function signalOf(exit: Exit): string | undefined {
  if (exit.is === 'signal') return exit.signal
  return exit.is === 'code' && exit.code > 128 ? SIGNAL_NUMBERS[exit.code - 128] : undefined
}

function missingModule(stderr: readonly string[]): string | undefined {
  for (const line of stderr) {
    const [, name] = /Cannot find (?:module|package) '([^']+)'/.exec(line) ?? []
    if (name !== undefined) return `'${name}' is not installed where the code runs`
  }
  return undefined
}
