/** `callboard work-pool`: workers that are alike, as those who deploy see them. */

import { Command, Option } from '@commander-js/extra-typings'
import type { WorkPool } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { count, keyValue, type Parameters } from '../input/index.ts'
import { deleteCommand, inspectCommand, type Kind, listCommand, pausingCommands } from './definitions.ts'
import { previewCommand } from './preview.ts'

const POOLS: Kind<WorkPool> = {
  title: 'work pool',
  of: (client) => client.workPools,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    {
      title: 'STATE',
      value: ({ paused }) => (paused ? 'paused' : 'ready'),
      colour: ({ paused }) => (paused ? 'yellow' : 'green'),
    },
    { title: 'LIMIT', value: ({ limit }) => (limit === undefined ? '' : String(limit)), align: 'right' },
    { title: 'INFRASTRUCTURE', value: ({ infrastructure }) => infrastructure?.type ?? '' },
    { title: 'DESCRIPTION', value: ({ description = '' }) => description },
  ],
  nameOf: (text) => text,
  argument: '<name>',
  hint: 'Make one: callboard work-pool create <name>',
}

export function workPoolGroup(context: Context) {
  const group = new Command('work-pool').description('Work pools: workers that are alike.')
  group.addCommand(createCommand(context)).addCommand(listCommand(context, POOLS))
  group.addCommand(inspectCommand(context, POOLS)).addCommand(updateCommand(context))
  for (const command of pausingCommands(context, POOLS)) group.addCommand(command)
  group.addCommand(previewCommand(context, { argument: '<name>', queuesOf: (pool) => ({ pool }) }))
  return group.addCommand(deleteCommand(context, POOLS))
}

function described(name: string) {
  return new Command(name)
    .argument('<name>')
    .option('--description <text>', 'for people')
    .option('--limit <count>', 'runs of all its queues at the same time', count)
    .addOption(
      new Option('--infrastructure <kind>', 'where the code runs').choices([
        'inline',
        'thread',
        'process',
      ] as const),
    )
    .option('--env <NAME=value>', 'a variable of its runs (several times)', keyValue)
    .option('--memory <MiB>', 'of the JavaScript heap of a run', count)
}

interface PoolOptions {
  readonly description?: string | undefined
  readonly limit?: number | undefined
  readonly infrastructure?: 'inline' | 'thread' | 'process' | undefined
  readonly env?: Parameters | undefined
  readonly memory?: number | undefined
}

function fieldsOf({ description, limit, infrastructure: type, env, memory: memoryMb }: PoolOptions) {
  const infrastructure = {
    ...(type === undefined ? {} : { type }),
    ...(env === undefined ? {} : { env: textsOf(env) }),
    ...(memoryMb === undefined ? {} : { memoryMb }),
  }
  return {
    ...(description === undefined ? {} : { description }),
    ...(limit === undefined ? {} : { limit }),
    ...(Object.keys(infrastructure).length === 0 ? {} : { infrastructure }),
  }
}

function textsOf(values: Parameters): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
}

function createCommand(context: Context) {
  return described('create')
    .description('Makes a work pool.')
    .option('--paused', 'nothing begins in it until it is resumed')
    .action(async (name, { paused, ...options }) => {
      await (await context.client()).workPools.create({
        name,
        ...fieldsOf(options),
        ...(paused === undefined ? {} : { paused }),
      })
      context.out.line(`${name} created. Start a worker: callboard worker start --pool ${name}`)
    })
}

function updateCommand(context: Context) {
  return described('update')
    .description('Changes what is given of a work pool.')
    .action(async (name, options) => {
      await (await context.client()).workPools.update(name, fieldsOf(options))
      context.out.line(`${name} updated`)
    })
}
