/** `callboard event`: what happens, over all runs. */

import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { count, runMeant, several } from '../input/index.ts'
import { clockText, oneLine, shortId } from '../output/index.ts'

export function eventGroup(context: Context) {
  return new Command('event')
    .description('What happens: states entered, signals taken, what code tells of.')
    .addCommand(listCommand(context))
    .addCommand(streamCommand(context))
}

function filtered(name: string) {
  return new Command(name)
    .option('--run <run>', 'of this flow run')
    .option('--flow <name>', 'of runs of this flow')
    .option('--event <name>', 'of this name; flow-run.* for all that begin so (several times)', several)
}

interface FilterOptions {
  readonly run?: string | undefined
  readonly flow?: string | undefined
  readonly event?: readonly string[] | undefined
}

async function filterOf(context: Context, { run, flow, event }: FilterOptions) {
  const client = await context.client()
  const of = run === undefined ? undefined : await runMeant(client, run, context.deps.clock.now())
  return {
    ...(of === undefined ? {} : { run: of }),
    ...(flow === undefined ? {} : { flow }),
    ...(event === undefined ? {} : { event: [...event] }),
  }
}

function listCommand(context: Context) {
  return filtered('ls')
    .alias('list')
    .description('The newest events.')
    .option('--limit <count>', 'how many, 200 at most', count, 50)
    .option('--json', 'as JSON')
    .action(async ({ limit, json, ...options }) => {
      const client = await context.client()
      const { items } = await client.events.list({
        ...(await filterOf(context, options)),
        limit,
        sort: 'desc',
      })
      context.out.list(
        items,
        [
          { title: 'TIME', value: ({ timestamp }) => timestamp },
          { title: 'EVENT', value: ({ event }) => event },
          { title: 'RUN', value: ({ run }) => shortId(run) },
          { title: 'TASK', value: ({ task = '' }) => task },
        ],
        { json, none: 'No events.' },
      )
    })
}

function streamCommand(context: Context) {
  return filtered('stream')
    .description('Events as they happen, until it is stopped.')
    .option('--json', 'one JSON object a line')
    .action(async ({ json, ...options }) => {
      const { out } = context
      const client = await context.client()
      for await (const item of client.events.watch(await filterOf(context, options))) {
        if (item.kind === 'snapshot') continue
        if (json === true) out.line(JSON.stringify(item))
        else if (item.kind === 'event') {
          const { timestamp, run, task, event, data } = item.data
          const of = task === undefined ? shortId(run) : `${shortId(run)} ${task}`
          out.line(
            `${out.colour('dim', clockText(timestamp))} ${out.colour('blue', of)} ${event} ${oneLine(data)}`,
          )
        } else if (item.kind === 'gap')
          out.note('Some events could not be given: they came faster than they were read.')
      }
    })
}
