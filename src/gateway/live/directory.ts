/** What the read model knows, as the live room asks for it. */

import type { RunSnapshot } from '../../api/index.ts'
import type { Feed } from '../feed.ts'
import type { ReadModel } from '../read-model/index.ts'
import type { LiveLimits } from './limits.ts'
import type { RunDirectory, RunPicture } from './sources.ts'

/** Of a run with more task runs than this, a snapshot has the ones that were called last. */
const MOST_TASKS = 10_000

export function directoryOf(
  model: Pick<ReadModel, 'cursor' | 'hasState' | 'runs' | 'tasks'>,
  feed: Pick<Feed, 'reached' | 'status'>,
  { pictureWithinMs }: Pick<LiveLimits, 'pictureWithinMs'>,
): RunDirectory {
  const pictureNow = (run: string): RunPicture | undefined => {
    const found = model.runs.get(run)
    if (found === undefined || model.cursor === undefined) return undefined
    const called = model.tasks.newest(run, MOST_TASKS + 1)
    const snapshot: RunSnapshot = { run: found, taskRuns: called.slice(-MOST_TASKS) }
    if (called.length > MOST_TASKS) snapshot.truncated = true
    return { snapshot, rev: found.rev, cursor: model.cursor }
  }
  return {
    get isCaughtUp() {
      return feed.status.is === 'live'
    },
    facts: (run) => model.runs.identity(run),
    head: (run) => model.runs.head(run),
    hasState: (name) => feed.status.is !== 'live' || model.hasState(name),
    async picture(run, atLeast) {
      return (await feed.reached(run, atLeast, pictureWithinMs)) ? pictureNow(run) : undefined
    },
  }
}
