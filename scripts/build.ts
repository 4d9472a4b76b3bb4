/** `npm run build`: `dist/` anew from `src/`. What was there goes first, or files long gone would be published. */

import { rm } from 'node:fs/promises'
import { ROOT, run } from './lib/run.ts'

await rm(`${ROOT}dist`, { recursive: true, force: true })
const { code } = await run(['tsc', '-p', 'tsconfig.build.json'], { output: 'show' })
process.exitCode = code
