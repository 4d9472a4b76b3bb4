/** What stands for a text in the log of a run, to tell whether it is the same again. */

import { hash } from 'node:crypto'

/**
 * It stands in the records of every call, so a byte counts. A mark is compared with that of its own identity and with no
 * other: 72 bits never agree by chance. Logs keep it, so it stays what it is.
 */
const CHARS = 12

export function markOf(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, CHARS)
}
