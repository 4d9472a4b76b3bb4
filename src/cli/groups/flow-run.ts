/** `callboard flow-run`: runs, listed, looked at, told, watched. */

import { Command } from '@commander-js/extra-typings'
import type { FlowRun } from '../../client/index.ts'
import { isOwnQueue } from '../../core/index.ts'
import type { Context } from '../context.ts'
import { confirmed, count, runMeant } from '../input/index.ts'
import { type Column, colourOf, fromNow, oneLine, shortId, spanText, traceText } from '../output/index.ts'
import { logsCommand } from './flow-run-logs.ts'
import { signalCommands } from './flow-run-signals.ts'
import { filtered, filterOf } from './run-filter.ts'
import { watchCommand } from './watch.ts'

export function flowRunGroup(context: Context) {
  const group = new Command('flow-run').description('Runs of flows.')
  group.addCommand(listCommand(context)).addCommand(inspectCommand(context)).addCommand(watchCommand(context))
  group
    .addCommand(logsCommand(context))
    .addCommand(historyCommand(context))
    .addCommand(deleteCommand(context))
  for (const command of signalCommands(context)) group.addCommand(command)
  return group
}

function listCommand(context: Context) {
  return filtered('ls', context)
    .alias('list')
    .description('The newest runs.')
    .option('--limit <count>', 'how many', count, 20)
    .option('--json', 'as JSON')
    .action(async ({ json, limit, ...filter }) => {
      const client = await context.client()
      const asked = filterOf(filter)
      const runs = await context.out.during(
        'Asking',
        firstOf(client.flowRuns.all({ ...asked, limit: Math.min(limit, 200) }), limit),
      )
      context.out.list(runs, runColumns(context), { json, none: 'No runs.' })
      if (runs.length > 0) return
      const { hint } = await client.flowRuns.list({ ...asked, limit: 1 })
      if (hint !== undefined) context.out.note(hint)
    })
}

async function firstOf<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const found: T[] = []
  if (limit === 0) return found
  for await (const item of items) if (found.push(item) === limit) break
  return found
}

function runColumns({ deps }: Context): readonly Column<FlowRun>[] {
  return [
    { title: 'ID', value: ({ id }) => shortId(id) },
    { title: 'NAME', value: ({ name }) => name },
    { title: 'FLOW', value: ({ flow }) => flow },
    { title: 'STATE', value: ({ state }) => state.name, colour: ({ state }) => colourOf(state) },
    { title: 'DEPLOYMENT', value: ({ deployment = '' }) => deployment },
    { title: 'CREATED', value: ({ createdAt }) => fromNow(createdAt, deps.clock.now()) },
    { title: 'RAN', value: ({ totalRunMs }) => spanText(totalRunMs), align: 'right' },
    { title: 'TASKS', value: ({ taskRuns }) => tasksText(taskRuns), align: 'right' },
  ]
}

/** `3/10`: completed, of all. */
function tasksText(counts: FlowRun['taskRuns']): string {
  const all = Object.values(counts).reduce((sum, one) => sum + one, 0)
  return all === 0 ? '' : `${counts.COMPLETED ?? 0}/${all}`
}

function inspectCommand(context: Context) {
  return new Command('inspect')
    .description('Everything that is known of a run.')
    .argument('<run>', 'its id, the beginning or end of it, or its name')
    .option('--json', 'as JSON')
    .action(async (text, { json }) => {
      const { out } = context
      const client = await context.client()
      const run = await client.flowRuns.get(await runMeant(client, text, context.deps.clock.now()))
      if (json === true) return out.json(run)
      const { state } = run
      out.facts({
        id: run.id,
        name: run.name,
        flow: run.flowVersion === undefined ? run.flow : `${run.flow} (version ${run.flowVersion})`,
        deployment: run.deployment,
        state: `${out.colour(colourOf(state), state.name)}  ${fromNow(state.timestamp, context.deps.clock.now())}`,
        message: state.message,
        result: state.type === 'COMPLETED' && state.data !== undefined ? oneLine(state.data) : undefined,
        parameters: run.parameters === undefined ? undefined : oneLine(run.parameters),
        tags: run.tags.length === 0 ? undefined : run.tags.join(', '),
        parent: run.parent?.run,
        worker: run.worker,
        queue: run.queue,
        created: `${run.createdAt} by ${run.createdBy.principal ?? run.createdBy.channel}`,
        expected: run.expectedStartTime,
        started: run.startTime,
        ended: run.endTime,
        ran: spanText(run.totalRunMs),
        executions: String(run.runCount),
        recoveries: run.recoveryCount === 0 ? undefined : String(run.recoveryCount),
        tasks: tasksText(run.taskRuns) || undefined,
        takes: run.legalSignals.join(', ') || undefined,
      })
      out.below(traceText(state))
      if (state.type === 'SCHEDULED' && isOwnQueue(run.queue))
        out.below(`If its process is gone: callboard run <file> --take-over ${run.id}`)
    })
}

function historyCommand(context: Context) {
  return new Command('history')
    .description('The states a run and its task runs went through.')
    .argument('<run>', 'its id, the beginning or end of it, or its name')
    .option('--json', 'as JSON')
    .action(async (text, { json }) => {
      const client = await context.client()
      const run = await runMeant(client, text, context.deps.clock.now())
      const { items } = await client.flowRuns.states(run)
      context.out.list(
        items,
        [
          { title: 'TIME', value: ({ state }) => state.timestamp },
          { title: 'OF', value: ({ task }) => task ?? 'flow run' },
          { title: 'STATE', value: ({ state }) => state.name, colour: ({ state }) => colourOf(state) },
          { title: 'BY', value: ({ by }) => (by === undefined ? '' : (by.principal ?? by.channel)) },
          { title: 'MESSAGE', value: ({ state }) => state.message?.split('\n')[0] ?? '' },
        ],
        { json, none: 'No states.' },
      )
    })
}

function deleteCommand(context: Context) {
  return new Command('delete')
    .description('Deletes runs that have ended.')
    .argument('<run...>', 'ids, beginnings or ends of them, or names')
    .option('-y, --yes', 'without asking')
    .action(async (texts, { yes }) => {
      const client = await context.client()
      const runs: string[] = []
      for (const text of texts) runs.push(await runMeant(client, text, context.deps.clock.now()))
      if (
        !(await confirmed(context, `Delete ${runs.length === 1 ? 'the run' : `${runs.length} runs`}?`, yes))
      )
        return
      for (const run of runs) {
        await client.flowRuns.delete(run)
        context.out.line(`${run} deleted`)
      }
    })
}
