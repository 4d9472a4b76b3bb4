/** Who holds how many partitions. */

import { PARTITIONS } from '../core/index.ts'

export interface Member {
  readonly id: string
  /** A member that is not preferred holds only when there is no preferred one. */
  readonly preferred: boolean
}

/** How many partitions `self` aims at: an equal share, rounded up, of those who are to hold any. */
export function quotaOf(self: Member, members: Iterable<Member>): number {
  const all = new Map([[self.id, self]])
  for (const member of members) if (member.id !== self.id) all.set(member.id, member)
  const preferred = [...all.values()].filter((member) => member.preferred)
  if (preferred.length === 0) return Math.ceil(PARTITIONS / all.size)
  return self.preferred ? Math.ceil(PARTITIONS / preferred.length) : 0
}
