/**
 * What filters ask about runs, kept for those that were lately in the log: made with a run's first entry, or fetched once.
 */

import type { StateName } from '../../api/index.ts'
import type { SharedEvent } from './shared-event.ts'
import type { RunDirectory, RunFacts } from './sources.ts'

/** What changes about a run, of what filters ask. */
export interface Standing extends StateName {
  readonly worker: string | undefined
}

/** A run around one entry of its log. */
export interface Known {
  /** Undefined when nobody here knows the run. */
  readonly facts: RunFacts | undefined
  /** Before the entry; undefined when it is not known. */
  readonly before: Standing | undefined
}

const MOST = 50_000

export class KnownRuns {
  readonly #runs: Pick<RunDirectory, 'facts'>
  readonly #facts = new Map<string, RunFacts>()
  readonly #standings = new Map<string, Standing>()

  constructor(runs: Pick<RunDirectory, 'facts'>) {
    this.#runs = runs
  }

  /** Takes the events of a run's next entry in; gives what was known when they came. */
  see(run: string, events: readonly SharedEvent[]): Known {
    const facts = factsIn(events) ?? this.#facts.get(run) ?? this.#runs.facts(run)
    if (facts !== undefined) keep(this.#facts, run, facts)
    const before = this.#standings.get(run)
    const after = standingIn(events)
    if (after !== undefined) keep(this.#standings, run, after)
    return { facts, before }
  }

  /** Facts that were had from elsewhere. */
  learn(run: string, facts: RunFacts): void {
    keep(this.#facts, run, facts)
  }
}

/** A run's first entry tells of the run. */
export function factsIn(events: readonly SharedEvent[]): RunFacts | undefined {
  for (const { event } of events)
    if (event.kind === 'state' && event.data.created !== undefined) return event.data.created
  return undefined
}

export function standingOf({ event }: SharedEvent): Standing | undefined {
  if (event.kind !== 'state') return undefined
  const { state, worker } = event.data
  return { type: state.type, name: state.name, worker }
}

function standingIn(events: readonly SharedEvent[]): Standing | undefined {
  let newest: Standing | undefined
  for (const event of events) newest = standingOf(event) ?? newest
  return newest
}

/** The oldest goes when there are too many. */
function keep<V>(map: Map<string, V>, run: string, value: V): void {
  map.delete(run)
  map.set(run, value)
  if (map.size <= MOST) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
