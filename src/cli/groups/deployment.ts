/** `callboard deploy` and `callboard deployment`: flows that others can start. */

import { Command } from '@commander-js/extra-typings'
import type { Deployment } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { CommandFailure, wrongUsage } from '../exits.ts'
import { deploymentOf, describeFlows } from '../flows/index.ts'
import { jsonObject, keyValue, several } from '../input/index.ts'
import { fromNow, shortId } from '../output/index.ts'
import { watchRun } from '../watch/index.ts'
import { configuredDeployments } from './configured-deployments.ts'
import {
  deleteCommand,
  inspectCommand,
  type Kind,
  listCommand,
  pausingCommands,
  twoNames,
} from './definitions.ts'

export function deployCommand(context: Context) {
  return new Command('deploy')
    .description('Makes deployments of the flows that files export, or of those in callboard.config.ts.')
    .argument('[file...]', 'files with flows')
    .option('--all', 'everything that callboard.config.ts lists under deployments')
    .option('--name <name>', 'what they are called behind the name of their flow', 'default')
    .option('--pool <name>', 'the work pool that runs them', 'default')
    .option('-q, --queue <name>', 'its queue', 'default')
    .option('--tag <tag>', 'for every run (several times)', several)
    .option('-p, --param <key=value>', 'for every run (several times)', keyValue)
    .option('--path <folder>', 'the folder of the code as the workers see it; default: this folder')
    .action(async (files, { all, name, pool, queue, tag = [], param, path }) => {
      if ((files.length === 0) === (all === undefined))
        throw wrongUsage('Name files, or give --all for those in callboard.config.ts.')
      const { deployments } = await context.client()
      const place = {
        name,
        pool,
        queue,
        tags: tag,
        path: path ?? context.folder,
        ...(param === undefined ? {} : { parameters: param }),
      }
      const wanted =
        all === true
          ? await configuredDeployments(context)
          : (await describeFlows(files, context.folder)).map((flow) => deploymentOf(flow, place))
      for (const deployment of wanted) {
        const shown = await deployments.put([deployment.flow, deployment.name], deployment)
        context.out.line(`${shown.id} → pool ${shown.pool}, queue ${shown.queue}`)
      }
      context.out.note(`Start one: callboard deployment run ${wanted[0]?.flow}/${wanted[0]?.name} --watch`)
    })
}

const NAME = '<flow/name>'

function namesOf(text: string): readonly [string, string] {
  if (!text.includes('/'))
    throw wrongUsage(`'${text}' is no deployment: write flow/name. List them: callboard deployment ls`)
  return twoNames(text, '')
}

export function deploymentGroup(context: Context) {
  const kind: Kind<Deployment> = {
    title: 'deployment',
    of: (client) => client.deployments,
    columns: [
      { title: 'NAME', value: ({ id }) => id },
      {
        title: 'STATE',
        value: ({ paused }) => (paused ? 'paused' : 'ready'),
        colour: ({ paused }) => (paused ? 'yellow' : 'green'),
      },
      { title: 'POOL/QUEUE', value: ({ pool, queue }) => `${pool}/${queue}` },
      { title: 'ENTRYPOINT', value: ({ entrypoint }) => entrypoint },
      { title: 'TAGS', value: ({ tags }) => tags.join(', ') },
      { title: 'CHANGED', value: ({ updatedAt }) => fromNow(updatedAt, context.deps.clock.now()) },
    ],
    nameOf: namesOf,
    argument: NAME,
    hint: 'Make one: callboard deploy flows.ts',
  }
  const group = new Command('deployment').description('Flows that others can start, by flow/name.')
  group
    .addCommand(listCommand(context, kind))
    .addCommand(inspectCommand(context, kind))
    .addCommand(runCommand(context))
  for (const command of pausingCommands(context, kind)) group.addCommand(command)
  return group.addCommand(deleteCommand(context, kind))
}

function runCommand(context: Context) {
  return new Command('run')
    .description('Starts a run of a deployment.')
    .argument(NAME)
    .option('-p, --param <key=value>', 'one parameter (several times)', keyValue)
    .option('--params <json>', 'all parameters', jsonObject)
    .option('--name <name>', 'what the run is called')
    .option('--tag <tag>', 'several times', several)
    .option('--at <time>', 'when it is to start, as ISO 8601 says it')
    .option('--key <key>', 'an idempotency key: the same key is the same run')
    .option('--watch', 'and watches it; ends with 1 when the run failed')
    .option('--json', 'as JSON')
    .action(async (text, { param, params, name, tag, at, key, watch, json }) => {
      const client = await context.client()
      const run = await client.deployments.run(namesOf(text), {
        ...(params === undefined && param === undefined ? {} : { parameters: { ...params, ...param } }),
        ...(name === undefined ? {} : { name }),
        ...(tag === undefined ? {} : { tags: [...tag] }),
        ...(at === undefined ? {} : { scheduledTime: timeOf(at) }),
        ...(key === undefined ? {} : { idempotencyKey: key }),
      })
      if (watch === true) {
        const hasCompleted = await watchRun(context, client, run.id)
        if (!hasCompleted) throw new CommandFailure('')
      } else if (json === true) context.out.json(run)
      else {
        context.out.line(`${run.id} ${run.name}`)
        context.out.note(`Watch it: callboard flow-run watch ${shortId(run.id)}`)
      }
    })
}

function timeOf(text: string): string {
  const at = Date.parse(text)
  if (Number.isNaN(at))
    throw wrongUsage(`'${text}' is no time: write it as ISO 8601 does, 2026-03-01T09:00:00Z.`)
  return new Date(at).toISOString()
}
