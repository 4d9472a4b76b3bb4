/**
 * One timer that is due, brought to its run: by its host if it has one, else by the compare-and-set of its log. A second
 * fire of the same timer is ignored there by its token, so a doubt is settled by firing again.
 */

import { type Answer, applyToRun, judgeFire, type TimerFire, tellRun } from '../actors/index.ts'
import type { Broker } from '../broker/index.ts'
import { type Deps, isCallboardError, type SteadyClock } from '../core/index.ts'
import type { Partition } from './partition.ts'
import type { ArmedTimer } from './run-row.ts'

/** Less is the ordinary way of things. */
const WORTH_SAYING_MS = 1_000

/** Resolves with whether it is settled: applied, or of no meaning to the run any more. Never rejects. */
export async function fireTimer(
  broker: Broker,
  deps: Deps,
  time: SteadyClock,
  partition: Partition,
  timer: ArmedTimer,
  lateMs: number,
): Promise<boolean> {
  if (!partition.acts) return false
  const { row, token, task } = timer
  const fire: TimerFire = {
    timer: timer.timer,
    token,
    at: time.now(),
    ...(task === undefined ? {} : { task }),
    ...(lateMs > WORTH_SAYING_MS ? { lateMs: Math.round(lateMs) } : {}),
  }
  try {
    const answer = await bring(broker, deps, row.id, row.worker !== null, fire)
    if (answer.outcome === 'wait') return false
  } catch (error) {
    const facts = { run: row.id, timer: timer.timer, task, error }
    if (!isHopeless(error)) {
      deps.logger.debug(facts, 'a timer could not be fired; it is tried again')
      return false
    }
    deps.logger.error(facts, 'a timer cannot be fired: its run cannot be read or written')
  }
  partition.table.spent(timer)
  return true
}

function bring(broker: Broker, deps: Deps, run: string, isHosted: boolean, fire: TimerFire): Promise<Answer> {
  const judge = judgeFire(fire)
  // Nobody hosts it: asking its address would cost a round trip to learn just that.
  return isHosted
    ? tellRun(broker, deps, run, { op: 'timer', fire }, judge)
    : applyToRun(broker, deps, run, judge)
}

/** Trying again would meet the same. */
function isHopeless(error: unknown): boolean {
  return isCallboardError(error) && error.kind === 'terminal' && error.code !== 'CB_E_STOPPED'
}
