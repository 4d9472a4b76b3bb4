/** Says so in the log when a stream fills up: at its quota the server refuses every write. */

import { messageOf } from '../../core/index.ts'
import type { Api } from './api.ts'
import type { Link } from './link.ts'

const LOOK_EVERY_MS = 60_000
/** Shares of the quota at which it is said, once each way up. */
const ALARMS = [0.7, 0.85, 0.95]

/** Returns what ends it. */
export function watchQuotas(link: Link, api: Api, streams: readonly string[]): () => void {
  const { clock, logger } = link.deps
  const said = new Map<string, number>()
  let timer = later()

  function later() {
    return clock.setTimer(
      LOOK_EVERY_MS,
      () =>
        void look().finally(() => {
          timer = later()
        }),
      { ref: false },
    )
  }

  async function look(): Promise<void> {
    for (const stream of streams) {
      try {
        const info = await api.streamInfo(stream)
        const quota = info?.config.max_bytes ?? 0
        if (!info || quota <= 0) continue
        const share = info.state.bytes / quota
        const level = ALARMS.findLastIndex((alarm) => share >= alarm)
        if (level > (said.get(stream) ?? -1))
          logger.warn(
            { stream, bytes: info.state.bytes, quota },
            `the stream is ${Math.floor(share * 100)} % full`,
          )
        said.set(stream, level)
      } catch (error) {
        logger.debug({ stream, reason: messageOf(error) }, 'the quota could not be looked at')
      }
    }
  }

  return () => timer.cancel()
}
