/** `callboard work-queue`: the queues of a pool, each with its own priority and limit. */

import { Command } from '@commander-js/extra-typings'
import type { WorkQueue } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { count } from '../input/index.ts'
import {
  deleteCommand,
  inspectCommand,
  type Kind,
  listCommand,
  pausingCommands,
  twoNames,
} from './definitions.ts'
import { previewCommand } from './preview.ts'

const NAME = '<pool/name>'
const namesOf = (text: string) => twoNames(text, 'default')

const QUEUES: Kind<WorkQueue> = {
  title: 'work queue',
  of: (client) => client.workQueues,
  columns: [
    { title: 'NAME', value: ({ pool, name }) => `${pool}/${name}` },
    {
      title: 'STATE',
      value: ({ paused }) => (paused ? 'paused' : 'ready'),
      colour: ({ paused }) => (paused ? 'yellow' : 'green'),
    },
    { title: 'PRIORITY', value: ({ priority }) => String(priority), align: 'right' },
    { title: 'LIMIT', value: ({ limit }) => (limit === undefined ? '' : String(limit)), align: 'right' },
    { title: 'DESCRIPTION', value: ({ description = '' }) => description },
  ],
  nameOf: namesOf,
  argument: NAME,
  hint: 'Make one: callboard work-queue create <pool/name>',
}

export function workQueueGroup(context: Context) {
  const group = new Command('work-queue').description(
    'Work queues. Without a pool, that of the pool default is meant.',
  )
  group.addCommand(createCommand(context)).addCommand(listCommand(context, QUEUES))
  group.addCommand(inspectCommand(context, QUEUES)).addCommand(updateCommand(context))
  for (const command of pausingCommands(context, QUEUES)) group.addCommand(command)
  const queuesOf = (text: string) => {
    const [pool, name] = namesOf(text)
    return { pool, name }
  }
  group.addCommand(previewCommand(context, { argument: NAME, queuesOf }))
  return group.addCommand(deleteCommand(context, QUEUES))
}

function described(name: string) {
  return new Command(name)
    .argument(NAME)
    .option('--description <text>', 'for people')
    .option('--priority <number>', '1 is served first', count)
    .option('--limit <count>', 'runs at the same time', count)
}

interface QueueOptions {
  readonly description?: string | undefined
  readonly priority?: number | undefined
  readonly limit?: number | undefined
}

function fieldsOf({ description, priority, limit }: QueueOptions) {
  return {
    ...(description === undefined ? {} : { description }),
    ...(priority === undefined ? {} : { priority }),
    ...(limit === undefined ? {} : { limit }),
  }
}

function createCommand(context: Context) {
  return described('create')
    .description('Makes a work queue.')
    .action(async (text, options) => {
      const [pool, name] = namesOf(text)
      await (await context.client()).workQueues.create({ pool, name, ...fieldsOf(options) })
      context.out.line(`${pool}/${name} created`)
    })
}

function updateCommand(context: Context) {
  return described('update')
    .description('Changes what is given of a work queue.')
    .action(async (text, options) => {
      await (await context.client()).workQueues.update(namesOf(text), fieldsOf(options))
      context.out.line(`${text} updated`)
    })
}
