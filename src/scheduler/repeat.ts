/** Something done now and then, never twice at a time. */

import type { Deps, Timer } from '../core/index.ts'

export interface Repeated {
  /** Not again; resolves when what is under way is over. */
  stop(): Promise<void>
}

/** Does `work` each `everyMs`, counted from the end of the last time. What it throws is logged. */
export function repeat(
  { clock, logger }: Pick<Deps, 'clock' | 'logger'>,
  everyMs: number,
  what: string,
  work: () => Promise<unknown>,
): Repeated {
  let timer: Timer
  let under: Promise<void> = Promise.resolve()
  let isStopped = false
  const once = async () => {
    try {
      await work()
    } catch (error) {
      logger.warn({ error }, `${what} failed; it is tried again`)
    }
    if (!isStopped) arm()
  }
  const arm = () => {
    timer = clock.setTimer(
      everyMs,
      () => {
        under = once()
      },
      { ref: false },
    )
  }
  arm()
  return {
    stop() {
      isStopped = true
      timer.cancel()
      return under
    },
  }
}
