/** How long to wait before the next try: longer each time, and never the same for all who lost the same gateway. */

const FIRST_MS = 250
const LONGEST_MS = 15_000

/** `attempt` counts from 0; the answer lies between half and all of what it is due. */
export function backoffMs(attempt: number, random: () => number): number {
  const due = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16))
  return due / 2 + (random() * due) / 2
}
