/**
 * The SDK: flows and tasks as user code sees them, and the engine that runs them in a process. `public.ts` lists what users
 * import; this list is for the other rooms. Imports core, the broker's port, actors and the scheduler.
 */

export { useEngine } from './current-engine.ts'
export { draftOf } from './deploy.ts'
export { createEngine, type Engine, type EngineOptions } from './engine.ts'
export type { Environment, RunSettings } from './environment.ts'
export { definitionOf, type Flow, flow } from './flow.ts'
export type { FlowDefinition } from './flow-definition.ts'
export { chosenFlow, type EntryPoint, entryPointOf, flowAt, flowsIn, tasksIn } from './flow-files.ts'
export { inlineFlow } from './flow-run.ts'
export type { FlowRunHandle, LogLine, RunEvent, StartOptions } from './handle.ts'
export { abortSignal, getRunLogger } from './in-run.ts'
export { startInline } from './inline.ts'
export { LineGate } from './line-gate.ts'
export { type KeptLine, LineKeeper, type LineSink } from './line-keeper.ts'
export { RunClient } from './run-client.ts'
export { RunLines } from './run-lines.ts'
export { currentSpeaker } from './scope.ts'
export { type ServedTask, serveTasks } from './serve-tasks.ts'
export { State } from './state.ts'
export { takeOver } from './take-over.ts'
export { taskDefinitionOf } from './task.ts'
export { flowNamed } from './task-flows.ts'
