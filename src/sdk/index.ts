/**
 * The SDK: flows and tasks as user code sees them, and the engine that runs them in a process. `public.ts` lists what users
 * import; this list is for the other rooms. Imports core, the broker's port, actors and the scheduler.
 */

export { useEngine } from './current-engine.ts'
export { createEngine, type Engine, type EngineOptions } from './engine.ts'
export type { Environment, RunSettings } from './environment.ts'
export type { Flow } from './flow.ts'
export type { FlowRunHandle, LogLine, RunEvent, StartOptions } from './handle.ts'
export { RunClient } from './run-client.ts'
export { State } from './state.ts'
