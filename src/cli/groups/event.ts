/** `callboard event`: what happens, over all runs. */

import { Command } from '@commander-js/extra-typings'
import type { LiveItem, RunEvent } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { count, runMeant, several } from '../input/index.ts'
import { clockText, type Output, oneLine, shortId } from '../output/index.ts'

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
    .description(
      'Events as they happen, until it is stopped: states of runs and task runs, and what code tells of.',
    )
    .option('--json', 'one JSON object a line')
    .action(async ({ json, run, flow, event }) => {
      const { out } = context
      const client = await context.client()
      const of = run === undefined ? undefined : await runMeant(client, run, context.deps.clock.now())
      const filter = { ...(of === undefined ? {} : { id: of }), ...(flow === undefined ? {} : { flow }) }
      for await (const item of client.flowRuns.watchAll(filter, { kinds: ['state', 'task', 'event'] })) {
        if (item.kind === 'gap')
          out.note('Some events could not be given: they came faster than they were read.')
        for (const shown of eventsIn(item)) {
          if (!isWanted(shown.event, event)) continue
          out.line(json === true ? JSON.stringify(shown) : eventText(out, shown))
        }
      }
    })
}

type Shown = Pick<RunEvent, 'event' | 'run' | 'task' | 'timestamp' | 'data'>

/** States under the names that a listing gives them, also those that were overtaken on their way here. */
function eventsIn(item: LiveItem): Shown[] {
  switch (item.kind) {
    case 'event':
      return [item.data]
    case 'state':
      return statesIn('flow-run', item.run, item.data)
    case 'task': {
      const { key } = item.data
      return statesIn('task-run', item.run, item.data, key === undefined ? {} : { task: key })
    }
    default:
      return []
  }
}

type Entered = Extract<LiveItem, { kind: 'state' | 'task' }>['data']

function statesIn(
  of: string,
  run: string,
  { state, overtook = [] }: Entered,
  task: Pick<Shown, 'task'> = {},
) {
  return [...overtook, state].map(
    (one): Shown => ({
      event: `${of}.${one.name}`,
      run,
      ...task,
      timestamp: one.timestamp,
      data: { ...one },
    }),
  )
}

/** `flow-run.*` is every name that begins so. */
function isWanted(event: string, wanted: readonly string[] | undefined): boolean {
  if (wanted === undefined) return true
  return wanted.some((name) => (name.endsWith('*') ? event.startsWith(name.slice(0, -1)) : event === name))
}

function eventText(out: Output, { event, run, task, timestamp, data }: Shown): string {
  const of = task === undefined ? shortId(run) : `${shortId(run)} ${task}`
  const { message } = data
  const detail =
    typeof message === 'string' ? message.split('\n')[0] : event.includes('-run.') ? '' : oneLine(data)
  return `${out.colour('dim', clockText(timestamp))} ${out.colour('blue', of)} ${event} ${detail}`.trimEnd()
}
