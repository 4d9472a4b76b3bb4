/**
 * Who holds the write lock of a store, where the system says so: on Linux, in `/proc`. For messages alone: by the time it
 * is read it may be somebody else.
 */

import { readFileSync, statSync } from 'node:fs'

export interface LockHolder {
  readonly pid: number
  /** It was stopped (SIGSTOP, a debugger) and goes on only when somebody lets it. */
  readonly isStopped: boolean
}

/** SQLite's lock of a writer is this byte of the shared-memory file beside the database (its `wal.c` and `os_unix.c`). */
const WRITE_LOCK_BYTE = 120

/** Undefined when nobody holds it, or nothing can be known. */
export function lockHolder(database: string): LockHolder | undefined {
  try {
    const { ino } = statSync(`${database}-shm`)
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, , , kind, pid, file = '', from, to] = line.split(/\s+/)
      const isWriter = kind === 'WRITE' && Number(from) <= WRITE_LOCK_BYTE && Number(to) >= WRITE_LOCK_BYTE
      if (isWriter && file.endsWith(`:${ino}`) && Number(pid) > 0)
        return { pid: Number(pid), isStopped: isStopped(Number(pid)) }
    }
  } catch {
    // Another system, or a file that is gone: then it cannot be known.
  }
  return undefined
}

function isStopped(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  return state === 'T' || state === 't'
}
