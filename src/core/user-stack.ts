/** Stack traces as their readers want them: the frames of their own code. */

import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'

const PACKAGE = dirname(import.meta.dirname)
const OTHERS = [`${PACKAGE}/`, `${pathToFileURL(PACKAGE).href}/`, 'node:']

/** Without the frames of this package and of Node; whole when no other is left. */
export function userStack(stack: string): string {
  const rows = stack.split('\n')
  const kept = rows.filter((row) => !isFrame(row) || !OTHERS.some((place) => row.includes(place)))
  return kept.some(isFrame) ? kept.join('\n') : stack
}

function isFrame(row: string): boolean {
  return /^\s+at /.test(row)
}
