/**
 * Faults by seed for any broker: `faulty(broker, plan, deps)`. `plan.ts` says what can go wrong and when, `gate.ts` is
 * the wire that breaks, the other files are the parts of the port behind it.
 */

export { type FaultyBroker, faulty } from './faulty.ts'
export type { FaultRecord } from './gate.ts'
export {
  everywhere,
  type FaultKind,
  type FaultPlan,
  type FaultRule,
  type Operation,
  POSSIBLE,
  type Rates,
} from './plan.ts'
