/** `callboard worker`: processes that run flows. */

import { Command, Option } from '@commander-js/extra-typings'
import type { GatewayClient, Worker } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { count, duration, several } from '../input/index.ts'
import { fromNow, shortId } from '../output/index.ts'
import { inspectCommand, type Kind, listCommand } from './definitions.ts'

export function workerGroup(context: Context) {
  const kind: Kind<Worker> = {
    title: 'worker',
    of: (client) => client.workers,
    columns: [
      { title: 'ID', value: ({ id }) => shortId(id) },
      { title: 'NAME', value: ({ name = 'a script' }) => name },
      {
        title: 'STATE',
        value: ({ status }) => status,
        colour: ({ status }) => (status === 'ready' ? 'green' : 'yellow'),
      },
      { title: 'QUEUES', value: ({ queues, workQueues = queues }) => workQueues.join(', ') },
      { title: 'RUNS', value: ({ hosted, slots }) => `${hosted}/${slots}`, align: 'right' },
      { title: 'STARTED', value: ({ startedAt }) => fromNow(startedAt, context.deps.clock.now()) },
      { title: 'SEEN', value: ({ lastSeenAt }) => fromNow(lastSeenAt, context.deps.clock.now()) },
    ],
    nameOf: (text) => text,
    argument: '<id>',
    hint: 'Start one: callboard worker start --pool default',
  }
  return new Command('worker')
    .description('Processes that run flows.')
    .addCommand(startCommand(context))
    .addCommand(listCommand(context, kind))
    .addCommand(inspectCommand(context, kind))
    .addCommand(drainCommand(context))
}

function drainCommand(context: Context) {
  return new Command('drain')
    .description('Lets a worker take no more runs: it ends with the last one that it has.')
    .argument('<worker>', 'its id, the end of it, or its name')
    .action(async (text) => {
      const client = await context.client()
      const { id } = await workerMeant(client, text)
      await client.workers.drain(id)
      context.out.line(`${id} takes no more runs`)
    })
}

async function workerMeant(client: GatewayClient, text: string): Promise<Worker> {
  const workers = await Array.fromAsync(client.workers.all())
  const [only, ...others] = workers.filter(({ id, name }) => id.endsWith(text) || name === text)
  if (only !== undefined && others.length === 0) return only
  throw new CommandFailure(
    only === undefined
      ? `There is no worker '${text}'. List them: callboard worker ls`
      : `'${text}' could be ${others.length + 1} workers: give its whole id.`,
  )
}

function startCommand(context: Context) {
  return new Command('start')
    .description('Runs the runs of a work pool in this process until it is stopped.')
    .option('--pool <name>', 'the work pool', 'default')
    .option('-q, --queue <name>', 'only this queue of it (several times)', several)
    .option('--limit <count>', 'runs at the same time', count)
    .addOption(
      new Option('--infrastructure <kind>', 'where the code runs').choices([
        'inline',
        'thread',
        'process',
      ] as const),
    )
    .option('--name <name>', 'what it is called; default: the name of this machine and the process')
    .option('--run-once', 'takes what waits now and ends with the last of it')
    .option('--drain <time>', 'how long runs may take to end when it is told to stop', duration)
    .option('--healthcheck-port <port>', 'answers GET /health there', count)
    .action(async ({ pool, queue, limit, infrastructure, name, runOnce, drain, healthcheckPort }) => {
      const { runWorkerProcess } = await import('../../worker/index.ts')
      const exitCode = await runWorkerProcess({
        settings: await context.settings(),
        pool,
        queues: queue,
        limit,
        infrastructure,
        name,
        runOnce,
        drainMs: drain,
        healthcheckPort,
      })
      if (exitCode !== 0) throw new CommandFailure('', exitCode)
    })
}
