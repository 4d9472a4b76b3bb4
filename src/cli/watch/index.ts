/** Watching a run: its picture, and the loop that keeps it up to date. */

export { watchRun } from './watch-run.ts'
