/** From what a client asks to follow to the subscription that does it, if the client may. */

import type { LiveKind, SubscribeFrame, SubscribeTo } from '../../api/index.ts'
import { CallboardError, type Deps } from '../../core/index.ts'
import {
  demand,
  demandRun,
  demandUnbound,
  isUnbound,
  mayTouch,
  type Principal,
  viewOf,
} from '../access/index.ts'
import { demandStates, hintOf } from '../asked-states.ts'
import type { Hub } from './hub.ts'
import type { LiveLimits } from './limits.ts'
import { RunSubscription } from './run-subscription.ts'
import { eventSieve, runSieve } from './sieve.ts'
import { SieveSubscription } from './sieve-subscription.ts'
import type { LiveSources, RunDirectory, RunFacts, Wants } from './sources.ts'
import type { Voice } from './voice.ts'
import { WorkerSubscription } from './worker-subscription.ts'

export interface Subscription {
  close(): void
}

export interface Opening {
  readonly subscription: Subscription
  /** Rejects when it cannot begin; it is closed then. */
  readonly opened: Promise<void>
}

export interface SubscribeOptions {
  readonly deps: Deps
  readonly limits: LiveLimits
  readonly sources: LiveSources
  readonly hub: Hub
  readonly voice: Voice
}

type Asked = Pick<SubscribeFrame, 'to' | 'kinds' | 'after' | 'level'>

/** @throws CB_E_BUSY, CB_E_FORBIDDEN, CB_E_REQUEST_INVALID, CB_E_RUN_MISSING */
export function openSubscription(asked: Asked, principal: Principal, options: SubscribeOptions): Opening {
  demand(principal, 'read')
  const { sources } = options
  const { clock } = options.deps
  const { to, after = 'tail' } = asked
  const may = (run: RunFacts) => mayTouch(principal, run)
  if ('run' in to) {
    const facts = sources.runs.facts(to.run)
    const isEarly = facts === undefined && !sources.runs.isCaughtUp
    if (isEarly && principal.is === 'key' && !isUnbound(principal)) throw early(to.run)
    demandRun(principal, to.run, facts)
    const subscription = new RunSubscription(to.run, { ...options, clock, wants: wantsOf(asked) })
    return { subscription, opened: subscription.open(after) }
  }
  if ('workers' in to) {
    demandUnbound(principal)
    const subscription = new WorkerSubscription(sources.workers, options.voice, options.deps)
    subscription.open()
    return { subscription, opened: Promise.resolve() }
  }
  if ('runs' in to) demandStates(sources.runs, to.runs.state, 'to.runs.state')
  const [sieve, kind] =
    'runs' in to
      ? [runSieve(to.runs, may, viewOf(principal)), 'state' as const]
      : [eventSieve(to.events, may, viewOf(principal)), 'event' as const]
  const subscription = new SieveSubscription(sieve, { ...options, clock, wants: wantsOf(asked, [kind]) })
  return { subscription, opened: subscription.open(after) }
}

/** Whether a bound key may see a run hangs on what the run is. */
function early(run: string): CallboardError {
  return new CallboardError(
    'CB_E_BUSY',
    `This gateway is still reading the log and does not know run ${run} yet. Try again in a moment.`,
  )
}

/** What a client that asks for this is told besides. */
export function hintFor(to: SubscribeTo, runs: Pick<RunDirectory, 'hasState'>): { hint?: string } {
  return 'runs' in to ? hintOf(runs, to.runs.state) : {}
}

function wantsOf({ kinds, level }: Asked, usual?: readonly LiveKind[]): Wants {
  const wanted = kinds ?? usual
  return { kinds: wanted && new Set(wanted), level }
}
