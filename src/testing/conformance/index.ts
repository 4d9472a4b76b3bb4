/**
 * What a broker driver must do, as cases: `conformance(driver, { describe, it })`. Public, for whoever writes a
 * driver of their own. `suite.ts` says how a driver presents itself; the other files are the cases, part by part.
 */

export { conformance, conformanceCases } from './all.ts'
export {
  type ConformanceCase,
  type ConformanceDriver,
  type Feature,
  lackOf,
  type Part,
  type Place,
  type Runner,
  runCase,
} from './suite.ts'
