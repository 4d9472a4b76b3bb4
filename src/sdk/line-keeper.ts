/**
 * Keeps the lines of one execution of a run's code in the run's log, as notes. It stands between the code and its host:
 * lines are gathered here and go as notes the way that the code's calls go.
 *
 * Invariants
 * (L1) Lines keep their order within a run.
 * (L2) No secret that can be recognised as one is kept.
 * (L3) A line that cannot be kept is told about in the process's log; it never fails the run.
 * (L4) It never makes the code wait and never grows without bound: what is said faster than `LineGate` allows, or while
 *      the log takes nothing, is dropped, and a line in its place says how much.
 * (L5) What was said before the code begins to wait is on its way before that: a run that leaves its process over a wait
 *      takes no line with it. Neither does one that is cancelled.
 */

import type { HostPort, LeaveReason } from '../actors/index.ts'
import {
  type Deps,
  type JsonObject,
  type LogLevel,
  messageOf,
  redactText,
  type Timer,
} from '../core/index.ts'
import { LineGate } from './line-gate.ts'

/** One kept line, as it stands in the run's log. */
export interface KeptLine {
  readonly at: number
  readonly level: LogLevel
  readonly message: string
  /** Identity of the task run that said it. */
  readonly task?: string
}

/** What takes the lines of a run. */
export interface LineSink {
  keep(line: KeptLine): void
  /** Resolves once everything said so far is on its way into the log. */
  drain(): Promise<void>
}

/** The kind of the notes that lines are kept in. */
export const LINES_NOTE = 'log'

const GATHER_MS = 200
/** Lines of one note, in JSON. With its frame it stays within a record. */
const NOTE_BYTES = 60 * 1024
/** Said and not yet taken by the log. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024
const LONGEST_LINE = 8_000
const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']

/** Cuts what is too long for a line, with a mark. */
export function cutLine(text: string): string {
  if (text.length <= LONGEST_LINE) return text
  return `${text.slice(0, LONGEST_LINE)}… (cut: longer than ${LONGEST_LINE} characters)`
}

/** Says that lines are missing. */
function droppedText(count: number): string {
  return `${count} lines dropped: more was said than is kept.`
}

export class LineKeeper implements LineSink {
  /** The host, as the code is to see it. */
  readonly port: HostPort
  readonly #host: HostPort
  readonly #deps: Deps
  readonly #level: number
  readonly #gate: LineGate
  #lines: KeptLine[] = []
  #bytes = 0
  #waitingBytes = 0
  #flushedAt = Number.NEGATIVE_INFINITY
  #flushing: Timer | undefined
  #written: Promise<void> = Promise.resolve()
  #life: 'open' | 'leaving' | 'closed' = 'open'

  /** Keeps what is as important as `level`, or more. */
  constructor(host: HostPort, deps: Deps, level: LogLevel) {
    this.#host = host
    this.#deps = deps
    this.#level = LEVELS.indexOf(level)
    this.#gate = new LineGate(deps.clock)
    this.port = {
      call: (kind, input) => {
        if (kind === 'wait') this.flush() // (L5)
        return host.call(kind, input)
      },
    }
  }

  keep(line: KeptLine): void {
    if (this.#life === 'closed' || LEVELS.indexOf(line.level) < this.#level) return
    const kept = { ...line, message: redactText(line.message) } // (L2)
    const bytes = sizeOf(kept)
    const isFull = this.#waitingBytes + bytes > MOST_WAITING_BYTES
    if (isFull) this.#gate.drop(1) // (L4)
    if (isFull || !this.#gate.admits(bytes)) return
    this.#tellDropped(line.at)
    this.#add(kept, bytes)
  }

  /** Lines that were dropped before they came here. */
  drop(lines: number): void {
    this.#gate.drop(lines)
  }

  async drain(): Promise<void> {
    this.#tellDropped(this.#deps.clock.now())
    this.flush()
    if (this.#life === 'open') await this.#written
  }

  /** The code is to leave: what a run that is cancelled still says is kept, of others nobody would take it. */
  leave(reason: LeaveReason): void {
    this.flush()
    this.#life = reason === 'cancelled' ? 'leaving' : 'closed'
  }

  flush(): void {
    this.#flushing?.cancel()
    this.#flushing = undefined
    if (this.#lines.length === 0) return
    this.#flushedAt = this.#deps.clock.monotonic()
    const lines = this.#lines.map((line): JsonObject => ({ ...line }))
    const bytes = this.#bytes
    this.#lines = []
    this.#bytes = 0
    const note = this.#host
      .call('note', { kind: LINES_NOTE, data: { lines } })
      .catch((error) => {
        const reason = messageOf(error)
        this.#deps.logger.debug({ lines: lines.length }, `log lines of a run could not be kept: ${reason}`) // (L3)
      })
      .then(() => {
        this.#waitingBytes -= bytes
      })
    this.#written = this.#written.then(() => note)
  }

  #add(line: KeptLine, bytes: number): void {
    if (this.#bytes + bytes > NOTE_BYTES) this.flush()
    this.#lines.push(line)
    this.#bytes += bytes
    this.#waitingBytes += bytes
    this.#flushing ??= this.#flushSoon()
  }

  /** The first line after a silence goes in this turn, what follows is gathered. */
  #flushSoon(): Timer {
    const { clock } = this.#deps
    const waitMs = this.#flushedAt + GATHER_MS - clock.monotonic()
    if (waitMs > 0) return clock.setTimer(waitMs, () => this.flush(), { ref: false })
    let isWanted = true
    clock.defer(() => {
      if (isWanted) this.flush()
    })
    return {
      cancel: () => {
        isWanted = false
      },
    }
  }

  #tellDropped(at: number): void {
    const dropped = this.#gate.takeDropped()
    if (dropped === 0 || this.#life === 'closed') return
    const line: KeptLine = { at, level: 'warn', message: droppedText(dropped) }
    this.#add(line, sizeOf(line))
  }
}

function sizeOf(line: KeptLine): number {
  return Buffer.byteLength(JSON.stringify(line)) + 1
}
