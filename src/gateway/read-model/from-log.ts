/** A run as the read model would show it, from its own log: for what the read model has not come to yet. */

import { beginRun, type CreatedRecord, openRun, parseTag, type RunState } from '../../actors/index.ts'
import type { FlowRun, StateCounts } from '../../api/index.ts'
import type { Broker } from '../../broker/index.ts'
import type { Deps } from '../../core/index.ts'
import { iso } from './states.ts'
import { flowRunOf, runIdentity, shownParameters } from './views.ts'

/** Undefined when there is no such run. @throws as `openRun` */
export async function runFromLog(
  broker: Pick<Broker, 'log' | 'objects'>,
  deps: Pick<Deps, 'logger'>,
  id: string,
): Promise<FlowRun | undefined> {
  const run = await openRun(broker, deps, id)
  return run && shown(run)
}

/** A run that has just been made and of which nothing else is known. */
export function newRun(id: string, created: CreatedRecord): FlowRun {
  return shown(beginRun(id, created, { rev: 1, at: created.at }))
}

function shown({ created, flow, id, result, rev, state, tasks }: RunState): FlowRun {
  const taskRuns: StateCounts = {}
  for (const task of tasks.values()) {
    const { type } = parseTag(task.snapshot.tag)
    taskRuns[type] = (taskRuns[type] ?? 0) + 1
  }
  return flowRunOf(
    { ...runIdentity(id, created), ...shownParameters(created) },
    {
      state: {
        ...parseTag(state.tag),
        timestamp: iso(state.at),
        ...(state.message === undefined ? {} : { message: state.message }),
        ...(result !== undefined && 'v' in result ? { data: result.v } : {}),
        details: {},
      },
      context: flow.context,
      taskRuns,
      rev,
    },
  )
}
