/**
 * The arguments of a task, as its body gets them: futures and states in them, also inside lists and records, become
 * their values, and the runs they came from become its upstream.
 *
 * Invariants
 * (V1) Arguments in which there is nothing to resolve are handed over as they are, without a copy and without a turn.
 * (V2) What a task gave its caller, and the caller hands on, is known by its object: a dependency without a future.
 */

import { AllowFailure, Opaque, Quoted, Unmapped } from './annotations.ts'
import { TaskFuture } from './future.ts'
import { TaskFutureList } from './future-list.ts'
import { State } from './state.ts'

export interface Resolved {
  readonly args: readonly unknown[]
  /** Ids of the runs whose results went in. */
  readonly upstream: readonly string[]
  /** How those ended that were handed over as futures or states, but for those that may have failed. */
  readonly states: readonly State[]
}

const NONE: readonly never[] = []
/** (V2) */
const producers = new WeakMap<object, string>()

/** Remembers which run a result came from. */
export function producedBy(value: unknown, run: string): void {
  if (typeof value === 'object' && value !== null) producers.set(value, run)
}

/** (V1) A promise only when something must be waited for. */
export function resolveArguments(args: readonly unknown[]): Resolved | Promise<Resolved> {
  let upstream: Set<string> | undefined
  let isDeferred = false
  for (const arg of args) {
    if (typeof arg !== 'object' || arg === null) continue
    const from = producers.get(arg)
    if (from !== undefined) {
      upstream ??= new Set()
      upstream.add(from)
    } else if (hasDeferred(arg)) isDeferred = true
  }
  if (isDeferred) return resolveDeferred(args, upstream ?? new Set())
  return { args, upstream: upstream === undefined ? NONE : [...upstream], states: NONE }
}

async function resolveDeferred(args: readonly unknown[], upstream: Set<string>): Promise<Resolved> {
  const states: State[] = []
  const resolved: unknown[] = []
  const walk = new Walk(upstream, states)
  for (const arg of args) resolved.push(await walk.value(arg, false))
  return { args: resolved, upstream: [...upstream], states }
}

/** Waits for everything that is handed over only for its order. */
export async function waitForAll(
  awaited: readonly unknown[],
): Promise<Pick<Resolved, 'upstream' | 'states'>> {
  const { upstream, states } = await resolveDeferred(awaited, new Set())
  return { upstream, states }
}

/** Futures, states and wrappers: what a body must not get as it is. */
function isDeferredItself(value: object): boolean {
  return (
    value instanceof TaskFuture ||
    value instanceof State ||
    value instanceof TaskFutureList ||
    value instanceof AllowFailure ||
    value instanceof Quoted ||
    value instanceof Opaque ||
    value instanceof Unmapped
  )
}

function isPlainObject(value: object): value is Readonly<Record<string, unknown>> {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function hasDeferred(value: unknown, open: readonly object[] = NONE): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (isDeferredItself(value)) return true
  if (open.includes(value)) return false
  const parts = partsOf(value)
  if (parts === undefined) return false
  const inner = [...open, value]
  for (const part of parts)
    if (typeof part === 'object' && part !== null && hasDeferred(part, inner)) return true
  return false
}

function partsOf(value: object): Iterable<unknown> | undefined {
  if (Array.isArray(value)) return value
  if (value instanceof Set || value instanceof Map) return value.values()
  return isPlainObject(value) ? Object.values(value) : undefined
}

class Walk {
  readonly #upstream: Set<string>
  readonly #states: State[]

  constructor(upstream: Set<string>, states: State[]) {
    this.#upstream = upstream
    this.#states = states
  }

  async value(value: unknown, mayFail: boolean): Promise<unknown> {
    if (typeof value !== 'object' || value === null) return value
    if (value instanceof Quoted) return value.value
    if (value instanceof Unmapped) return this.value(value.value, mayFail)
    if (value instanceof AllowFailure) return this.value(value.value, true)
    if (value instanceof Opaque) return this.#opaque(value.value, mayFail)
    if (value instanceof TaskFuture) return this.#state(await value.wait(), value.id, mayFail)
    if (value instanceof State) return this.#state(value, value.run, mayFail)
    if (value instanceof TaskFutureList) return this.#list([...value], mayFail)
    const from = producers.get(value)
    if (from !== undefined) this.#upstream.add(from)
    if (!hasDeferred(value)) return value
    if (Array.isArray(value)) return this.#list(value, mayFail)
    if (value instanceof Set) return new Set(await this.#list([...value], mayFail))
    if (value instanceof Map)
      return new Map(
        await Promise.all(
          [...value].map(
            async ([key, part]): Promise<[unknown, unknown]> => [key, await this.value(part, mayFail)],
          ),
        ),
      )
    const entries = Object.entries(value)
    const parts = await this.#list(
      entries.map(([, part]) => part),
      mayFail,
    )
    return Object.fromEntries(entries.map(([key], place) => [key, parts[place]]))
  }

  #list(list: readonly unknown[], mayFail: boolean): Promise<unknown[]> {
    return Promise.all(list.map((part) => this.value(part, mayFail)))
  }

  async #opaque(value: unknown, mayFail: boolean): Promise<unknown> {
    return value instanceof TaskFuture || value instanceof State ? this.value(value, mayFail) : value
  }

  #state(state: State, run: string | undefined, mayFail: boolean): unknown {
    if (run !== undefined) this.#upstream.add(run)
    if (!mayFail) {
      this.#states.push(state)
      return state.isCompleted() ? state.data : undefined
    }
    return state.isCompleted() ? state.data : state.result({ raiseOnFailure: false })
  }
}
