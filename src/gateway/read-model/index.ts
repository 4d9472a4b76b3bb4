/**
 * What the gateway knows of all runs: tables of its own, made from the log and disposable, and what an entry of the log
 * says in the words of the wire.
 */

export { eventsOf, type Happening } from './events.ts'
export { newRun, runFromLog } from './from-log.ts'
export { afterPlace, listOf, PER_PAGE, pageUpTo, type VisibleRuns } from './queries/index.ts'
export { ReadModel, type ReadModelFigures, type ReadModelOptions } from './read-model.ts'
export { iso } from './states.ts'
export { IN_MEMORY } from './store.ts'
export { partsOfTaskRunId, taskRunId } from './views.ts'
