/** Where tasks wait for whoever serves them. */

import { createHash } from 'node:crypto'
import { isToken } from '../core/index.ts'

/** The broker's queue of a task, or of a name that several tasks share; readable where the name allows it. */
export function taskQueue(name: string): string {
  const plain = `tasks__${name}`
  return isToken(plain) ? plain : `tasks__${createHash('sha256').update(name).digest('hex').slice(0, 40)}`
}
