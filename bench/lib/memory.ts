/** How much memory this process uses, in MB (10^6 bytes). */

import { writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** What is alive on the heap and beside it, after a collection. */
export function liveMemory(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1e6
}

/** Forgets the peak so far, where the system can (Linux). Without that the peak is that of the whole process. */
export function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {}
}

/** The most resident memory since `resetPeak`. */
export const peakMemory = (): number => (process.resourceUsage().maxRSS * 1024) / 1e6
