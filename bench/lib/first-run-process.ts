/** The process of `first-run.ts`. Its one argument is the package, as a URL. */

const before = performance.now()
const { flow, task }: typeof import('../../src/sdk/public.ts') = await import(process.argv[2] ?? '')
const importMs = performance.now() - before
const one = task('first-task', async () => 1)
await flow('first-flow', async () => one())()
const { user, system } = process.cpuUsage()
console.log(JSON.stringify({ importMs, allMs: performance.now(), cpuMs: (user + system) / 1_000 }))
