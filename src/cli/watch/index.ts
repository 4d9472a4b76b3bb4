/** Watching a run: its picture, and the loop that keeps it up to date. */

export { watchHere } from './watch-here.ts'
export { sayOnce, untilCaughtUp, watchRun } from './watch-run.ts'
