/**
 * What a flow ends in, by what its function returned. Pure but for waiting for futures.
 *
 * A state that the code made → that state. Futures or states of runs, also in lists and records → Completed when all are,
 * else Cancelled when any is, else the first that is paused, else Failed with "n/m states failed.". Anything else →
 * Completed with it, whatever became of tasks that nobody returned.
 */

import { now } from './ambient-clock.ts'
import { TaskFuture } from './future.ts'
import { TaskFutureList } from './future-list.ts'
import { State } from './state.ts'

/** Waits for what was returned. `reference` are the runs that decide instead, when the code named them. */
export async function finalState(returned: unknown, reference?: readonly unknown[]): Promise<State> {
  if (reference !== undefined) {
    const { states } = await look(reference)
    const state = decide(states, undefined)
    return state.isCompleted()
      ? completedWith((await look(returned)).value, 'All reference states completed.')
      : state
  }
  if (returned instanceof State && returned.run === undefined) return returned
  const { states, value } = await look(returned)
  if (returned instanceof State || returned instanceof TaskFuture) {
    const [only] = states
    if (only !== undefined && !only.isCompleted()) return only
  }
  return states.length === 0 ? completedWith(returned) : decide(states, value)
}

/** The rule over the states of what was returned. */
function decide(states: readonly State[], value: unknown): State {
  const failed = states.filter((state) => !state.isCompleted())
  if (failed.length === 0) return completedWith(value, 'All states completed.')
  const cancelled = failed.filter((state) => state.isCancelled())
  const count = (some: readonly State[], what: string) => `${some.length}/${states.length} states ${what}.`
  if (cancelled.length > 0)
    return new State({ type: 'CANCELLED', timestamp: now(), message: count(cancelled, 'cancelled') })
  const paused = failed.find((state) => state.isPaused())
  if (paused !== undefined) return paused
  return new State({ type: 'FAILED', timestamp: now(), message: count(failed, 'failed') })
}

function completedWith(data: unknown, message?: string): State {
  return new State({
    type: 'COMPLETED',
    timestamp: now(),
    data,
    ...(message === undefined ? {} : { message }),
  })
}

interface Looked {
  readonly states: readonly State[]
  /** What was returned, with values instead of futures and states. */
  readonly value: unknown
}

async function look(returned: unknown): Promise<Looked> {
  const states: State[] = []
  if (!holdsOutcomes(returned)) return { states, value: returned }
  /** What has a part that it is itself a part of stays as it is, to be refused as any result that cannot be stored. */
  const walk = async (value: unknown, within: readonly unknown[] = []): Promise<unknown> => {
    if (within.includes(value)) return value
    const parts = [...within, value]
    if (value instanceof TaskFuture) return walk(await value.wait(), parts)
    if (value instanceof TaskFutureList)
      return Promise.all((await value.wait()).map((state) => walk(state, parts)))
    if (value instanceof State) {
      states.push(value)
      return value.isCompleted() ? value.data : undefined
    }
    if (Array.isArray(value)) return Promise.all(value.map((part) => walk(part, parts)))
    if (!isPlain(value)) return value
    const entries = Object.entries(value).map(
      async ([key, part]): Promise<[string, unknown]> => [key, await walk(part, parts)],
    )
    return Object.fromEntries(await Promise.all(entries))
  }
  const value = await walk(returned)
  return { states, value: states.length === 0 ? returned : value }
}

/** Whether there is a future or a state anywhere in it. Most results are plain data, and may be large. */
function holdsOutcomes(returned: unknown): boolean {
  const seen = new Set<unknown>()
  const left = [returned]
  for (let value = left.pop(); value !== undefined || left.length > 0; value = left.pop()) {
    if (value instanceof TaskFuture || value instanceof TaskFutureList || value instanceof State) return true
    if (!(Array.isArray(value) || isPlain(value)) || seen.has(value)) continue
    seen.add(value)
    for (const part of Object.values(value)) left.push(part)
  }
  return false
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
