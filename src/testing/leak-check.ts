/**
 * Finds what a test left behind: sockets, servers, timers, workers, child processes, listeners on `process`.
 *
 * It compares what keeps this process alive before and after. Handles that are closing get a bounded number of
 * turns to do so. What does not keep the process alive (a timer with `ref: false`) it cannot see.
 */

import type { Worker } from 'node:worker_threads'
import { type Clock, sleep, systemClock } from '../core/index.ts'

export interface LeakOptions {
  /** Kinds of resources that do not count, as `process.getActiveResourcesInfo` names them. */
  readonly ignore?: readonly string[]
  /** How many turns of `turnMs` (10 ms) closing handles get. Default 200. */
  readonly turns?: number
  readonly turnMs?: number
  readonly clock?: Clock
}

export interface LeakCheck {
  /** What is there now and was not at the beginning, one line a kind; empty when nothing is left. */
  leftovers(): Promise<readonly string[]>
}

/** What each kind of resource means, for people. */
const MEANING: Readonly<Record<string, string>> = {
  FSEventWrap: 'a file watcher',
  HTTPINCOMINGMESSAGE: 'an HTTP request being served',
  MessagePort: 'a message port',
  PipeWrap: 'a pipe, of a child process or a local socket',
  PipeServerWrap: 'a server on a local socket',
  ProcessWrap: 'a child process',
  SignalWrap: 'a signal handler',
  StatWatcher: 'a file watcher',
  TCPServerWrap: 'a TCP server',
  TCPSocketWrap: 'a TCP socket (or a TCP server that was unreferenced)',
  Timeout: 'a timer',
  UDPWrap: 'a UDP socket',
}

/** These come and go with every turn; our own waiting makes one. */
const ALWAYS_IGNORED = ['Immediate', 'TickObject']

/** Worker threads are no active resources, so they are counted as they come and go. */
const workers = new Set<Worker>()
let watching = false

function watchWorkers(): void {
  if (watching) return
  watching = true
  process.on('worker', (worker) => {
    workers.add(worker)
    worker.once('exit', () => workers.delete(worker))
  })
}

type Counts = ReadonlyMap<string, number>

function count(names: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

function now(ignored: ReadonlySet<string>): Counts {
  const counts = count(process.getActiveResourcesInfo().filter((kind) => !ignored.has(kind)))
  for (const event of process.eventNames())
    counts.set(`listener on process "${String(event)}"`, process.listenerCount(event))
  if (!ignored.has('Worker')) counts.set('worker thread', workers.size)
  return counts
}

function more(before: Counts, after: Counts): string[] {
  const lines: string[] = []
  for (const [name, found] of after) {
    const had = before.get(name) ?? 0
    if (found > had) lines.push(`${found - had} × ${name}${MEANING[name] ? `: ${MEANING[name]}` : ''}`)
  }
  return lines.sort()
}

/** Remembers what is there now. */
export function leakCheck(options: LeakOptions = {}): LeakCheck {
  const { turns = 200, turnMs = 10, clock = systemClock } = options
  const ignored = new Set([...ALWAYS_IGNORED, ...(options.ignore ?? [])])
  watchWorkers()
  const before = now(ignored)
  return {
    async leftovers() {
      // One turn at once: most handles close within the turn they were told to.
      await new Promise<void>((resolve) => clock.defer(resolve))
      for (let turn = 0; turn < turns && more(before, now(ignored)).length > 0; turn++)
        await sleep(clock, turnMs)
      return more(before, now(ignored))
    },
  }
}
