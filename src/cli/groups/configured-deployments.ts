/** The section `deployments` of `callboard.config.ts`. */

import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DeploymentInput } from '../../api/index.ts'
import { chosenFlow, entryPointOf } from '../../sdk/index.ts'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { type DeploymentPlace, deploymentOf, describeFlows } from '../flows/index.ts'

/** As it stands there: the entry point says which flow, the rest is the deployment's. */
type Section = DeploymentPlace & { readonly entrypoint: string }

/** @throws CommandFailure when there is no such section; CB_E_CODE_MISSING, CB_E_CODE_LOAD for what it names */
export async function configuredDeployments(context: Context): Promise<readonly DeploymentInput[]> {
  const file = await configFile(context)
  const { default: config }: { readonly default?: unknown } = await import(pathToFileURL(file).href)
  const listed =
    typeof config === 'object' && config !== null && 'deployments' in config ? config.deployments : undefined
  if (!Array.isArray(listed) || listed.length === 0)
    throw new CommandFailure(
      `${file} lists no deployments. Add: deployments: [{ entrypoint: 'flows.ts:weather', name: 'prod' }]`,
    )
  const wanted: DeploymentInput[] = []
  for (const section of listed) wanted.push(await deploymentIn(file, section, context.folder))
  return wanted
}

async function deploymentIn(file: string, section: unknown, folder: string): Promise<DeploymentInput> {
  if (!isSection(section))
    throw new CommandFailure(
      `A deployment in ${file} has no entrypoint, or no name: ${JSON.stringify(section)}`,
    )
  const { entrypoint, path = folder, ...place } = section
  const code = entryPointOf(entrypoint)
  const flow = chosenFlow(code.file, await describeFlows([code.file], folder), code.exported)
  return deploymentOf(flow, { ...place, path: resolve(folder, path) })
}

function isSection(value: unknown): value is Section {
  if (typeof value !== 'object' || value === null || !('entrypoint' in value) || !('name' in value))
    return false
  return typeof value.entrypoint === 'string' && typeof value.name === 'string'
}

async function configFile(context: Context): Promise<string> {
  const { configFile: named } = await context.settings()
  for (const path of named === undefined ? ['callboard.config.ts', 'callboard.config.js'] : [named]) {
    const whole = named ?? join(context.folder, path)
    const isThere = await access(whole).then(
      () => true,
      () => false,
    )
    if (isThere) return whole
  }
  throw new CommandFailure(`There is no callboard.config.ts in ${context.folder}.`)
}
