/** What a subscription to one run and one to many have in common: where it can stand, and what it is given. */

import type { Clock } from '../../core/index.ts'
import type { Hub } from './hub.ts'
import type { LiveLimits } from './limits.ts'
import type { LiveSources, Wants } from './sources.ts'
import type { Voice } from './voice.ts'

export type Phase =
  | { readonly is: 'opening' }
  /** Reading the log. */
  | { readonly is: 'catching' }
  /** Taking what the hub offers. */
  | { readonly is: 'live' }
  /** Waiting for the client to take more, to go on from what it has or from what holds then. */
  | { readonly is: 'behind' }
  | { readonly is: 'over' }

export interface SubscriptionOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly limits: Pick<LiveLimits, 'behindForMs'>
  readonly sources: LiveSources
  readonly hub: Hub
  readonly voice: Voice
  readonly wants: Wants
}
