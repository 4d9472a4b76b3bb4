/**
 * What the code of the simulated runs really did: the effects outside of any log, which no fault can undo. The
 * observer holds it against what the logs say.
 */

export interface BodyStart {
  readonly run: string
  /** Names the body within its run, the same in every replay. */
  readonly body: string
  readonly machine: string
  readonly epoch: number
  /** Whether, as far as the observer knew, this task run was completed already, and under which epoch the run was. */
  readonly wasCompleted: boolean
  readonly ownerEpoch: number
}

export interface Ledger {
  readonly starts: readonly BodyStart[]
  begin(start: Omit<BodyStart, 'wasCompleted' | 'ownerEpoch'>): void
  /** A body that holds a slot of `limit` begins or ends, on a machine that is alive. */
  enter(limit: string, machine: string): void
  leave(limit: string, machine: string): void
  /** A machine is dead: what it was doing counts no more. */
  bury(machine: string): void
  /** The most that ever held a limit at once. */
  most(limit: string): number
}

export function makeLedger(
  known: (run: string, body: string) => { readonly wasCompleted: boolean; readonly ownerEpoch: number },
): Ledger {
  const starts: BodyStart[] = []
  const inside = new Map<string, string[]>()
  const most = new Map<string, number>()
  const within = (limit: string) => {
    const machines = inside.get(limit) ?? []
    inside.set(limit, machines)
    return machines
  }
  return {
    starts,
    begin(start) {
      starts.push({ ...start, ...known(start.run, start.body) })
    },
    enter(limit, machine) {
      const machines = within(limit)
      machines.push(machine)
      most.set(limit, Math.max(most.get(limit) ?? 0, machines.length))
    },
    leave(limit, machine) {
      const machines = within(limit)
      const at = machines.indexOf(machine)
      if (at >= 0) machines.splice(at, 1)
    },
    bury(machine) {
      for (const [limit, machines] of inside)
        inside.set(
          limit,
          machines.filter((each) => each !== machine),
        )
    },
    most: (limit) => most.get(limit) ?? 0,
  }
}
