/** What a seed says shall happen: data, so that a failing one can be cut down to the part that matters. */

import { seededRandom } from '../../core/index.ts'
import { PROGRAM_NAMES, type ProgramName, simProgram } from './programs.ts'

export interface PlannedRun {
  readonly program: ProgramName
  /** When it is created, ms after the beginning. */
  readonly atMs: number
  /** When its cues are sent, one entry each, ms after the beginning. */
  readonly cuesAtMs: readonly number[]
}

/** `outage`: the broker is away for everybody. */
export type MishapKind = 'crash' | 'freeze' | 'cut' | 'outage' | 'skew'

/** Something happens to a machine, or to all of them, between two steps of the world. */
export interface Mishap {
  readonly kind: MishapKind
  /** The step after which it happens; steps are functions that the clock runs. */
  readonly atStep: number
  readonly machine: number
  /** How long until it is made good (a new machine for a crash); for a skew, by how much. Milliseconds. */
  readonly forMs: number
}

export interface Scenario {
  readonly seed: number
  readonly machines: number
  readonly runs: readonly PlannedRun[]
  readonly mishaps: readonly Mishap[]
  /** The rate of small faults at every operation: lost, doubled, late, out of order. */
  readonly faultRate: number
}

const MOST_STEPS = 1_500

export function scenarioOf(seed: number): Scenario {
  const random = seededRandom(seed)
  const below = (n: number) => Math.floor(random.next() * n)
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T
  const machines = 1 + below(3)
  const runs = Array.from({ length: 1 + below(4) }, (): PlannedRun => {
    const program = pick(PROGRAM_NAMES)
    return {
      program,
      atMs: below(1_000),
      cuesAtMs: (simProgram(program).cues ?? []).map((_, i) => 200 + i * 1_500 + below(3_000)),
    }
  })
  const calm = random.next() < 0.2
  const kinds: readonly MishapKind[] = ['crash', 'crash', 'freeze', 'cut', 'outage', 'skew']
  const mishaps = calm
    ? []
    : Array.from({ length: below(5) }, (): Mishap => {
        const kind = pick(kinds)
        return {
          kind,
          atStep: below(MOST_STEPS),
          machine: below(machines),
          forMs: kind === 'skew' ? below(7_200_000) - 3_600_000 : 100 + below(25_000),
        }
      })
  return { seed, machines, runs, mishaps, faultRate: calm ? 0 : pick([0, 0.005, 0.02]) }
}

/** Scenarios with one thing less, the largest cuts first. */
export function smaller(scenario: Scenario): readonly Scenario[] {
  const without = <T>(list: readonly T[], at: number) => list.filter((_, i) => i !== at)
  return [
    ...(scenario.faultRate > 0 ? [{ ...scenario, faultRate: 0 }] : []),
    ...scenario.runs.map((_, i) => ({ ...scenario, runs: without(scenario.runs, i) })),
    ...scenario.mishaps.map((_, i) => ({ ...scenario, mishaps: without(scenario.mishaps, i) })),
  ].filter(({ runs }) => runs.length > 0)
}
