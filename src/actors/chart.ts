/**
 * The adapter to XState: the only file that knows how a machine is driven. The charts are data
 * (`flow-chart.ts`, `task-chart.ts`); this makes a pure function of each.
 *
 * Invariants
 * (H1) A snapshot is a tag and a context, both plain values. What XState wants besides is the same for every
 *      snapshot of a state, so it is made once per state and shared.
 * (H2) A finished machine takes nothing (XState itself would move it).
 * (H3) An event that no transition takes is ignored: no new snapshot, so nothing to write.
 * (H4) What a guard or an assignment throws is caught: the snapshot stands, the event is poisoned.
 * (H5) `context.n` counts accepted events. It is raised before the chart sees the event, so that a timer token
 *      made of it is the number of the transition that armed the timer.
 * (H6) Effects come out through the one action `effect`; nothing is ever executed.
 * (H7) The same event object on the same snapshot gives the same step: what was judged is not computed again
 *      when its record is folded.
 * (H8) XState chooses every transition, and works out each one once for each state it is taken in: which plans run, in
 *      which order, and where it leads. That way is followed from then on. A machine that does anything but plans is
 *      left to XState each time.
 */

import { type AnyActorScope, type AnyMachineSnapshot, type AnyStateMachine, createEmptyActor } from 'xstate'
import { messageOf } from '../core/index.ts'
import { type Plan, Planner } from './chart-plans.ts'
import type { Effect } from './records.ts'
import type { ChartSnapshot } from './run-state.ts'
import { parseTag, type StateTag, type StateType, tagOf } from './states.ts'

/** What every chart's context has. */
export interface Counted {
  readonly n: number
  readonly customName: string | null
}

export type Step<Context> =
  | { readonly is: 'moved'; readonly to: ChartSnapshot<Context>; readonly effects: readonly Effect[] }
  | { readonly is: 'ignored' }
  | { readonly is: 'poisoned'; readonly error: string }

export interface Chart<Context, Event> {
  /** Every state of the chart. */
  readonly tags: readonly StateTag[]
  /** What becomes of the event. Never throws. */
  step(from: ChartSnapshot<Context>, event: Event): Step<Context>
  /** Whether the chart takes the event here. */
  can(from: ChartSnapshot<Context>, event: Event): boolean
}

/** What a state is to XState besides a context (H1), and the ways that lead from it (H8), by transition. */
interface Place<Context, Event> {
  readonly template: AnyMachineSnapshot
  readonly ways: Map<object, Way<Context, Event>>
}

type Way<Context, Event> =
  | { readonly leads: 'nowhere' }
  | {
      readonly leads: 'to'
      readonly type: StateType
      readonly tag: StateTag
      readonly plans: readonly Plan<Context, Event>[]
    }

const IGNORED = { is: 'ignored' } as const
const NO_EFFECTS: readonly Effect[] = []

/** Steps remembered (H7): an entry's records are folded right after they were judged. */
const REMEMBERED = 4

/** `planner`: the one that the machine's actions were made with. */
export function chartOf<Context extends Counted, Event extends { readonly type: string }>(
  machine: AnyStateMachine,
  planner: Planner<Context, Event> = new Planner(),
): Chart<Context, Event> {
  const places = placesOf<Context, Event>(machine)
  const remembers = planner.madeAllOf(machine.root)
  const recent: { from: ChartSnapshot<Context>; event: Event; step: Step<Context> }[] = []
  let oldest = 0
  let effects: Effect[] = []
  const scope = scopeOf((effect) => effects.push(effect))

  function placeOf(tag: StateTag): Place<Context, Event> {
    const place = places.get(tag) ?? places.get(parseTag(tag).type)
    if (place === undefined) throw new Error(`The chart ${machine.id} has no state ${tag}.`)
    return place
  }

  function compute(from: ChartSnapshot<Context>, event: Event): Step<Context> {
    try {
      const { template, ways } = placeOf(from.tag)
      if (template.status !== 'active') return IGNORED // (H2)
      const before = { ...template, context: { ...from.context, n: from.context.n + 1 } } // (H1) (H5)
      const [transition] = machine.getTransitionData(before, event)
      if (transition === undefined) return IGNORED // (H3)
      const way = ways.get(transition)
      return way === undefined ? explore(before, event, transition, ways) : follow(way, before.context, event)
    } catch (thrown) {
      return { is: 'poisoned', error: messageOf(thrown) } // (H4)
    }
  }

  /** Lets XState take the transition, and remembers the way (H8). */
  function explore(
    before: AnyMachineSnapshot,
    event: Event,
    transition: object,
    ways: Place<Context, Event>['ways'],
  ): Step<Context> {
    effects = []
    const { result: after, plans } = planner.traced(
      (): AnyMachineSnapshot => machine.transition(before, event, scope),
    )
    if (after === before) {
      ways.set(transition, { leads: 'nowhere' })
      return IGNORED // (H3)
    }
    const context: Context = after.context
    const [type, name] = stateIn(after.value)
    const step = {
      is: 'moved',
      to: { tag: tagOf(type, context.customName ?? name), context },
      effects,
    } as const
    if (remembers) ways.set(transition, { leads: 'to', type, tag: tagOf(type, name), plans })
    return step
  }

  return {
    tags: [...places.keys()].filter((key): key is StateTag => key.includes('.')),
    step(from, event) {
      const known = recent.find((one) => one.event === event && one.from === from)
      if (known !== undefined) return known.step // (H7)
      const step = compute(from, event)
      recent[oldest] = { from, event, step }
      oldest = (oldest + 1) % REMEMBERED
      return step
    },
    can: (from, event) => compute(from, event).is === 'moved',
  }
}

/** `context` is the caller's own, and becomes the step's. */
function follow<Context extends Counted, Event>(
  way: Way<Context, Event>,
  context: Context,
  event: Event,
): Step<Context> {
  if (way.leads === 'nowhere') return IGNORED
  let effects = NO_EFFECTS
  for (const plan of way.plans) {
    const deed = plan(context, event)
    if (deed.set !== undefined) Object.assign(context, deed.set)
    if (deed.effects !== undefined)
      effects = effects.length === 0 ? deed.effects : [...effects, ...deed.effects]
  }
  const { customName } = context
  const tag = customName === null ? way.tag : tagOf(way.type, customName)
  return { is: 'moved', to: { tag, context }, effects }
}

/** Every state by tag; by type alone the type's first name. */
function placesOf<Context, Event>(machine: AnyStateMachine): ReadonlyMap<string, Place<Context, Event>> {
  const places = new Map<string, Place<Context, Event>>()
  const placeAt = (value: string | Readonly<Record<string, string>>): Place<Context, Event> => ({
    template: machine.resolveState({ value, context: {} }),
    ways: new Map(),
  })
  for (const [type, parent] of Object.entries(machine.states)) {
    if (parent.type === 'final') places.set(type, placeAt(type))
    for (const name of Object.keys(parent.states)) {
      const place = placeAt({ [type]: name })
      places.set(`${type}.${name}`, place)
      if (!places.has(type)) places.set(type, place) // a name of the user's own
    }
  }
  return places
}

function stateIn(value: Readonly<Record<string, string>>): readonly [StateType, string] {
  for (const type in value) return [type as StateType, value[type] ?? '']
  throw new Error('The chart is in no state.')
}

/** A scope for machines that neither spawn, send nor wait: all of it that is ever used is the executor. */
function scopeOf(take: (effect: Effect) => void): AnyActorScope {
  const nobody = createEmptyActor()
  return {
    self: nobody,
    system: nobody.system,
    id: 'chart',
    sessionId: 'chart',
    logger: () => {},
    defer: () => {},
    emit: () => {},
    stopChild: () => {},
    actionExecutor(action) {
      if (action.type !== 'effect') throw new Error(`The chart runs an action of its own: ${action.type}.`)
      for (const effect of action.params as readonly Effect[]) take(effect) // (H6)
    },
  }
}
