/** `npm run check`: everything `npm test` runs before the tests. */

import { runChecks } from './lib/checks.ts'

process.exitCode = (await runChecks()) ? 0 : 1
