/** Brings in the parts of `parts.ts`, for whoever makes an engine. */

import { bringParts } from './parts.ts'
import { RunClient } from './run-client.ts'
import { callSubflow, startSubflow } from './subflow.ts'
import { callTask } from './task-call.ts'

export function bringAllParts(): void {
  bringParts({ callTask, callSubflow, startSubflow, RunClient })
}
