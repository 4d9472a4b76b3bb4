/**
 * What passes of the events of all runs: those of runs that a filter means, or those of an event filter.
 *
 * A filter may ask for states. Then a run's events pass while it is in one of them; the event with which it leaves passes
 * too, so that whoever keeps a list knows that the run is out of it. Where the state before is not known (just after
 * going on from a cursor) an event too many passes, never one too few.
 */

import type { EventFilter, RunFilter } from '../../api/index.ts'
import { type Known, type Standing, standingOf } from './known-runs.ts'
import type { SharedEvent } from './shared-event.ts'
import type { RunFacts } from './sources.ts'

export interface Sieve {
  /** Sieves of the same key let the same pass. */
  readonly key: string
  pass(events: readonly SharedEvent[], known: Known): readonly SharedEvent[]
}

type Mark = (facts: RunFacts) => boolean

const NONE: readonly SharedEvent[] = []

/** `may` narrows it to what the subscriber may see; `scope` names that. */
export function runSieve(filter: RunFilter, may: Mark, scope: string): Sieve {
  const isMeant = runMark(filter)
  const { state, worker } = filter
  const asksForStanding = state !== undefined || worker !== undefined
  const isIn = (standing: Standing | undefined) =>
    standing === undefined ||
    ((worker === undefined || standing.worker === worker) &&
      isOneOf(state, (wanted) => wanted === standing.type || wanted === standing.name))
  return {
    key: `runs ${scope} ${JSON.stringify(filter)}`,
    pass(events, { facts, before }) {
      if (facts === undefined || !may(facts) || !isMeant(facts)) return NONE
      if (!asksForStanding) return events
      let standing = before
      return events.filter((event) => {
        const left = standing
        standing = standingOf(event) ?? standing
        return isIn(left) || isIn(standing)
      })
    },
  }
}

export function eventSieve(filter: EventFilter, may: Mark, scope: string): Sieve {
  const { run, task, flow, event: name, since, until } = filter
  const [from, to] = [timeOf(since) ?? -Infinity, timeOf(until) ?? Infinity]
  return {
    key: `events ${scope} ${JSON.stringify(filter)}`,
    pass(events, { facts }) {
      if (facts === undefined || !may(facts)) return NONE
      if (run !== undefined && run !== facts.id) return NONE
      if (flow !== undefined && flow !== facts.flow) return NONE
      return events.filter(({ event }) => {
        if (event.kind !== 'event') return false
        const { data } = event
        if (task !== undefined && task !== `${facts.id}.${data.task}`) return false
        const at = Date.parse(data.timestamp)
        return at >= from && at < to && isOneOf(name, (wanted) => isNamed(data.event, wanted))
      })
    },
  }
}

/** What a filter says about a run for good. */
function runMark(filter: RunFilter): Mark {
  const { id, flow, tag, deployment, parent, root, name, queue, since, until } = filter
  const part = name?.toLowerCase()
  const [from, to] = [timeOf(since), timeOf(until)]
  return (facts) => {
    const begins = from === undefined && to === undefined ? 0 : Date.parse(facts.expectedStartTime)
    return (
      isOneOf(id, (wanted) => wanted === facts.id) &&
      isOneOf(flow, (wanted) => wanted === facts.flow) &&
      isOneOf(deployment, (wanted) => wanted === facts.deployment) &&
      isOneOf(queue, (wanted) => wanted === facts.queue) &&
      manyOf(tag).every((wanted) => facts.tags.includes(wanted)) &&
      (parent === undefined || (facts.parent?.run ?? 'none') === parent) &&
      (root === undefined || (facts.root ?? facts.id) === root) &&
      (part === undefined || facts.name.toLowerCase().includes(part)) &&
      (from === undefined || begins >= from) &&
      (to === undefined || begins < to)
    )
  }
}

function manyOf(wanted: string | readonly string[] | undefined): readonly string[] {
  if (wanted === undefined) return []
  return typeof wanted === 'string' ? [wanted] : wanted
}

/** What is not asked for is as it should be. */
function isOneOf(wanted: string | readonly string[] | undefined, is: (one: string) => boolean): boolean {
  return wanted === undefined || manyOf(wanted).some(is)
}

function isNamed(name: string, wanted: string): boolean {
  return wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text)
}
