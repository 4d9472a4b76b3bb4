/** Options that say which runs are meant, the same wherever runs are listed or told something. */

import { Command } from '@commander-js/extra-typings'
import type { RunFilter } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { several, timeBefore } from '../input/index.ts'

/** A command with these options. */
export function filtered(name: string, { deps }: Context) {
  const before = timeBefore(deps.clock.now())
  return new Command(name)
    .option('--flow <name>', 'of this flow (may be given several times)', several)
    .option('--state <state>', 'in this state, RUNNING or Late (several times)', several)
    .option('--tag <tag>', 'with this tag (several times: with all of them)', several)
    .option('--deployment <flow/name>', 'of this deployment (several times)', several)
    .option('--name <text>', 'with this in its name')
    .option('--since <time>', 'starting at this time or later; 2h is two hours ago', before)
    .option('--until <time>', 'starting before this time', before)
}

interface FilterOptions {
  readonly flow?: readonly string[] | undefined
  readonly state?: readonly string[] | undefined
  readonly tag?: readonly string[] | undefined
  readonly deployment?: readonly string[] | undefined
  readonly name?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export function filterOf({ flow, state, tag, deployment, name, since, until }: FilterOptions): RunFilter {
  return {
    ...(flow === undefined ? {} : { flow: [...flow] }),
    ...(state === undefined ? {} : { state: [...state] }),
    ...(tag === undefined ? {} : { tag: [...tag] }),
    ...(deployment === undefined ? {} : { deployment: [...deployment] }),
    ...(name === undefined ? {} : { name }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
}
