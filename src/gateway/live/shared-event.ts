/**
 * An event on its way to any number of clients: written out once. Clients mostly number their subscriptions alike, so
 * that even the whole frame is mostly the same bytes for all of them.
 */

import type { LogLevel, PassedState, RunStateChange, TaskStateChange, WorkerChange } from '../../api/index.ts'
import type { Happening } from '../read-model/index.ts'
import type { Wants } from './sources.ts'

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']
/** Subscriptions are numbered from 1 in each connection; the frames of higher ones are made each time. */
const KEPT_NUMBERS = 8

/** A state brings along as many as it can have overtaken. */
const MOST_OVERTAKEN = 32

/** What an event does to those of its run that wait before it. */
export type Passing =
  /** Nothing: a line, an artifact, something that code told of. */
  | { readonly is: 'beside' }
  /** It overtakes the last one of a thing: a task run's key, or the run itself. */
  | { readonly is: 'over'; readonly thing: string }
  /** Nothing from before it is overtaken by what comes after it: of a thing, or of all. */
  | { readonly is: 'anew'; readonly thing?: string }

const BESIDE: Passing = { is: 'beside' }
const ANEW: Passing = { is: 'anew' }
/** No task run has this key. */
const RUN_ITSELF: Passing = { is: 'over', thing: '' }

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

  get passing(): Passing {
    const { event } = this
    if (event.kind === 'state')
      return event.data.created === undefined && event.data.again === undefined ? RUN_ITSELF : ANEW
    if (event.kind !== 'task') return BESIDE
    const { created, key } = event.data
    if (key === undefined) return ANEW
    return { is: created === undefined ? 'over' : 'anew', thing: key }
  }

  /** This one, with what only `earlier` says; undefined when that is too much for one. */
  over({ event: earlier }: SharedEvent): SharedEvent | undefined {
    const { cursor, event, run } = this
    if (event.kind !== 'state' && event.kind !== 'task') return undefined
    if (earlier.kind !== event.kind) return undefined
    const overtook = [...passed(earlier.data), ...(event.data.overtook ?? [])]
    if (overtook.length > MOST_OVERTAKEN) return undefined
    const told: Told =
      event.kind === 'state'
        ? { ...event, data: { ...event.data, overtook } }
        : { ...event, data: { ...event.data, overtook } }
    return new SharedEvent(run, told, cursor)
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

/** What is left of a state that is overtaken, after those that it has overtaken itself. */
function passed(data: RunStateChange | TaskStateChange): PassedState[] {
  const { details, name, timestamp, type } = data.state
  const worker = 'worker' in data && data.worker !== undefined ? { worker: data.worker } : {}
  const reason = typeof details.reason === 'string' ? { reason: details.reason } : {}
  return [...(data.overtook ?? []), { type, name, timestamp, ...worker, ...reason }]
}

function isAtLeast(level: LogLevel, least: LogLevel): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(least)
}
