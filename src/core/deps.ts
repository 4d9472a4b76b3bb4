/** What every part with a life is given: time, randomness and a logger. Nothing takes them from elsewhere. */

import { type Clock, systemClock } from './clock.ts'
import { newId } from './ids.ts'
import { type Logger, silentLogger } from './logger.ts'
import { type Random, systemRandom } from './random.ts'

export interface Deps {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The machine's own clock and randomness. Logs go nowhere unless a logger is given. */
export function systemDeps(logger: Logger = silentLogger): Deps {
  return { clock: systemClock, random: systemRandom, logger }
}

/** A fresh id from these dependencies; with `partition`, one that hashes to it. */
export function mintId(deps: Pick<Deps, 'clock' | 'random'>, partition?: number): string {
  return newId(deps.clock.now(), deps.random, partition)
}
