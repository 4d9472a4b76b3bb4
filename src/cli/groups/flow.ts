/** `callboard flow`: the flows that have runs or deployments. */

import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { host } from '../flows/index.ts'
import { count, keyValue } from '../input/index.ts'
import { fromNow } from '../output/index.ts'
import { codeIn } from './run.ts'

export function flowGroup(context: Context) {
  return new Command('flow')
    .description('Flows.')
    .addCommand(listCommand(context))
    .addCommand(inspectCommand(context))
    .addCommand(serveCommand(context))
}

function listCommand(context: Context) {
  return new Command('ls')
    .alias('list')
    .description('The flows that have runs or deployments.')
    .option('--json', 'as JSON')
    .action(async ({ json }) => {
      const { items } = await (await context.client()).flows.list()
      context.out.list(
        items,
        [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'RUNS', value: ({ runs }) => String(sum(runs)), align: 'right' },
          { title: 'LAST RUN', value: ({ lastRunAt }) => fromNow(lastRunAt, context.deps.clock.now()) },
          { title: 'DEPLOYMENTS', value: ({ deployments }) => deployments.join(', ') },
        ],
        { json, none: 'No flows. Deploy one: callboard deploy flows.ts' },
      )
    })
}

function inspectCommand(context: Context) {
  return new Command('inspect')
    .description('What is known of a flow.')
    .argument('<name>')
    .option('--json', 'as JSON')
    .action(async (name, { json }) => {
      const { out } = context
      const flow = await (await context.client()).flows.get(name)
      if (json === true) return out.json(flow)
      const states = Object.entries(flow.runs).map(([type, runs]) => `${type.toLowerCase()} ${runs}`)
      out.facts({
        name: flow.name,
        runs: states.join(', ') || 'none',
        'last run': flow.lastRunAt && fromNow(flow.lastRunAt, context.deps.clock.now()),
        versions: flow.versions.join(', ') || undefined,
        deployments: flow.deployments.join(', ') || undefined,
      })
    })
}

function serveCommand(context: Context) {
  return new Command('serve')
    .description('Serves a flow of a file as a deployment until it is stopped; its runs are here.')
    .argument('<file>', 'the file, or file.ts:export')
    .option('--name <name>', 'of the deployment, behind that of its flow', 'default')
    .option('-p, --param <key=value>', 'for every run (several times)', keyValue)
    .option('--limit <count>', 'runs at the same time', count)
    .action(async (text, { name, param, limit }) => {
      const { file, exported } = codeIn(text, context.folder)
      const order = { do: 'serve', file, exported, name, parameters: param, limit } as const
      const hosting = await host(context, order, { quiet: false })
      const { what } = await hosting.told('serve')
      context.out.note(`Serving. Start a run: callboard deployment run ${what.join()}`)
      await hosting.ended
    })
}

function sum(counts: object): number {
  return Object.values(counts).reduce((all: number, one: number) => all + one, 0)
}
