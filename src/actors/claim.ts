/**
 * Taking a run: address → load → fold → slots → claim. Whatever does not lead to a hosted run leaves nothing behind.
 */

import type { Subscription } from '../broker/index.ts'
import type { Deps } from '../core/index.ts'
import type { WorkItem } from './effects.ts'
import { foldEntry } from './fold.ts'
import type { HostContext } from './host-context.ts'
import { answerMessage } from './host-messages.ts'
import { HostedRun, type HostedRunOptions } from './hosted-run.ts'
import { runAddress } from './messages.ts'
import { openRun } from './open-run.ts'
import type { CreatedRecord } from './records.ts'
import type { RunState } from './run-state.ts'
import { asJson } from './shape.ts'
import { denialOf, type SlotAnswer } from './slots.ts'
import { parseTag } from './states.ts'

export type Claim =
  /** Claimed here. It may be over again by now, and its address may still be on its way. */
  | { readonly is: 'claimed'; readonly run: HostedRun; readonly address: Promise<Subscription> }
  /** Somebody else has it, it is not due, a limit refuses it, it has ended, or it never was. */
  | { readonly is: 'stale' }
  /** Nobody here has code for it. */
  | { readonly is: 'not-served'; readonly flow: string }

export type HostedHooks = Pick<HostedRunOptions, 'over' | 'changed'>

/** Where the messages for a run go while it is being claimed, and after. */
interface Door {
  readonly address: Promise<Subscription>
  readonly open: () => Promise<Subscription>
  run: HostedRun | undefined
}

/** Claims a run, from what its item says of it, or from its log. */
export async function claimRun(context: HostContext, work: WorkItem, hooks: HostedHooks): Promise<Claim> {
  const { broker, deps } = context
  const door = openDoor(context, work.run)
  const copied = stateIn(work, deps)
  const opened =
    copied ?? Promise.all([openRun(broker, deps, work.run), door.address]).then(([state]) => state)
  return keepDoor(door, async () => {
    const state = await opened
    if (state === undefined || !isClaimable(state)) return { is: 'stale' }
    const at = copied === undefined ? undefined : work.at
    return enter(context, door, state, { ...hooks, ...(at === undefined ? {} : { at }) })
  })
}

/** Creates a run and claims it, in one entry. `state` is what the record makes of it, at revision 0. */
export function claimNew(
  context: HostContext,
  state: RunState,
  created: CreatedRecord,
  hooks: HostedHooks,
): Promise<Claim> {
  const door = openDoor(context, state.id)
  return keepDoor(door, () => enter(context, door, state, { ...hooks, created }))
}

/** The state that the copy of the first entry comes to; undefined without one, or when it cannot be read. */
function stateIn({ run, first }: WorkItem, { logger }: Pick<Deps, 'logger'>): RunState | undefined {
  if (first === undefined) return undefined
  try {
    return foldEntry(undefined, { subject: run, rev: 1, records: first })
  } catch (error) {
    logger.warn({ run, error }, 'the copy of a run in its work item cannot be read; the log is read instead')
    return undefined
  }
}

function openDoor(context: HostContext, id: string): Door {
  const open = () =>
    context.broker.bus.subscribe(runAddress(id), async ({ value }) => {
      if (door.run === undefined) return { outcome: 'elsewhere' }
      const reply = await answerMessage(context, door.run, value)
      return reply === undefined ? undefined : asJson(reply)
    })
  const door: Door = { run: undefined, address: open(), open }
  door.address.catch(() => {}) // heard of by whoever needs it
  return door
}

type Entered = { readonly is: 'claimed'; readonly run: HostedRun } | Exclude<Claim, { is: 'claimed' }>

/** Closes the door again unless the run was claimed. */
async function keepDoor(door: Door, entering: () => Promise<Entered>): Promise<Claim> {
  let entered: Entered = { is: 'stale' }
  try {
    entered = await entering()
    if (entered.is !== 'claimed') return entered
    // It is ours by now, and must be heard: an address that could not be opened is opened again.
    const { log } = entered.run
    const address = door.address.catch(() => log.outlast(door.open))
    address.catch(() => {}) // the run is over
    return { ...entered, address }
  } finally {
    if (entered.is !== 'claimed')
      await door.address.then(
        (address) => address.stop(),
        () => {},
      )
  }
}

async function enter(
  context: HostContext,
  door: Door,
  state: RunState,
  options: HostedHooks & Pick<HostedRunOptions, 'at' | 'created'>,
): Promise<Entered> {
  const { flow } = state.created
  const runner = context.runners.find((candidate) => candidate.serves(flow))
  if (runner === undefined) return { is: 'not-served', flow }
  const slots = await slotsFor(context, state, context.limitsOf(state.created))
  const run = new HostedRun({
    context,
    runner,
    state,
    ...options,
  })
  if (slots.is === 'denied') {
    await run.refuse(denialOf(slots))
    return { is: 'stale' }
  }
  door.run = run
  return (await run.claim({ mayStart: slots.is === 'granted' })) ? { is: 'claimed', run } : { is: 'stale' }
}

function slotsFor(
  { deps, slots }: HostContext,
  { id, rev }: RunState,
  limits: readonly string[],
): Promise<SlotAnswer> {
  if (limits.length === 0) return Promise.resolve({ is: 'granted' })
  return slots.acquire({ holder: { run: id }, limits, since: deps.clock.now(), rev })
}

/** What the chart will say, without an append: most items are fresh, and a stale one costs nothing more. */
function isClaimable({ flow }: RunState): boolean {
  return parseTag(flow.tag).type === 'SCHEDULED' && flow.context.worker === null
}
