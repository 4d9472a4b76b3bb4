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
 */

import { type AnyActorScope, type AnyMachineSnapshot, type AnyStateMachine, createEmptyActor } from 'xstate'
import { messageOf } from '../core/index.ts'
import type { Effect } from './records.ts'
import type { ChartSnapshot } from './run-state.ts'
import { parseTag, type StateTag } from './states.ts'

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

const IGNORED = { is: 'ignored' } as const

/** Steps remembered (H7): an entry's records are folded right after they were judged. */
const REMEMBERED = 4

export function chartOf<Context extends Counted, Event extends { readonly type: string }>(
  machine: AnyStateMachine,
): Chart<Context, Event> {
  const templates = templatesOf(machine)
  const recent: { from: ChartSnapshot<Context>; event: Event; step: Step<Context> }[] = []
  let oldest = 0
  let effects: Effect[] = []
  const scope = scopeOf((effect) => effects.push(effect))

  function templateOf(tag: StateTag): AnyMachineSnapshot {
    const template = templates.get(tag) ?? templates.get(parseTag(tag).type)
    if (template === undefined) throw new Error(`The chart ${machine.id} has no state ${tag}.`)
    return template
  }

  function compute(from: ChartSnapshot<Context>, event: Event): Step<Context> {
    effects = []
    try {
      const template = templateOf(from.tag)
      if (template.status !== 'active') return IGNORED // (H2)
      const before = { ...template, context: { ...from.context, n: from.context.n + 1 } } // (H1) (H5)
      const after: AnyMachineSnapshot = machine.transition(before, event, scope)
      if (after === before) return IGNORED // (H3)
      const context: Context = after.context
      return { is: 'moved', to: { tag: tagIn(after.value, context), context }, effects }
    } catch (thrown) {
      return { is: 'poisoned', error: messageOf(thrown) } // (H4)
    }
  }

  return {
    tags: [...templates.keys()].filter((key): key is StateTag => key.includes('.')),
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

/** What XState keeps of each state besides the context, by tag; by type alone for the type's first name. */
function templatesOf(machine: AnyStateMachine): ReadonlyMap<string, AnyMachineSnapshot> {
  const templates = new Map<string, AnyMachineSnapshot>()
  for (const [type, parent] of Object.entries(machine.states)) {
    if (parent.type === 'final') templates.set(type, machine.resolveState({ value: type, context: {} }))
    for (const name of Object.keys(parent.states)) {
      const template = machine.resolveState({ value: { [type]: name }, context: {} })
      templates.set(`${type}.${name}`, template)
      if (!templates.has(type)) templates.set(type, template) // a name of the user's own
    }
  }
  return templates
}

function tagIn(value: Readonly<Record<string, string>>, { customName }: Counted): StateTag {
  for (const type in value) return `${type}.${customName ?? value[type]}` as StateTag
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

/** What a transition does besides moving: the changes to its context and the effects it asks for. */
export interface Deed<Context> {
  readonly set?: Partial<Context>
  readonly effects?: readonly Effect[]
}

/** Pure: of the context as it is before, and the event. */
export type Plan<Context, Event> = (context: Context, event: Event) => Deed<Context>

/** Plans one after the other as one deed; computed once although context and effects each ask for it. */
export function inOrder<Context extends Counted, Event>(
  plans: readonly Plan<Context, Event>[],
): (context: Context, event: Event) => Required<Deed<Context>> {
  let last: { context: Context; event: Event; deed: Required<Deed<Context>> } | undefined
  return (context, event) => {
    if (last !== undefined && last.context === context && last.event === event) return last.deed
    let set: Partial<Context> = {}
    const effects: Effect[] = []
    for (const plan of plans) {
      const deed = plan({ ...context, ...set }, event)
      set = { ...set, ...deed.set }
      if (deed.effects !== undefined) effects.push(...deed.effects)
    }
    const deed = { set, effects }
    last = { context, event, deed }
    return deed
  }
}
