/** The section `deployments` of `callboard.config.ts`. */

import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DeploymentInput } from '../../api/index.ts'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { type DeploymentPlace, deploymentOf, describeFlows } from '../flows/index.ts'

/** As it stands there: the entry point says which flow, the rest is the deployment's. */
type Section = DeploymentPlace & { readonly entrypoint: string }

/** @throws CommandFailure when there is no such section, or it names what is not there */
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
  const [, source = entrypoint, exported = 'default'] = /^(.+):([^:/\\]+)$/.exec(entrypoint) ?? []
  const flows = await describeFlows([source], folder)
  const flow = flows.find((one) => one.exported === exported)
  if (flow === undefined)
    throw new CommandFailure(
      `${source} exports no flow '${exported}', which ${file} names. It exports: ${flows.map((one) => one.exported).join(', ')}.`,
    )
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
