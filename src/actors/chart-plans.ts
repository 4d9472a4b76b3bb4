/**
 * What transitions do besides moving, as pure plans that a chart's actions are made of.
 *
 * Invariant
 * (L1) A plan is a function of the context as the plans before it have left it, and of the event, and of nothing else:
 *      a way that was worked out once can be followed again from its plans alone.
 */

import type { AnyStateNode } from 'xstate'
import type { Effect } from './records.ts'

/** The changes to the context, and the effects asked for. */
export interface Deed<Context> {
  readonly set?: Partial<Context>
  readonly effects?: readonly Effect[]
}

/** Pure: of the context as it is before, and the event. */
export type Plan<Context, Event> = (context: Context, event: Event) => Deed<Context>

/** The plans of one chart. */
export class Planner<Context, Event> {
  readonly #made = new Set<unknown>()
  #trace: Plan<Context, Event>[] | undefined

  /** Plans one after the other as one deed; computed once although context and effects each ask for it. */
  inOrder(
    plans: readonly Plan<Context, Event>[],
  ): (context: Context, event: Event) => Required<Deed<Context>> {
    let last: { context: Context; event: Event; deed: Required<Deed<Context>> } | undefined
    return (context, event) => {
      if (last !== undefined && last.context === context && last.event === event) return last.deed
      this.#trace?.push(...plans)
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

  /** Actions of a machine that do nothing but carry out a deed of `inOrder`. */
  own<Actions extends readonly object[]>(actions: Actions): Actions {
    for (const action of actions) this.#made.add(action)
    return actions
  }

  /** Whether a state and those in it have no other actions than that. */
  madeAllOf({ entry, exit, transitions, states }: AnyStateNode): boolean {
    const taken = [...transitions.values()].flat().flatMap(({ actions }) => actions)
    return (
      [...entry, ...exit, ...taken].every((action) => this.#made.has(action)) &&
      Object.values(states).every((state) => this.madeAllOf(state))
    )
  }

  /** Does `work`, and tells which plans were carried out meanwhile, in order. */
  traced<Result>(work: () => Result): {
    readonly result: Result
    readonly plans: readonly Plan<Context, Event>[]
  } {
    const plans: Plan<Context, Event>[] = []
    this.#trace = plans
    try {
      return { result: work(), plans }
    } finally {
      this.#trace = undefined
    }
  }
}
