/** What leaving a task to others needs of the rooms below; loaded with the first time. */

export { createRun } from '../actors/index.ts'
export { newRun } from './new-run.ts'
export { openHandle } from './open-handle.ts'
export { taskQueue } from './task-queue.ts'
