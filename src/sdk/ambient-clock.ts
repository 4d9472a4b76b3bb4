/** The clock of whoever runs: of the engine whose run this is, else the machine's. */

import { systemClock } from '../core/index.ts'
import { currentScope } from './scope.ts'

export function now(): Date {
  return new Date((currentScope()?.flow.env.deps.clock ?? systemClock).now())
}
