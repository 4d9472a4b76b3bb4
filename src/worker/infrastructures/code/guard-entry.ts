/**
 * The guard's program: reads `+group` and `-group`, one a line, until the pipe ends; then it kills the groups that are left.
 * Its worker has died, or has stopped in good order and left none.
 */

import { createInterface } from 'node:readline'

const groups = new Set<number>()
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  const group = Number(line.slice(1))
  if (line.startsWith('+')) groups.add(group)
  else groups.delete(group)
})
lines.on('close', () => {
  for (const group of groups) kill(group)
})

function kill(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // it has ended
  }
}
