/** What the read model knows, as the live room asks for it. */

import type { Rev } from '../../broker/index.ts'
import type { Deps } from '../../core/index.ts'
import type { ReadModel } from '../read-model/index.ts'
import type { Feed, RunDirectory, RunPicture } from './sources.ts'

/** Of a run with more task runs than this, a snapshot has the ones that were called last. */
const MOST_TASKS = 10_000

/** How long a snapshot may wait for the read model to come to where the log is. */
const PATIENCE_MS = 5_000

/** `feed` hands on what is in `model` already. */
export function directoryOf(
  model: Pick<ReadModel, 'cursor' | 'runs' | 'tasks'>,
  feed: Feed,
  { clock }: Pick<Deps, 'clock'>,
): RunDirectory {
  const pictureNow = (run: string): RunPicture | undefined => {
    const found = model.runs.get(run)
    if (found === undefined || model.cursor === undefined) return undefined
    const snapshot = { run: found, taskRuns: model.tasks.newest(run, MOST_TASKS) }
    return { snapshot, rev: found.rev, cursor: model.cursor }
  }
  const isAt = (run: string, rev: Rev) => (model.runs.head(run)?.rev ?? 0) >= rev
  const until = (run: string, rev: Rev) =>
    new Promise<void>((resolve) => {
      const settle = () => {
        leave()
        patience.cancel()
        resolve()
      }
      const leave = feed.listen((entries) => {
        if (entries.some((entry) => entry.subject === run && entry.rev >= rev)) settle()
      })
      const patience = clock.setTimer(PATIENCE_MS, settle, { ref: false })
    })
  return {
    facts: (run) => model.runs.identity(run),
    head: (run) => model.runs.head(run),
    async picture(run, atLeast) {
      if (!isAt(run, atLeast)) await until(run, atLeast)
      return isAt(run, atLeast) ? pictureNow(run) : undefined
    },
  }
}
