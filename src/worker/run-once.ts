/** When a worker that takes what there is, and nothing more, has done so. */

import type { Queue } from '../broker/index.ts'
import { type Deps, isCallboardError, isRetryable, sleep } from '../core/index.ts'

export interface OnceOptions {
  readonly queue: Queue
  readonly deps: Deps
  readonly queues: () => readonly string[]
  readonly isIdle: () => boolean
  /** Calls back when `isIdle` may have changed. */
  readonly onChange: (handler: () => void) => () => void
  /** The worker ends for another reason. */
  readonly signal: AbortSignal
}

/** What is on its way from a queue to its claimer is in neither: it is there after this. */
const SETTLE_MS = 500

/** Resolves when nothing waits in the queues and the worker is idle, and both were so a moment before. */
export async function untilNothingWaits(options: OnceOptions): Promise<void> {
  const { deps, isIdle, signal } = options
  let wasSo = false
  while (!signal.aborted) {
    await untilIdle(options)
    const isSo = (await isEmpty(options)) && isIdle()
    if (isSo && wasSo) return
    wasSo = isSo
    await sleep(deps.clock, SETTLE_MS, signal).catch(() => {})
  }
}

function untilIdle({ isIdle, onChange, signal }: OnceOptions): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!isIdle() && !signal.aborted) return
      stop()
      signal.removeEventListener('abort', look)
      resolve()
    }
    const stop = onChange(look)
    signal.addEventListener('abort', look)
    look()
  })
}

async function isEmpty({ deps, queue, queues }: OnceOptions): Promise<boolean> {
  try {
    const depths = await Promise.all(queues().map((name) => queue.depth(name)))
    return depths.every((depth) => depth === 0)
  } catch (error) {
    if (!isRetryable(error) && !isCallboardError(error, 'CB_E_STOPPED')) throw error
    deps.logger.debug({ error }, 'the queues cannot be looked at now; it is tried again')
    return false
  }
}
