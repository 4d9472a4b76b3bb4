/**
 * Deterministic simulation: the whole engine in one process, on one virtual clock, with everything going wrong that a
 * seed can think of. `scenario.ts` says what happens, `programs.ts` what runs, `machine.ts` what it runs on,
 * `observer.ts` what must hold.
 */

export type { ProgramName } from './programs.ts'
export { type Mishap, type PlannedRun, type Scenario, scenarioOf, smaller } from './scenario.ts'
export { type SimulationOptions, type SimulationReport, simulate } from './simulate.ts'
