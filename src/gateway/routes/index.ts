/** What the gateway answers over REST, group by group. */

import type { Server } from '../http/index.ts'
import { addArtifacts } from './artifacts.ts'
import { addBlocks } from './blocks.ts'
import { addApiKeys, addDeploymentRuns, addLimits, addPools } from './catalog.ts'
import type { Context } from './context.ts'
import { addFlowRuns } from './flow-runs.ts'
import { addFlows, addSettings, addWorkers } from './flows.ts'
import { addHealth } from './health.ts'
import { addLimitReset } from './limit-reset.ts'
import { addTaskRuns, addWhatHappened } from './runs-of-all.ts'
import { addSignals } from './signals.ts'

export type { Context } from './context.ts'
export { addRunTokens } from './run-tokens.ts'

/** In the order in which they are described. */
export function addRoutes(server: Server, context: Context): void {
  addFlowRuns(server, context)
  addSignals(server, context)
  addTaskRuns(server, context)
  addFlows(server, context)
  addPools(server, context)
  addBlocks(server, context)
  addDeploymentRuns(server, context)
  addWorkers(server, context)
  addLimits(server, context)
  addLimitReset(server, context)
  addWhatHappened(server, context)
  addArtifacts(server, context)
  addApiKeys(server, context)
  addSettings(server, context)
  addHealth(server, context)
}
