/**
 * What runs' code runs on: this process, threads of it, child processes. Each gives a `Runner` to the host; how code is
 * carried stands behind one interface (`carrier.ts`), so that other kinds can come. The programs of the code's side are in
 * `code/`.
 */

export type { CodeOf, CodePlan } from './carrier.ts'
export {
  type InfrastructureOptions,
  inlineRunner,
  type ProcessOptions,
  type ProcessRunner,
  processRunner,
  threadRunner,
} from './runners.ts'
