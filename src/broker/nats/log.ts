/** The log part of the broker: one stream for all subjects, so that one position covers all of it. */

import { checkToken } from '../checks.ts'
import type { Log, Rev } from '../port.ts'
import { compareCursors, cursorLost, cursorOf, identityOf } from './cursors.ts'
import { appendEntry } from './log-append.ts'
import { archiveSubject } from './log-archive.ts'
import { followLog } from './log-follow.ts'
import type { LogHome } from './log-home.ts'
import { lastEntry, readSubject } from './log-read.ts'

export function natsLog(home: LogHome, settleMs: number): Log {
  return {
    append: (subject, records, options) => appendEntry(home, settleMs, subject, records, options),
    async last(subject) {
      home.link.assertRunning()
      checkToken('subject', subject)
      return (await lastEntry(home, subject))?.entry
    },
    async *read(subject: string, options: { readonly from?: Rev } = {}) {
      home.link.assertRunning()
      checkToken('subject', subject)
      yield* readSubject(home, subject, options.from ?? 1)
    },
    follow: (...call) => followLog(home, ...call),
    async end() {
      home.link.assertRunning()
      const { logStream } = home.names
      const info = await home.api.streamInfo(logStream)
      if (!info) throw cursorLost(`the stream ${logStream} is gone`)
      return cursorOf(identityOf(info.created), info.state.last_seq)
    },
    compare: compareCursors,
    archive: (subject, records, options) => archiveSubject(home, settleMs, subject, records, options),
  }
}
