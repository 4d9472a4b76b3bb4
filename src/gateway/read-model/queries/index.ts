/** What can be asked of the read model, by what is asked for. */

export { ArtifactQueries } from './artifacts.ts'
export { EventQueries } from './events.ts'
export { LineQueries } from './lines.ts'
export { afterPlace, listOf, PER_PAGE, pageUpTo } from './paging.ts'
export { RunQueries, type VisibleRuns } from './runs.ts'
export { TaskQueries } from './tasks.ts'
