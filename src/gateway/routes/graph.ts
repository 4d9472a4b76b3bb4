/** A run as a graph: its task runs and child runs, and what waited for what. */

import type { Graph } from '../../api/index.ts'
import type { ReadModel } from '../read-model/index.ts'

/** More than anybody can look at. */
const MOST_TASKS = 2_000
const MOST_CHILDREN = 200

export function graphOf({ runs, tasks }: ReadModel, run: string): Graph {
  const called = tasks.newest(run, MOST_TASKS + 1)
  const children = runs.list({ parent: run, limit: MOST_CHILDREN, sort: 'created:asc' })
  return {
    run,
    nodes: [
      ...called.slice(-MOST_TASKS).map(({ endTime, key, name, startTime, state, upstream }) => ({
        key,
        kind: 'task' as const,
        name,
        state,
        ...(startTime === undefined ? {} : { startTime }),
        ...(endTime === undefined ? {} : { endTime }),
        upstream,
      })),
      ...children.items.map(({ endTime, id, name, parent, startTime, state }) => ({
        key: parent?.key ?? id,
        kind: 'flow' as const,
        name,
        run: id,
        state,
        ...(startTime === undefined ? {} : { startTime }),
        ...(endTime === undefined ? {} : { endTime }),
        upstream: [],
      })),
    ],
    truncated: called.length > MOST_TASKS || children.next !== undefined,
  }
}
