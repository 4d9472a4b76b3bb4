/**
 * Queues of one process: of runs whose code nobody else has. The catalogue does not know them, and once the process is gone
 * only who is told to takes from them.
 */

import { type Deps, mintId } from './deps.ts'

const OWN = 'local-'

/** A new one. */
export function ownQueue(deps: Deps): string {
  return `${OWN}${mintId(deps)}`
}

export function isOwnQueue(queue: string): boolean {
  return queue.startsWith(OWN)
}
