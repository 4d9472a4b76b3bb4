/**
 * A program of its own: loads files of flows and says what is in them. So that a file is read anew each time, and whatever
 * else it does when it is loaded happens to nobody but itself.
 */

import { basename, dirname } from 'node:path'
import { DEFAULT_POOL, DEFAULT_QUEUE } from '../../catalog/index.ts'
import { draftOf, flowsIn } from '../../sdk/index.ts'
import type { Description } from './described.ts'
import { failureOf } from './failure.ts'

const [, , ...files] = process.argv
const place = { pool: DEFAULT_POOL, queue: DEFAULT_QUEUE }

async function describe(): Promise<Description> {
  try {
    const flows = (await flowsIn(files)).map(({ file, exported, definition }) => {
      const code = { path: dirname(file), entrypoint: `${basename(file)}:${exported}` }
      return { file, exported, draft: draftOf(definition, code, place) }
    })
    return { is: 'flows', flows }
  } catch (error) {
    return { is: 'failure', failure: failureOf(error) }
  }
}

process.send?.(await describe(), () => process.exit())
