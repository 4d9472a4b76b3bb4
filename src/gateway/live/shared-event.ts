/**
 * An event on its way to any number of clients: written out once. Clients mostly number their subscriptions alike, so
 * that even the whole frame is mostly the same bytes for all of them.
 */

import type { LogLevel, WorkerChange } from '../../api/index.ts'
import type { Happening } from '../read-model/index.ts'
import type { Wants } from './sources.ts'

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']
/** Subscriptions are numbered from 1 in each connection; the frames of higher ones are made each time. */
const KEPT_NUMBERS = 8

/** What happens to workers is not about a run. */
type Told = Happening | { readonly kind: 'worker'; readonly at: string; readonly data: WorkerChange }

export class SharedEvent {
  readonly event: Told
  readonly cursor: string
  /** Undefined when it is about a worker. */
  readonly run: string | undefined
  #body: string | undefined
  #forStreams: Buffer | undefined
  readonly #forSockets: Buffer[] = []

  constructor(run: string | undefined, event: Told, cursor: string) {
    this.run = run
    this.event = event
    this.cursor = cursor
  }

  isWanted({ kinds, level }: Wants): boolean {
    const { event } = this
    if (event.kind === 'worker') return true
    if (kinds !== undefined && !kinds.has(event.kind)) return false
    return level === undefined || event.kind !== 'log' || isAtLeast(event.data.level, level)
  }

  /** What a later event of the same key makes needless; undefined when nothing does. */
  get key(): string | undefined {
    const { event, run } = this
    if (event.kind === 'state')
      return event.data.created === undefined && event.data.again === undefined ? run : undefined
    if (event.kind === 'task')
      return event.data.created === undefined && event.data.key !== undefined
        ? `${run}.${event.data.key}`
        : undefined
    return undefined
  }

  /** The frame for subscription `sub` of a socket. */
  forSocket(sub: number): Buffer {
    const kept = this.#forSockets[sub]
    if (kept !== undefined) return kept
    const frame = Buffer.from(`{"op":"event","sub":${sub},${this.#text}}`)
    if (sub < KEPT_NUMBERS) this.#forSockets[sub] = frame
    return frame
  }

  /** For a stream of server-sent events. */
  forStream(): Buffer {
    this.#forStreams ??= Buffer.from(
      `id: ${this.cursor}\nevent: ${this.event.kind}\ndata: {${this.#text}}\n\n`,
    )
    return this.#forStreams
  }

  get #text(): string {
    this.#body ??= JSON.stringify({
      cursor: this.cursor,
      at: this.event.at,
      kind: this.event.kind,
      run: this.run,
      data: this.event.data,
    }).slice(1, -1)
    return this.#body
  }
}

function isAtLeast(level: LogLevel, least: LogLevel): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(least)
}
