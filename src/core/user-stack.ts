/** Stack traces as their readers want them: the frames of their own code. */

import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'

const PACKAGE = dirname(import.meta.dirname)
/** An error may be its own cause. */
const MOST_CAUSES = 4
const OTHERS = [`${PACKAGE}/`, `${pathToFileURL(PACKAGE).href}/`, 'node:']

/** Without the frames of this package and of Node; whole when no other is left. */
export function userStack(stack: string): string {
  const rows = stack.split('\n')
  const kept = rows.filter((row) => !isFrame(row) || !OTHERS.some((place) => row.includes(place)))
  return kept.some(isFrame) ? kept.join('\n') : stack
}

/** The stack of an error as a user is shown it, and those of its causes. */
export function traceOf(error: Error, depth = 0): string {
  const own = userStack(error.stack ?? `${error.name}: ${error.message}`)
  const { cause } = error
  return cause instanceof Error && depth < MOST_CAUSES
    ? `${own}\ncaused by: ${traceOf(cause, depth + 1)}`
    : own
}

function isFrame(row: string): boolean {
  return /^\s+at /.test(row)
}
