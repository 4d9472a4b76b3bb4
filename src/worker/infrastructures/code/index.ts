/**
 * The side of the code: the programs that threads and child processes are started with (`*-entry.ts`), and what they are
 * made of. The worker's side uses the loading of flow files only.
 */

export { loadFlowOf } from './load-flow.ts'
