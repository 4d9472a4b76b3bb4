/**
 * A script that maps one task over many elements, and says what that took of it. Its arguments are the package, as a URL, and
 * how many elements; the broker is that of the environment.
 */

import type { MapRun } from './map-run.ts'

const [, , url = '', count] = process.argv
const { flow, task }: typeof import('../../src/sdk/public.ts') = await import(url)
const noop = task('bench-noop', async (i: number) => i)
const over = flow('bench-map', async ({ n }: { n: number }) => {
  const elements = Array.from({ length: n }, (_, i) => i)
  return (await noop.map(elements)).length
})

await over({ n: 200 }) // what is loaded once is not measured
const n = Number(count)
const used = process.cpuUsage()
const began = performance.now()
await over({ n })
const ms = performance.now() - began
const { user, system } = process.cpuUsage(used)
const run: MapRun = {
  ms,
  cpuMs: (user + system) / 1_000,
  peakMb: (process.resourceUsage().maxRSS * 1_024) / 1e6,
}
console.log(JSON.stringify(run))
