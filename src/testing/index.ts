/**
 * What tests are made of, ours and our users': the definition of a broker driver (`conformance`), faults to wrap a
 * driver in (`faults`), the check that nothing is left running, the stress of everything with a life. May import
 * everything; nothing but tests imports it.
 */

export {
  type ConformanceCase,
  type ConformanceDriver,
  conformance,
  conformanceCases,
  type Feature,
  lackOf,
  type Part,
  type Place,
  type Runner,
  runCase,
} from './conformance/index.ts'
export {
  everywhere,
  type FaultKind,
  type FaultPlan,
  type FaultRecord,
  type FaultRule,
  type FaultyBroker,
  faulty,
  type Operation,
  POSSIBLE,
  type Rates,
} from './faults/index.ts'
export { type TestHarness, type TestHarnessOptions, testHarness } from './kit/index.ts'
export { type LeakCheck, type LeakOptions, leakCheck } from './leak-check.ts'
export { type StressOptions, stressService } from './service-stress.ts'
