/** The code of a run: the flow that it is of, in the file that its plan names. */

import { isAbsolute, resolve } from 'node:path'
import type { RunStart } from '../../../actors/index.ts'
import { CallboardError, quote } from '../../../core/index.ts'
import { entryPointOf, type FlowDefinition, flowAt, flowNamed } from '../../../sdk/index.ts'
import type { CodePlan } from '../carrier.ts'

/**
 * The flow that a run is of. A run without a deployment of its own was called by another flow, whose code it comes with:
 * loading that defines it as well.
 *
 * @throws CB_E_CODE_MISSING; CB_E_CODE_LOAD, saying what is there instead
 */
export async function loadFlowOf(
  { deployment, flow }: Pick<RunStart, 'deployment' | 'flow'>,
  { entrypoint, path }: Pick<CodePlan, 'path' | 'entrypoint'>,
): Promise<FlowDefinition> {
  const { file, exported } = entryPointOf(entrypoint)
  const { definition } = await flowAt(isAbsolute(file) ? file : resolve(path, file), exported)
  if (definition.name === flow) return definition
  const called = flowNamed(flow)
  if (called?.body !== undefined) return called // of a task that it calls
  if (deployment !== undefined) return definition
  if (called !== undefined) return called
  throw new CallboardError(
    'CB_E_CODE_LOAD',
    `There is no flow ${quote(flow)} in what ${quote(entrypoint)} loads. It was called as a subflow: import it there, not later.`,
  )
}
