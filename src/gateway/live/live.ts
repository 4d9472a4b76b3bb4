/**
 * Everything live of one gateway: its sockets and streams over one hub, and the heart that all of them share.
 *
 * Invariants
 * (G1) One timer asks all connections whether they are alive.
 * (G2) After `stop` there is no connection, and none can come.
 * (G3) An entry that cannot be read is told about in the gateway's log and says nothing to clients; what comes after it
 *      reaches them.
 */

import type { Entry } from '../../broker/index.ts'
import { type Deps, type Service, service, type Timer } from '../../core/index.ts'
import type { Happening } from '../read-model/index.ts'
import type { Closing } from './closing.ts'
import { Hub } from './hub.ts'
import type { LiveLimits } from './limits.ts'
import type { LiveSources } from './sources.ts'

/** What lives as long as a client is there. */
export interface Member {
  /** Asks the client whether it is there; ends it when it was silent for too long. */
  beat(): void
  close(why: Closing): void
  /** Resolves once nothing of it is left. */
  readonly ended: Promise<void>
}

export interface Live extends Service {
  readonly hub: Hub
  readonly limits: LiveLimits
  readonly sources: LiveSources
  readonly members: number
  join(member: Member): void
}

export function createLive(given: LiveSources, limits: LiveLimits, deps: Deps): Live {
  const sources: LiveSources = { ...given, eventsOf: (entry) => readableIn(given, entry, deps) }
  const hub = new Hub(sources)
  const members = new Set<Member>()
  let heart: Timer | undefined
  let isOver = false

  const beat = () => {
    for (const member of members) member.beat()
    heart = deps.clock.setTimer(limits.heartbeatMs, beat, { ref: false }) // (G1)
  }

  const life = service('The live part of the gateway', {
    async start() {
      heart = deps.clock.setTimer(limits.heartbeatMs, beat, { ref: false })
    },
    async stop() {
      isOver = true
      heart?.cancel()
      const ends = [...members].map(({ ended }) => ended)
      for (const member of [...members]) member.close('RESTARTING')
      await Promise.all(ends)
      hub.close()
    },
  })

  return {
    ...life,
    hub,
    limits,
    sources,
    get members() {
      return members.size
    },
    join(member) {
      if (isOver) return member.close('RESTARTING') // (G2)
      members.add(member)
      member.ended.then(() => members.delete(member))
    },
  }
}

/** (G3) */
function readableIn({ eventsOf }: LiveSources, entry: Entry, { logger }: Deps): readonly Happening[] {
  try {
    return eventsOf(entry)
  } catch (error) {
    logger.error(
      { error, run: entry.subject, rev: entry.rev },
      'an entry cannot be read and is told to nobody',
    )
    return []
  }
}
