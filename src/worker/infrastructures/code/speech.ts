/**
 * What code says that is apart from its worker: log lines and prints, sent at once and in the order in which they were
 * said, so that a crash loses none. There is no gathering here; the worker's side does that.
 *
 * Invariants
 * (Q1) What is said faster than is kept is not sent: it is counted, and the count is sent in its place.
 * (Q2) What is printed belongs to the innermost run around the print, which may have asked for it not to be kept.
 */

import { inspect } from 'node:util'
import { type Clock, encodeToJson, type JsonValue, type Logger, type LogLevel } from '../../../core/index.ts'
import { currentSpeaker, type KeptLine, LineGate, type LineSink } from '../../../sdk/index.ts'
import type { OutputStream } from '../carrier.ts'
import type { FromCode } from '../protocol.ts'

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']

export class Speech implements LineSink {
  /** What is less important is not sent. */
  least: LogLevel = 'info'
  readonly #send: (message: FromCode) => void
  readonly #gate: LineGate

  constructor(clock: Clock, send: (message: FromCode) => void) {
    this.#send = send
    this.#gate = new LineGate(clock)
  }

  keep(line: KeptLine): void {
    if (this.#matters(line.level)) this.#say({ m: 'line', line }, line.message.length, 1)
  }

  async drain(): Promise<void> {
    this.#tellDropped()
  }

  /** A logger whose lines go to the worker's. */
  logger(bound: object = {}): Logger {
    const at = (level: LogLevel) => (facts: object, message: string) => {
      if (!this.#matters(level)) return
      const said: FromCode = { m: 'log', level, message, facts: factsIn({ ...bound, ...facts }) }
      this.#say(said, message.length, 0)
    }
    return {
      trace: at('trace'),
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (facts) => this.logger({ ...bound, ...facts }),
    }
  }

  /** Takes what is written to the process's streams from now on. */
  catchOutput(): void {
    for (const to of ['stdout', 'stderr'] as const) {
      const decoder = new TextDecoder()
      const decode = (bytes: Uint8Array) => decoder.decode(bytes, { stream: true })
      process[to].write = (
        chunk: string | Uint8Array,
        encoding?: BufferEncoding | ((error?: Error | null) => void),
        written?: (error?: Error | null) => void,
      ) => {
        const [named, done] = typeof encoding === 'function' ? [undefined, encoding] : [encoding, written]
        this.print(to, typeof chunk === 'string' ? textIn(chunk, named) : decode(chunk))
        if (done !== undefined) process.nextTick(done)
        return true
      }
    }
  }

  /** (Q2) */
  print(to: OutputStream, text: string): void {
    const { task, logPrints: keep = true } = currentSpeaker() ?? {}
    this.#say(
      { m: 'print', to, text, keep, ...(task === undefined ? {} : { task }) },
      text.length,
      linesIn(text),
    )
  }

  #matters(level: LogLevel): boolean {
    return LEVELS.indexOf(level) >= LEVELS.indexOf(this.least)
  }

  /** (Q1) */
  #say(message: FromCode, size: number, lines: number): void {
    if (!this.#gate.admits(size + MESSAGE_BYTES, lines)) return
    this.#tellDropped()
    this.#send(message)
  }

  #tellDropped(): void {
    const lines = this.#gate.takeDropped()
    if (lines > 0) this.#send({ m: 'dropped', lines })
  }
}

/** Of a message, besides its text. */
const MESSAGE_BYTES = 64

function textIn(chunk: string, encoding: BufferEncoding | undefined): string {
  const isText = encoding === undefined || encoding === 'utf8' || encoding === 'utf-8'
  return isText ? chunk : Buffer.from(chunk, encoding).toString()
}

function linesIn(text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++
  return lines
}

/** What cannot go over the channel is shown as text. */
function factsIn(facts: object): JsonValue {
  try {
    return encodeToJson(facts, 'facts')
  } catch {
    return { facts: inspect(facts) }
  }
}
