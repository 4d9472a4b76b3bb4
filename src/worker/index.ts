/**
 * Workers: they join the cluster, take the runs of a pool, and run their code in their own process, in threads, in child
 * processes. Imports core, the broker's port, the actors, the catalogue, the scheduler and the SDK.
 */

export type { Worker, WorkerOptions, WorkerState, WorkerStatus } from './options.ts'
export type { InfrastructureKind } from './run-code.ts'
export { createWorker } from './worker.ts'
export { runWorkerProcess, type WorkerProcessOptions } from './worker-process.ts'
