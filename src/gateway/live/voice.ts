/** How a subscription speaks to its client, whatever stands between the two. */

import type { GapFrame, RunSnapshot } from '../../api/index.ts'
import type { Lane } from './outbox.ts'
import type { SharedEvent } from './shared-event.ts'

export interface Voice {
  /** It begins: from this cursor on, and with what holds there. */
  begun(cursor: string, snapshot?: RunSnapshot): void
  event(lane: Lane, event: SharedEvent): void
  gap(gap: Pick<GapFrame, 'from' | 'to' | 'reason'>, snapshot?: RunSnapshot): void
  /** There will be no more; what waits of the lane leaves before this is said. */
  end(lane: Lane, cursor: string): void
  /** It cannot go on; the client may come again with its cursor. */
  broken(error: unknown): void
  /** Whether the client takes more at once. */
  readonly isReady: boolean
  /** Resolves once it does, or is gone. */
  ready(): Promise<void>
  /** Forgets what waits of a subscription. */
  forget(lane: Lane): void
}
