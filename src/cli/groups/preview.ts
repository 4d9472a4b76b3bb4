/** `preview`: the runs that wait in a pool or a queue, in the order in which they are due. */

import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { count } from '../input/index.ts'
import { colourOf, fromNow, shortId } from '../output/index.ts'

interface Where {
  readonly argument: string
  readonly queuesOf: (text: string) => { readonly pool: string; readonly name?: string }
}

export function previewCommand(context: Context, { argument, queuesOf }: Where) {
  return new Command('preview')
    .description('The runs that wait here for a worker, the next one first.')
    .argument(argument)
    .option('--limit <count>', 'how many, 200 at most', count, 20)
    .option('--json', 'as JSON')
    .action(async (text, { limit, json }) => {
      const client = await context.client()
      const { pool, name } = queuesOf(String(text))
      const all = await Array.fromAsync(client.workQueues.all())
      const queues = all.filter((queue) => queue.pool === pool && (name === undefined || queue.name === name))
      const { items } =
        queues.length === 0
          ? { items: [] }
          : await client.flowRuns.list({
              queue: queues.map(({ brokerQueue }) => brokerQueue),
              state: ['SCHEDULED'],
              sort: 'start:asc',
              limit,
            })
      const now = context.deps.clock.now()
      context.out.list(
        items,
        [
          { title: 'ID', value: ({ id }) => shortId(id) },
          { title: 'NAME', value: (run) => run.name },
          { title: 'FLOW', value: ({ flow }) => flow },
          { title: 'STATE', value: ({ state }) => state.name, colour: ({ state }) => colourOf(state) },
          { title: 'DUE', value: ({ expectedStartTime }) => fromNow(expectedStartTime, now) },
        ],
        { json, none: 'No run waits here.' },
      )
    })
}
