/**
 * A program of its own: loads files of flows and says what is in them. So that a file is read anew each time, and whatever
 * else it does when it is loaded happens to nobody but itself.
 */

import { basename, dirname } from 'node:path'
import { DEFAULT_POOL, DEFAULT_QUEUE } from '../../catalog/index.ts'
import { draftOf } from '../../sdk/index.ts'
import type { DescribedFlow, Description } from './described.ts'
import { loadFlows } from './load.ts'

const [, , ...files] = process.argv
const place = { pool: DEFAULT_POOL, queue: DEFAULT_QUEUE }

async function describe(): Promise<Description> {
  const flows: DescribedFlow[] = []
  try {
    for (const file of files)
      for (const { exported, definition } of await loadFlows(file)) {
        const code = { path: dirname(file), entrypoint: `${basename(file)}:${exported}` }
        flows.push({ file, exported, draft: draftOf(definition, code, place) })
      }
    return { is: 'flows', flows }
  } catch (error) {
    return { is: 'failure', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

process.send?.(await describe(), () => process.exit())
