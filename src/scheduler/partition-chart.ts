/**
 * The statechart of one partition, as one scheduler sees it. Pure: what is to be done comes out as commands, done at
 * the edge (`partition.ts`).
 *
 * standby ── ACQUIRED ──▶ takingOver ── CAUGHT_UP ──▶ holding ── LET_GO ──▶ lettingGo ── RELEASED ──▶ standby
 *    ▲                        │ LET_GO: lettingGo        │                        │
 *    └────────────────────────┴───────── LOST ───────────┴────────────────────────┘
 *
 * It may be ours again before it is known that it was given back: then ACQUIRED leads from `lettingGo` to `takingOver`.
 *
 * Invariants
 * (C1) Nothing is performed or fired outside `holding`.
 * (C2) A lost partition is dropped at once, whatever was under way: somebody else may have it.
 * (C3) A checkpoint is written in `lettingGo` only by one that was `holding`: half a table is worth nothing.
 */

import { type ActionArgs, initialTransition, type SnapshotFrom, setup, transition } from 'xstate'
import { CallboardError } from '../core/index.ts'

export type PartitionEvent =
  /** The lease is ours. */
  | { readonly type: 'ACQUIRED' }
  /** The table is as new as the log was when the lease was acquired. */
  | { readonly type: 'CAUGHT_UP' }
  /** The lease is not ours any more. */
  | { readonly type: 'LOST' }
  /** Give it away: surplus, or the scheduler stops. */
  | { readonly type: 'LET_GO' }
  /** The lease was given back. */
  | { readonly type: 'RELEASED' }

export type PartitionCommand =
  /** Read the checkpoint, follow the log from there. */
  | { readonly do: 'take-over' }
  /** Perform what is outstanding; fire timers from now on. */
  | { readonly do: 'act' }
  /** Finish what is under way, write the checkpoint, give the lease back. */
  | { readonly do: 'hand-over' }
  /** Give the lease back. */
  | { readonly do: 'release' }
  /** Forget the table and follow no more. */
  | { readonly do: 'drop' }

export type PartitionState = 'standby' | 'takingOver' | 'holding' | 'lettingGo'

const base = setup({
  types: {} as { events: PartitionEvent },
  actions: {
    effect: (_args: ActionArgs<object, PartitionEvent, PartitionEvent>, _command: PartitionCommand) => {},
  },
})

const does = (command: PartitionCommand['do']) => ({ type: 'effect', params: { do: command } }) as const

const LOST = { target: 'standby', actions: does('drop') } as const

export const partitionMachine = base.createMachine({
  id: 'partition',
  initial: 'standby',
  states: {
    standby: { on: { ACQUIRED: { target: 'takingOver', actions: does('take-over') } } },
    takingOver: {
      on: {
        CAUGHT_UP: { target: 'holding', actions: does('act') },
        LET_GO: { target: 'lettingGo', actions: does('release') },
        LOST,
      },
    },
    holding: { on: { LET_GO: { target: 'lettingGo', actions: does('hand-over') }, LOST } },
    lettingGo: {
      on: {
        RELEASED: { target: 'standby', actions: does('drop') },
        ACQUIRED: { target: 'takingOver', actions: [does('drop'), does('take-over')] },
        LOST,
      },
    },
  },
})

export type PartitionSnapshot = SnapshotFrom<typeof partitionMachine>

/** What every partition begins with. */
export const standby: PartitionSnapshot = initialTransition(partitionMachine)[0]

interface Step {
  readonly to: PartitionSnapshot
  readonly commands: readonly PartitionCommand[]
}

/** The chart has no context: there is one snapshot of a state, and what an event does to it is asked of XState once. */
const snapshots = new Map<PartitionState, PartitionSnapshot>([[standby.value, standby]])
const known = new Map<string, Step>()

/** What becomes of the event, and what is to be done for it. An event that the state does not take changes nothing. */
export function step(from: PartitionSnapshot, event: PartitionEvent): Step {
  const key = `${from.value} ${event.type}`
  const before = known.get(key)
  if (before) return before
  const [next, actions] = transition(partitionMachine, from, event)
  const to = snapshots.get(next.value) ?? next
  snapshots.set(to.value, to)
  const made = { to, commands: actions.map(({ type, params }) => commandOf(type, params)) }
  known.set(key, made)
  return made
}

function commandOf(type: string, params: unknown): PartitionCommand {
  if (type === 'effect' && typeof params === 'object' && params !== null && 'do' in params)
    return params as PartitionCommand
  throw new CallboardError(
    'CB_E_BUG',
    `The partition chart runs an action of its own: ${type}. Please report this.`,
  )
}
