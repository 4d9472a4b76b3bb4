/** When a worker that takes what there is, and nothing more, has done so. */

import type { Queue } from '../broker/index.ts'
import { type Deps, isRetryable, sleep } from '../core/index.ts'

export interface OnceOptions {
  readonly queue: Queue
  readonly deps: Deps
  readonly queues: () => readonly string[]
  readonly isIdle: () => boolean
  /** Calls back when `isIdle` may have changed. */
  readonly onChange: (handler: () => void) => () => void
}

/** What is on its way from a queue to its claimer is in neither: it is there after this. */
const SETTLE_MS = 500

/** Resolves when nothing waits in the queues and the worker is idle, and both were so a moment before. */
export async function untilNothingWaits(options: OnceOptions): Promise<void> {
  const { deps, isIdle } = options
  for (;;) {
    await untilIdle(options)
    if (await isEmpty(options)) {
      await sleep(deps.clock, SETTLE_MS)
      if (isIdle() && (await isEmpty(options))) return
    } else await sleep(deps.clock, SETTLE_MS)
  }
}

function untilIdle({ isIdle, onChange }: OnceOptions): Promise<void> {
  return new Promise((resolve) => {
    if (isIdle()) return resolve()
    const stop = onChange(() => {
      if (!isIdle()) return
      stop()
      resolve()
    })
  })
}

async function isEmpty({ deps, queue, queues }: OnceOptions): Promise<boolean> {
  try {
    const depths = await Promise.all(queues().map((name) => queue.depth(name)))
    return depths.every((depth) => depth === 0)
  } catch (error) {
    if (!isRetryable(error)) throw error
    deps.logger.debug({ error }, 'the queues cannot be looked at now; it is tried again')
    return false
  }
}
